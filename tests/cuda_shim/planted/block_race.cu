// A sum over the grid: neighbouring blocks add to one place, with an atomic or without.
#include "planted.hpp"

namespace {

__global__ void sum_kernel(const int* in, int* out) {
  if (threadIdx.x != 0) return;
  if (PLANTED)
    *out += in[blockIdx.x];
  else
    atomicAdd(out, in[blockIdx.x]);
}

}  // namespace

int main() {
  const int* in = planted::device_array({1, 2, 3, 4});
  int* out = planted::device_array({0});
  planted::launch(sum_kernel, dim3(4), dim3(32), nullptr, in, out);
  return planted::expect(out, {10});
}

// A sum into memory that nobody has set to zero.
#include "planted.hpp"

namespace {

__global__ void sum_kernel(const int* in, int* out) {
  atomicAdd(out, in[threadIdx.x]);
}

}  // namespace

int main() {
  const int* in = planted::device_array({1, 2, 3});
  int* out = planted::device_array(1);
  if (!PLANTED) cudaMemsetAsync(out, 0, sizeof(int), nullptr);
  planted::launch(sum_kernel, dim3(1), dim3(3), nullptr, in, out);
  return planted::expect(out, {6});
}

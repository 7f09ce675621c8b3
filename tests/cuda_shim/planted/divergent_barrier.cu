// Threads that have nothing to do return before the barrier that the others wait at.
#include "planted.hpp"

namespace {

__global__ void shift_kernel(const int* in, int* out, int count) {
  __shared__ int tile[64];
  const int t = static_cast<int>(threadIdx.x);
  if (PLANTED && t >= count) return;
  if (t < count) tile[t] = in[t];
  __syncthreads();
  if (t < count) out[t] = tile[(t + 1) % count];
}

}  // namespace

int main() {
  const int* in = planted::device_array({1, 2, 3});
  int* out = planted::device_array(3);
  planted::launch(shift_kernel, dim3(1), dim3(64), nullptr, in, out, 3);
  return planted::expect(out, {2, 3, 1});
}

// A shuffle that only some of the lanes that it names take part in.
#include "planted.hpp"

namespace {

__global__ void sum_kernel(const int* in, int* out, int count) {
  const int t = static_cast<int>(threadIdx.x);
  if (PLANTED && t >= count) return;
  int sum = t < count ? in[t] : 0;
  for (unsigned step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (t == 0) *out = sum;
}

}  // namespace

int main() {
  const int* in = planted::device_array({1, 2, 3});
  int* out = planted::device_array(1);
  planted::launch(sum_kernel, dim3(1), dim3(32), nullptr, in, out, 3);
  return planted::expect(out, {6});
}

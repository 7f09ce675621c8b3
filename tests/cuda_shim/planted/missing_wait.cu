// A kernel that does not wait for another stream, which writes what it reads.
#include "planted.hpp"

namespace {

__global__ void double_kernel(const int* in, int* out) {
  out[threadIdx.x] = 2 * in[threadIdx.x];
}

}  // namespace

int main() {
  cudaStream_t one, two;
  cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking);
  cudaEvent_t written;
  cudaEventCreateWithFlags(&written, cudaEventDisableTiming);
  const int* in = planted::device_array({1, 2, 3});
  int* between = planted::device_array(3);
  int* out = planted::device_array(3);
  cudaDeviceSynchronize();
  planted::launch(double_kernel, dim3(1), dim3(3), one, in, between);
  cudaEventRecord(written, one);
  if (!PLANTED) cudaStreamWaitEvent(two, written, 0);
  planted::launch(double_kernel, dim3(1), dim3(3), two, between, out);
  cudaStreamSynchronize(two);
  const int status = planted::expect(out, {4, 8, 12});
  cudaStreamDestroy(one);
  cudaStreamDestroy(two);
  cudaEventDestroy(written);
  return status;
}

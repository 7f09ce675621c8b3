// Memory that is given back on one stream while another still works with it.
#include "planted.hpp"

namespace {

__global__ void copy_kernel(const int* in, int* out) {
  out[threadIdx.x] = in[threadIdx.x];
}

}  // namespace

int main() {
  cudaStream_t one, two;
  cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking);
  cudaEvent_t copied;
  cudaEventCreateWithFlags(&copied, cudaEventDisableTiming);
  int* in = planted::device_array({1, 2, 3});
  int* out = planted::device_array(3);
  cudaDeviceSynchronize();
  planted::launch(copy_kernel, dim3(1), dim3(3), one, in, out);
  cudaEventRecord(copied, one);
  if (!PLANTED) cudaStreamWaitEvent(two, copied, 0);
  cudaFreeAsync(in, two);
  cudaStreamSynchronize(two);
  cudaStreamSynchronize(one);
  const int status = planted::expect(out, {1, 2, 3});
  cudaStreamDestroy(one);
  cudaStreamDestroy(two);
  cudaEventDestroy(copied);
  return status;
}

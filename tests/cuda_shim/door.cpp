// What tests/gpu.py reaches by ctypes in a package that was built with the stand-in: streams, and
// what no public call of trimatte shows or does. Linked into the Python module, since that hides
// what comes from libraries.
#include "cuda_runtime.h"

#define CUDA_SHIM_DOOR extern "C" __attribute__((visibility("default")))

CUDA_SHIM_DOOR cudaStream_t cuda_shim_stream_create() {
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  return stream;
}
CUDA_SHIM_DOOR int cuda_shim_stream_destroy(cudaStream_t stream) {
  return cudaStreamDestroy(stream);
}
CUDA_SHIM_DOOR int cuda_shim_stream_synchronize(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}
CUDA_SHIM_DOOR int cuda_shim_copy(void* to, const void* from, std::size_t bytes,
                                  cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}
CUDA_SHIM_DOOR int cuda_shim_set_device(int device) {
  return cudaSetDevice(device);
}

CUDA_SHIM_DOOR std::uint64_t cuda_shim_waits() {
  return cuda_shim::waits;
}
CUDA_SHIM_DOOR std::size_t cuda_shim_allocated() {
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return total - free;
}
CUDA_SHIM_DOOR std::size_t cuda_shim_set_memory_limit(std::size_t bytes) {
  return cuda_shim::memory_limit.exchange(bytes);
}
CUDA_SHIM_DOOR void cuda_shim_break(int error) {
  cuda_shim::broken = error;
}

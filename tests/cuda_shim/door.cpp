// What tests/helpers/gpu.py reaches by ctypes in a package that was built with the stand-in:
// streams, and what no public call of trimatte shows or does. Linked into the Python module, since
// that hides what comes from libraries.
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

// A network of one layer for tests/helpers/fake_tensorrt.py: each pixel's channels weighed and
// summed.
struct Weights {
  float channel[4], bias;
};
static void mix_kernel(const float* from, float* to, std::ptrdiff_t pixels, int channels,
                       Weights weights) {
  const std::ptrdiff_t image = blockIdx.y, pixel = std::ptrdiff_t{blockIdx.x} * 32 + threadIdx.x;
  if (pixel >= pixels) return;
  float sum = weights.bias;
  for (int c = 0; c < channels; ++c)
    sum += weights.channel[c] * from[(image * channels + c) * pixels + pixel];
  to[image * pixels + pixel] = sum;
}
CUDA_SHIM_DOOR int cuda_shim_mix(const float* from, float* to, std::ptrdiff_t images,
                                 std::ptrdiff_t pixels, int channels, const float* weights,
                                 cudaStream_t stream) {
  Weights given{};
  for (int c = 0; c < channels; ++c) given.channel[c] = weights[c];
  given.bias = weights[channels];
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>((pixels + 31) / 32), static_cast<unsigned>(images));
  config.blockDim = dim3(32);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, mix_kernel, from, to, pixels, channels, given);
}

#include "core/cuda_status.hpp"

#include <cuda_runtime.h>

namespace trimatte {

CudaStatus cuda_status() {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0)
    return {false, "The CUDA backend is built but cannot be used: no NVIDIA driver is installed."};
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    const std::string why = status == cudaSuccess ? "no device found" : cudaGetErrorString(status);
    return {false, "The CUDA backend is built but cannot be used: " + why + "."};
  }
  cudaDeviceProp device{};
  if (cudaGetDeviceProperties(&device, 0) != cudaSuccess) {
    cudaGetLastError();
    return {false, "The CUDA backend is built but cannot be used: device 0 does not answer."};
  }
  return {true, "The CUDA backend runs on " + std::string(device.name) + " (compute capability " +
                    std::to_string(device.major) + "." + std::to_string(device.minor) + ")."};
}

}  // namespace trimatte

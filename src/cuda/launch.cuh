// The one place that launches kernels and checks the launch.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <string>

#include "core/device.hpp"
#include "core/error.hpp"

namespace trimatte::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw DeviceError(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}

// Launches kernel(args...) with one thread per cell of a width x height grid.
template <class... P, class... A>
void launch_2d(const char* name, void (*kernel)(P...), std::ptrdiff_t width, std::ptrdiff_t height,
               Stream stream, A&&... args) {
  if (width <= 0 || height <= 0) return;
  cudaLaunchConfig_t config{};
  config.blockDim = dim3(64, 4);
  config.gridDim =
      dim3(static_cast<unsigned>((width + 63) / 64), static_cast<unsigned>((height + 3) / 4));
  config.stream = static_cast<cudaStream_t>(stream.handle);
  check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...), name);
}

}  // namespace trimatte::cuda

// The one place that launches kernels, and the one that turns CUDA's errors into ours.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "core/device.hpp"
#include "core/error.hpp"

namespace trimatte::cuda {

// Whether it is what a kernel that failed leaves behind: from then on every call in the context
// says so, whatever it was to do.
inline bool is_left_behind(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorECCUncorrectable: return true;
    default: return false;
  }
}

// Throws a DeviceError that says what failed and why; the error is not left to the next call.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  if (is_left_behind(status))
    throw DeviceError(std::string("CUDA: an earlier failure has left this process's context "
                                  "unusable (") +
                      cudaGetErrorString(status) + "); a kernel that ran before this call failed");
  throw DeviceError(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}

inline cudaStream_t handle_of(Stream stream) {
  return static_cast<cudaStream_t>(stream.handle);
}

// kernel(args...) on a grid of blocks; `what` names it in a message. Nothing is launched for an
// empty grid.
template <class... P, class... A>
void launch(const char* what, void (*kernel)(P...), dim3 grid, dim3 block, Stream stream,
            A&&... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = handle_of(stream);
  check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...), what);
}

// As many blocks as run at once on the current GPU, but not more than `most`: its blocks may wait
// for each other (cooperative_groups::this_grid().sync()).
template <class... P, class... A>
void launch_cooperative(const char* what, void (*kernel)(P...), std::ptrdiff_t most, int threads,
                        Stream stream, A&&... args) {
  int device = 0, processors = 0, each = 0;
  check(cudaGetDevice(&device), what);
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), what);
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, threads, 0), what);
  const std::ptrdiff_t blocks = std::min<std::ptrdiff_t>(most, std::ptrdiff_t{processors} * each);
  if (blocks <= 0) return;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = handle_of(stream);
  config.attrs = &attribute;
  config.numAttrs = 1;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...), what);
}

// Blocks of `block` threads that cover `count` items, at most as many as a grid's side y or z may
// have: kernels stride over the rest.
inline unsigned blocks_for(std::ptrdiff_t count, int block, std::ptrdiff_t most = 65535) {
  return static_cast<unsigned>(std::min((count + block - 1) / block, most));
}

// Blocks that cover width x height cells. A grid's sides y and z are short: rows take both, so that
// no thread loops over rows (compilers make a copy of such a loop for every choice inside of it).
inline dim3 grid_over(std::ptrdiff_t width, std::ptrdiff_t height, dim3 block) {
  constexpr std::ptrdiff_t kMost = 65535;
  const std::ptrdiff_t rows = (height + block.y - 1) / block.y, layers = (rows + kMost - 1) / kMost;
  return dim3(blocks_for(width, static_cast<int>(block.x), 0x7fffffff),
              static_cast<unsigned>((rows + layers - 1) / layers), static_cast<unsigned>(layers));
}

// A thread for each of width x height cells, in blocks of 64 x 4.
inline constexpr int kBlockWidth = 64, kBlockHeight = 4;
template <class... P, class... A>
void launch_2d(const char* what, void (*kernel)(P...), std::ptrdiff_t width, std::ptrdiff_t height,
               Stream stream, A&&... args) {
  if (width <= 0 || height <= 0) return;
  const dim3 block(kBlockWidth, kBlockHeight);
  launch(what, kernel, grid_over(width, height, block), block, stream, args...);
}

// This thread's cell in a grid of grid_over; it may lie outside.
__device__ inline std::ptrdiff_t global_x() {
  return std::ptrdiff_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ inline std::ptrdiff_t global_y() {
  return (std::ptrdiff_t{blockIdx.z} * gridDim.y + blockIdx.y) * blockDim.y + threadIdx.y;
}

// body(y) for this thread's row, if there is one.
template <class Body>
__device__ inline void in_row(std::ptrdiff_t height, const Body& body) {
  if (const std::ptrdiff_t y = global_y(); y < height) body(y);
}

}  // namespace trimatte::cuda

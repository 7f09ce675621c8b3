// The one place that launches kernels, and the one that turns CUDA's errors into ours.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <source_location>
#include <string>
#include <string_view>

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

// What a call of CUDA is for, and its place in our sources, for messages. Made from a string
// literal, it has the place of that literal.
struct Step {
  Step(const char* name, std::source_location location = std::source_location::current())
      : what(name), where(location) {}

  std::string place() const {  // "runtime.cu:120"
    const std::string_view path = where.file_name();
    return std::string(path.substr(path.rfind('/') + 1)) + ":" + std::to_string(where.line());
  }

  const char* what;
  std::source_location where;
};

// Throws a DeviceError that says what failed, why and where. The error is not left to the next
// call.
inline void check(cudaError_t status, const Step& step) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  const std::string why = cudaGetErrorString(status), where = " (" + step.place() + ")";
  if (is_left_behind(status))
    throw DeviceError("CUDA: an earlier failure has left this process's context unusable (" + why +
                      "); a kernel that ran before this call failed" + where);
  throw DeviceError(std::string("CUDA: ") + step.what + ": " + why + where);
}

inline cudaStream_t handle_of(Stream stream) {
  return static_cast<cudaStream_t>(stream.handle);
}

// kernel(args...) on a grid of blocks; `step` names it in a message. Nothing is launched for an
// empty grid.
template <class... P, class... A>
void launch(const Step& step, void (*kernel)(P...), dim3 grid, dim3 block, Stream stream,
            A&&... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = handle_of(stream);
  check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...), step);
}

// As many blocks as run at once on the current GPU, but not more than `most`: its blocks may wait
// for each other (cooperative_groups::this_grid().sync()).
template <class... P, class... A>
void launch_cooperative(const Step& step, void (*kernel)(P...), std::ptrdiff_t most, int threads,
                        Stream stream, A&&... args) {
  int device = 0, processors = 0, each = 0;
  check(cudaGetDevice(&device), step);
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), step);
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, threads, 0), step);
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
  check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...), step);
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
void launch_2d(const Step& step, void (*kernel)(P...), std::ptrdiff_t width, std::ptrdiff_t height,
               Stream stream, A&&... args) {
  if (width <= 0 || height <= 0) return;
  const dim3 block(kBlockWidth, kBlockHeight);
  launch(step, kernel, grid_over(width, height, block), block, stream, args...);
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

// Feather on the GPU: down the columns into floats, a thread for some pixels of a column; then
// along the rows, out of shared memory.
#include <cstdint>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/feather.hpp"

namespace trimatte {
namespace {

constexpr int kEach = 8;  // pixels a thread makes
constexpr int kLanes = 32, kWarps = 8, kThreads = kLanes * kWarps;
constexpr int kStretch = kLanes * kEach;  // pixels of a row that a warp makes

// The weights in shared memory; a barrier.
struct SharedWeights {
  float at[kLargestFeatherHalf + 1];

  __device__ void load(const FeatherWeights& weights) {
    for (int i = threadIdx.y * blockDim.x + threadIdx.x; i <= weights.half; i += kThreads)
      at[i] = weights.at[i];
    __syncthreads();
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    columns_kernel(ImageView<const T> alpha, FeatherWeights weights, ImageView<float> out) {
  __shared__ SharedWeights shared;
  shared.load(weights);
  const std::ptrdiff_t x = cuda::global_x(), y = cuda::global_y() * kEach;
  if (x >= out.width || y >= out.height) return;
  const auto sample = [&](std::ptrdiff_t row) {
    row = row < 0 ? 0 : row;
    return static_cast<float>(alpha.row(row < alpha.height ? row : alpha.height - 1)[x]);
  };
  const int half = weights.half;
  float sums[kEach] = {};
  for (int i = -half; i < half + kEach; ++i) {
    const float v = sample(y + i);
#pragma unroll
    for (int k = 0; k < kEach; ++k) {
      const int distance = i < k ? k - i : i - k;
      if (distance <= half) sums[k] += shared.at[distance] * v;
    }
  }
#pragma unroll
  for (int k = 0; k < kEach; ++k)
    if (y + k < out.height) out.row(y + k)[x] = sums[k];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    rows_kernel(ImageView<const float> columns, FeatherWeights weights, ImageView<T> out) {
  __shared__ SharedWeights shared;
  __shared__ float held[kWarps][kStretch + 2 * kLargestFeatherHalf];
  shared.load(weights);
  const std::ptrdiff_t x = std::ptrdiff_t{blockIdx.x} * kStretch, y = cuda::global_y();
  if (y >= out.height) return;
  const int half = weights.half, lane = threadIdx.x;
  float* row = held[threadIdx.y] + half;
  for (int c = lane - half; c < kStretch + half; c += kLanes) {
    const std::ptrdiff_t at = x + c < 0 ? 0 : x + c;
    row[c] = columns.row(y)[at < out.width ? at : out.width - 1];
  }
  __syncwarp();
  float sums[kEach];
#pragma unroll
  for (int k = 0; k < kEach; ++k) sums[k] = shared.at[0] * row[lane + k * kLanes];
  for (int i = 1; i <= half; ++i) {
    const float weight = shared.at[i];
#pragma unroll
    for (int k = 0; k < kEach; ++k) {
      const float* middle = row + lane + k * kLanes;
      sums[k] += weight * (middle[-i] + middle[i]);
    }
  }
#pragma unroll
  for (int k = 0; k < kEach; ++k) {
    const std::ptrdiff_t at = x + lane + k * kLanes;
    if (at < out.width) out.row(y)[at] = feathered<T>(sums[k]);
  }
}

}  // namespace

template <DeviceKind D, class T>
void feather(ImageView<const T> alpha, ImageView<T> out, const FeatherOptions& options,
             Stream stream) {
  if (out.empty()) return;
  const FeatherWeights weights(options);
  const cuda::ImageBuffer<float> columns(out.height, out.width, 1, stream);
  const dim3 block(kLanes, kWarps);
  cuda::launch("feather", columns_kernel<T>,
               cuda::grid_over(out.width, (out.height + kEach - 1) / kEach, block), block, stream,
               alpha, weights, columns.view());
  dim3 grid = cuda::grid_over(out.width, out.height, block);
  grid.x = cuda::blocks_for(out.width, kStretch, 0x7fffffff);
  cuda::launch("feather", rows_kernel<T>, grid, block, stream, columns.read(), weights, out);
}

#define TRIMATTE_INSTANTIATE(T)                                                 \
  template void feather<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<T>, \
                                              const FeatherOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

// Steadied alpha on the GPU: counts of some rows by atomics in shared memory, the rule by one
// block, then tiles of differences, of their sums and of the largest sums in shared memory.
#include <cstddef>
#include <cstdint>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/stabilize.hpp"

namespace trimatte {
namespace {

using cuda::Buffer;

constexpr int kThreads = 256;
constexpr int kTileWidth = cuda::kBlockWidth, kTileHeight = 16;

// A block for each of the rows that tell of the noise, and then the next.
template <class T>
__global__ void count_kernel(ImageView<const T> image, ImageView<const T> previous,
                             StabilizeCounts* counts) {
  __shared__ std::uint32_t change[kDifferenceBins], grain[kDifferenceBins];
  const int thread = static_cast<int>(threadIdx.x);
  change[thread] = grain[thread] = 0;
  __syncthreads();
  const int channels = image.channels;
  for (std::ptrdiff_t y = kNoiseRows * blockIdx.x; y < image.height; y += kNoiseRows * gridDim.x) {
    for (std::ptrdiff_t x = thread; x + 1 < image.width; x += kThreads) {
      const T *now = image.row(y) + channels * x, *before = previous.row(y) + channels * x;
      int here[3], apart[3];
#pragma unroll
      for (int c = 0; c < 3; ++c) {
        here[c] = difference_level(now[c]) - difference_level(before[c]);
        apart[c] = here[c] -
                   (difference_level(now[channels + c]) - difference_level(before[channels + c]));
      }
      atomicAdd(&change[difference_bin(largest_magnitude(here[0], here[1], here[2]))], 1u);
      atomicAdd(&grain[difference_bin(largest_magnitude(apart[0], apart[1], apart[2]))], 1u);
    }
  }
  __syncthreads();
  if (change[thread]) atomicAdd(&counts->change[thread], change[thread]);
  if (grain[thread]) atomicAdd(&counts->grain[thread], grain[thread]);
}
static_assert(kThreads == kDifferenceBins);

__global__ void rule_kernel(const StabilizeCounts* counts, double steps, StabilizeOptions options,
                            StabilizeRule* rule) {
  __shared__ StabilizeCounts near;
  const int thread = static_cast<int>(threadIdx.x);
  near.change[thread] = counts->change[thread];
  near.grain[thread] = counts->grain[thread];
  __syncthreads();
  if (thread == 0) *rule = stabilize_rule(near, steps, options);
}

__device__ std::ptrdiff_t held_within(std::ptrdiff_t i, std::ptrdiff_t count) {
  return i < 0 ? 0 : i < count ? i : count - 1;
}

// body(row, column) for every cell of a tile, by all threads of the block.
template <int kRows, int kColumns, class Body>
__device__ void for_cells(const Body& body) {
  for (int i = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x); i < kRows * kColumns;
       i += kThreads)
    body(i / kColumns, i % kColumns);
}

// Cells outside of the image are its border's again, in differences and in sums.
template <class T, class A>
__global__ void __launch_bounds__(kThreads)
    blend_kernel(ImageView<const T> image, ImageView<const A> alpha, ImageView<const T> previous,
                 ImageView<const A> previous_alpha, ImageView<A> out, const StabilizeRule* shared) {
  __shared__ std::uint8_t differences[kTileHeight + 4][kTileWidth + 4];
  __shared__ std::uint16_t sums[kTileHeight + 2][kTileWidth + 2];
  const std::ptrdiff_t tile = std::ptrdiff_t{blockIdx.z} * gridDim.y + blockIdx.y;
  const std::ptrdiff_t y0 = tile * kTileHeight, x0 = std::ptrdiff_t{blockIdx.x} * kTileWidth;
  for_cells<kTileHeight + 4, kTileWidth + 4>([&](int row, int column) {
    const std::ptrdiff_t y = held_within(y0 + row - 2, image.height);
    const std::ptrdiff_t x = held_within(x0 + column - 2, image.width) * image.channels;
    differences[row][column] = pixel_difference(image.row(y) + x, previous.row(y) + x);
  });
  __syncthreads();
  for_cells<kTileHeight + 2, kTileWidth + 2>([&](int row, int column) {
    int sum = 0;
#pragma unroll
    for (int i = 0; i < 9; ++i) sum += differences[row + i / 3][column + i % 3];
    sums[row][column] = static_cast<std::uint16_t>(sum);
  });
  __syncthreads();
  const StabilizeRule rule = *shared;
  for_cells<kTileHeight, kTileWidth>([&](int row, int column) {
    const std::ptrdiff_t y = y0 + row, x = x0 + column;
    if (y >= out.height || x >= out.width) return;
    int largest = 0;
#pragma unroll
    for (int i = 0; i < 9; ++i) {
      // Sums around cells outside of the image are no sums of differences: its border's count.
      const int r = static_cast<int>(held_within(y + i / 3 - 1, out.height) - y0) + 1;
      const int c = static_cast<int>(held_within(x + i % 3 - 1, out.width) - x0) + 1;
      const int sum = sums[r][c];
      largest = sum > largest ? sum : largest;
    }
    out.row(y)[x] = stabilized_alpha(alpha.row(y)[x], previous_alpha.row(y)[x], rule.gain(largest));
  });
}

}  // namespace

template <DeviceKind D, class T, class A>
void stabilize_alpha(ImageView<const T> image, ImageView<const A> alpha,
                     ImageView<const T> previous, ImageView<const A> previous_alpha,
                     ImageView<A> out, const StabilizeOptions& options, Stream stream) {
  if (out.empty()) return;
  constexpr std::ptrdiff_t kMostBlocks = 512;
  const Buffer<StabilizeCounts> counts(1, stream);
  const Buffer<StabilizeRule> rule(1, stream);
  counts.fill_zero();
  const std::ptrdiff_t rows = (image.height + kNoiseRows - 1) / kNoiseRows;
  cuda::launch("stabilize_alpha", count_kernel<T>, dim3(cuda::blocks_for(rows, 1, kMostBlocks)),
               dim3(kThreads), stream, image, previous, counts.data());
  cuda::launch("stabilize_alpha", rule_kernel, dim3(1), dim3(kThreads), stream, counts.data(),
               kDifferenceSteps<T>, options, rule.data());
  const std::ptrdiff_t tiles = (out.height + kTileHeight - 1) / kTileHeight;
  const dim3 block(kTileWidth, kThreads / kTileWidth);
  cuda::launch("stabilize_alpha", blend_kernel<T, A>,
               cuda::grid_over(out.width, tiles * block.y, block), block, stream, image, alpha,
               previous, previous_alpha, out, rule.data());
}

#define TRIMATTE_INSTANTIATE(T, A)                                                    \
  template void stabilize_alpha<DeviceKind::kCUDA, T, A>(                             \
      ImageView<const T>, ImageView<const A>, ImageView<const T>, ImageView<const A>, \
      ImageView<A>, const StabilizeOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

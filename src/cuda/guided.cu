// Guided alpha on the GPU: a warp a cell, then a thread a cell and number, then a thread a pixel.
#include <cstdint>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/guided.hpp"

namespace trimatte {
namespace {

using cuda::Buffer;

constexpr int kThreads = 256, kWarp = 32;

template <class... P, class... A>
void launch_line(void (*kernel)(P...), std::ptrdiff_t count, Stream stream, A&&... args) {
  cuda::launch("estimate_alpha", kernel, dim3(cuda::blocks_for(count, kThreads, 0x7fffffff)),
               dim3(kThreads), stream, args...);
}

// The moments of the known pixels of a cell.
template <class T>
__global__ void count_kernel(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                             GuideGrid grid, double* moments) {
  const std::ptrdiff_t cell = cuda::global_x() / kWarp;
  if (cell >= grid.cells()) return;
  const std::ptrdiff_t y0 = cell / grid.columns * grid.side, x0 = cell % grid.columns * grid.side;
  std::int32_t counts[kGuideCounts] = {};
  const int side = static_cast<int>(grid.side), lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int i = lane; i < side * side; i += kWarp) {
    const std::ptrdiff_t y = y0 + i / side, x = x0 + i % side;
    if (y >= image.height || x >= image.width) continue;
    const std::uint8_t t = trimap.row(y)[x];
    const T* p = image.row(y) + image.channels * x;
    const auto r = static_cast<std::int32_t>(ten_bits(p[0]));
    const auto g = static_cast<std::int32_t>(ten_bits(p[1]));
    const auto b = static_cast<std::int32_t>(ten_bits(p[2]));
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const std::int32_t in = k ? trimap_is_background(t) : trimap_is_foreground(t);
      counts[4 * k] += in;
      counts[4 * k + 1] += in * r;
      counts[4 * k + 2] += in * g;
      counts[4 * k + 3] += in * b;
    }
  }
#pragma unroll
  for (int k = 0; k < kGuideCounts; ++k)
    for (int d = kWarp / 2; d > 0; d /= 2) counts[k] += __shfl_xor_sync(~0u, counts[k], d);
  if (lane == 0) guide_moments(counts, moments + cell * kGuideMoments);
}

// Sums of all cells, by one block.
constexpr int kTotalParts = 32;
__global__ void total_kernel(const double* moments, std::ptrdiff_t cells, double* whole) {
  __shared__ double parts[kTotalParts][kGuideMoments];
  const int part = static_cast<int>(threadIdx.x) / kGuideMoments,
            k = static_cast<int>(threadIdx.x) % kGuideMoments;
  double sum = 0.0;
  for (std::ptrdiff_t i = part; i < cells; i += kTotalParts) sum += moments[i * kGuideMoments + k];
  parts[part][k] = sum;
  __syncthreads();
  if (part > 0) return;
  sum = 0.0;
  for (int p = 0; p < kTotalParts; ++p) sum += parts[p][k];
  whole[k] = sum;
}

// Sums over 2 R + 1 cells of a row, or of a column; N numbers a cell.
template <int N, int R>
__global__ void window_kernel(const double* cells, double* sums, GuideGrid grid, bool down) {
  const std::ptrdiff_t i = cuda::global_x();
  if (i >= grid.cells() * N) return;
  const std::ptrdiff_t cell = i / N, row = cell / grid.columns, column = cell % grid.columns;
  const std::ptrdiff_t at = down ? row : column, count = down ? grid.rows : grid.columns;
  const std::ptrdiff_t stride = down ? grid.columns * N : N;
  double sum = 0.0;
  for (int d = -R; d <= R; ++d)
    if (at + d >= 0 && at + d < count) sum += cells[i + d * stride];
  sums[i] = sum;
}

__global__ void model_kernel(const double* windows, const double* whole, std::ptrdiff_t cells,
                             double* models) {
  const std::ptrdiff_t cell = cuda::global_x();
  if (cell < cells) guide_model(windows + cell * kGuideMoments, whole, models + cell * kGuideModel);
}

__global__ void mean_kernel(const double* sums, std::ptrdiff_t cells, float4* means) {
  const std::ptrdiff_t cell = cuda::global_x();
  if (cell >= cells) return;
  const double* sum = sums + cell * kGuideModel;
  const double inverse = 1.0 / sum[4];
  means[cell] =
      make_float4(static_cast<float>(sum[0] * inverse), static_cast<float>(sum[1] * inverse),
                  static_cast<float>(sum[2] * inverse), static_cast<float>(sum[3] * inverse));
}

__device__ float4 between(const float4& a, const float4& b, float part) {
  return make_float4(guide_between(a.x, b.x, part), guide_between(a.y, b.y, part),
                     guide_between(a.z, b.z, part), guide_between(a.w, b.w, part));
}

template <class T>
__global__ void apply_kernel(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                             GuideGrid grid, const float4* means, ImageView<float> alpha) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= image.width) return;
  cuda::in_row(image.height, [&](std::ptrdiff_t y) {
    const std::uint8_t t = trimap.row(y)[x];
    if (trimap_is_background(t) || trimap_is_foreground(t)) {
      alpha.row(y)[x] = trimap_is_foreground(t) ? 1.0f : 0.0f;
      return;
    }
    const GuidePlace row(y, grid.side, grid.rows), column(x, grid.side, grid.columns);
    const float4 *above = means + row.first * grid.columns,
                 *below = means + row.second * grid.columns;
    const float4 first = between(above[column.first], below[column.first], row.part);
    const float4 second = between(above[column.second], below[column.second], row.part);
    const float4 mean = between(first, second, column.part);
    const float model[4] = {mean.x, mean.y, mean.z, mean.w};
    const T* p = image.row(y) + image.channels * x;
    alpha.row(y)[x] = guided_alpha(to_unit(p[0]), to_unit(p[1]), to_unit(p[2]), model);
  });
}

// Sums over (2 R + 1)^2 cells, in place.
template <int N, int R>
void window_sums(double* cells, double* rows, const GuideGrid& grid, Stream stream) {
  launch_line(window_kernel<N, R>, grid.cells() * N, stream, cells, rows, grid, false);
  launch_line(window_kernel<N, R>, grid.cells() * N, stream, rows, cells, grid, true);
}

}  // namespace

template <DeviceKind D, class T>
void guide_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                 ImageView<float> alpha, Stream stream) {
  if (image.empty()) return;
  const GuideGrid grid(image.height, image.width);
  const std::ptrdiff_t cells = grid.cells();
  const Buffer<double> moments(cells * kGuideMoments, stream), rows(cells * kGuideMoments, stream);
  const Buffer<double> models(cells * kGuideModel, stream), whole(kGuideMoments, stream);
  const Buffer<float4> means(cells, stream);
  launch_line(count_kernel<T>, cells * kWarp, stream, image, trimap, grid, moments.data());
  cuda::launch("estimate_alpha", total_kernel, dim3(1), dim3(kTotalParts * kGuideMoments), stream,
               moments.data(), cells, whole.data());
  window_sums<kGuideMoments, kGuideRadius>(moments.data(), rows.data(), grid, stream);
  launch_line(model_kernel, cells, stream, moments.data(), whole.data(), cells, models.data());
  window_sums<kGuideModel, kGuideMeanRadius>(models.data(), rows.data(), grid, stream);
  launch_line(mean_kernel, cells, stream, models.data(), cells, means.data());
  cuda::launch_2d("estimate_alpha", apply_kernel<T>, image.width, image.height, stream, image,
                  trimap, grid, means.data(), alpha);
}

#define TRIMATTE_INSTANTIATE(T)                    \
  template void guide_alpha<DeviceKind::kCUDA, T>( \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<float>, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

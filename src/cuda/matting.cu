// Closed-form matting on the GPU, on the unknown band only, by full multigrid: the method of
// cpu/matting.cpp on 16 x 16 tiles.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "buffer.cuh"
#include "matting_levels.cuh"
#include "matting_setup.cuh"
#include "matting_solve.cuh"
#include "ops.hpp"
#include "pixel/grid.hpp"
#include "pixel/mask_prior.hpp"
#include "pixel/sampling.hpp"

namespace trimatte {
namespace {

using cuda::Buffer;
using cuda::ImageBuffer;
using cuda::kTile;
using cuda::kTilePixels;
using cuda::MattingLevel;
using cuda::MattingLevels;

constexpr int kMostBlocks = 1 << 16;  // of kernels that stride over tiles

// One allocation for all that the levels point to.
class Workspace {
 public:
  Workspace(std::ptrdiff_t height, std::ptrdiff_t width, Stream stream) {
    std::ptrdiff_t bytes = 0;
    lay_out(height, width, nullptr, bytes);
    memory_ = Buffer<std::byte>(bytes, stream);
    bytes = 0;
    lay_out(height, width, memory_.data(), bytes);
  }

  const MattingLevels& levels() const { return levels_; }

 private:
  void lay_out(std::ptrdiff_t height, std::ptrdiff_t width, std::byte* base,
               std::ptrdiff_t& bytes) {
    const auto take = [&](auto*& pointer, std::ptrdiff_t count) {
      using T = std::remove_reference_t<decltype(*pointer)>;
      pointer = base ? reinterpret_cast<T*>(base + bytes) : nullptr;
      bytes += (count * static_cast<std::ptrdiff_t>(sizeof(T)) + 255) / 256 * 256;
    };
    for (levels_.count = 0; levels_.count < cuda::kMostLevels;) {
      const bool finest = levels_.count == 0;
      MattingLevel& level = levels_.level[levels_.count++];
      level = {};
      level.height = static_cast<int>(height);
      level.width = static_cast<int>(width);
      level.tiles_y = static_cast<int>((height + kTile - 1) / kTile);
      level.tiles_x = static_cast<int>((width + kTile - 1) / kTile);
      const std::ptrdiff_t tiles = std::ptrdiff_t{level.tiles_y} * level.tiles_x;
      take(level.classes, height * width);
      if (!finest) take(level.image, height * width * 3);
      take(level.bounds, tiles);
      take(level.slots, std::ptrdiff_t{level.tiles_y + 2} * (level.tiles_x + 2));
      take(level.tiles, tiles + 1);
      take(level.core, tiles);
      take(level.wide, tiles);
      take(level.counts, 3);
      take(level.scale, 1);
      level.tile_size = kTilePixels * (finest ? cuda::kFinePlanes : cuda::kCoarsePlanes);
      take(level.planes, (tiles + 1) * level.tile_size);
      if (std::min(height, width) <= kMattingSmallestSide) return;
      height = (height + 1) / 2;
      width = (width + 1) / 2;
    }
  }

  MattingLevels levels_{};
  Buffer<std::byte> memory_;
};

int tiles_of(const MattingLevel& level) {
  return level.tiles_y * level.tiles_x;
}

unsigned blocks_of(int tiles) {
  return static_cast<unsigned>(std::min(tiles, kMostBlocks));
}

template <class Samples>
void halve(const MattingLevels& levels, int fine, const Samples& samples, Stream stream) {
  const MattingLevel& coarse = levels.level[fine + 1];
  cuda::launch_2d("estimate_alpha", cuda::halve_kernel<Samples>, coarse.width, coarse.height,
                  stream, levels.level[fine], coarse, samples);
}

template <class Samples>
void fill(const MattingLevel& level, const Samples& samples, Stream stream) {
  cuda::launch("estimate_alpha", cuda::fill_kernel<Samples>, dim3(blocks_of(tiles_of(level) + 1)),
               dim3(kTilePixels), stream, level, samples);
}

template <class T>
void set_up(const MattingLevels& levels, ImageView<const T> image, Stream stream) {
  const cuda::ImageSamples<T> finest{image};
  const auto samples_of = [&](int l) {
    return cuda::LevelSamples{levels.level[l].image, levels.level[l].width};
  };
  for (int l = 0; l + 1 < levels.count; ++l)
    l == 0 ? halve(levels, l, finest, stream) : halve(levels, l, samples_of(l), stream);
  const int most = (tiles_of(levels.level[0]) + cuda::kMarkWarps - 1) / cuda::kMarkWarps;
  const auto count = static_cast<unsigned>(levels.count);
  cuda::launch("estimate_alpha", cuda::mark_kernel, dim3(blocks_of(most), count),
               dim3(32 * cuda::kMarkWarps), stream, levels);
  cuda::launch("estimate_alpha", cuda::list_kernel, dim3(count), dim3(cuda::kListThreads), stream,
               levels);
  for (int l = 0; l < levels.count; ++l) {
    const MattingLevel& level = levels.level[l];
    const dim3 blocks(blocks_of(tiles_of(level)));
    l == 0 ? fill(level, finest, stream) : fill(level, samples_of(l), stream);
    cuda::launch("estimate_alpha", cuda::operator_kernel, blocks, dim3(kTilePixels), stream, level,
                 l == 0 ? kMattingEpsilon : kMattingCoarseEpsilon);
    if (l > 0)
      cuda::launch("estimate_alpha", cuda::model_kernel, blocks, dim3(kTilePixels), stream, level,
                   kMattingModelEpsilon);
  }
}

// A prior on a level: dense images of its weight, and of weight times alpha.
struct Prior {
  ImageBuffer<float> weight, target;

  Prior(const MattingLevel& level, Stream stream)
      : weight(level.height, level.width, 1, stream),
        target(level.height, level.width, 1, stream) {}
};

cuda::StretchedPlane over(const MattingLevel& level, const ImageView<const float>& plane) {
  return {plane, static_cast<float>(grid_scale(plane.height, level.height, 0)),
          static_cast<float>(grid_scale(plane.width, level.width, 0))};
}

void add_samples(const MattingLevel& level, const Prior& prior, Stream stream) {
  const std::ptrdiff_t height = level.height, width = level.width;
  const ImageBuffer<float> alpha(height, width, 1, stream), confidence(height, width, 1, stream);
  const std::ptrdiff_t stride = 3 * width * std::ptrdiff_t{sizeof(float)};
  sample_alpha<DeviceKind::kCUDA, float>(
      {level.image, height, width, 3, stride}, {level.classes, height, width, 1, width},
      alpha.view(), confidence.view(), SamplingOptions{kMattingPriorSpacing}, stream);
  cuda::launch_2d("estimate_alpha", cuda::add_samples_kernel, width, height, stream, level,
                  alpha.read().data, confidence.read().data, prior.weight.view().data,
                  prior.target.view().data);
}

void lean_on_mask(const MattingLevel& level, const ImageView<const float>& mask, const Prior& prior,
                  Stream stream) {
  const int height = (level.height + 1) / 2, width = (level.width + 1) / 2;
  const std::ptrdiff_t floats = std::ptrdiff_t{kMaskMoments} * height * width;
  const Buffer<float> cells(floats, stream), sums(floats, stream);
  const int radius = std::max(1, mask_prior_radius(level.height, level.width) / 2);
  const cuda::WindowMoments of_cells{cells.data(), height, width, radius};
  const cuda::WindowMoments of_rows{sums.data(), height, width, radius};
  const cuda::StretchedPlane stretched = over(level, mask);
  const auto launch = [&](auto kernel, std::ptrdiff_t columns, std::ptrdiff_t rows,
                          const auto&... arguments) {
    cuda::launch_2d("estimate_alpha", kernel, columns, rows, stream, arguments...);
  };
  launch(cuda::mask_moments_kernel, width, height, level, stretched, of_cells);
  launch(cuda::mask_rows_kernel, width, height, of_cells, of_rows);
  launch(cuda::mask_columns_kernel, width, height, of_rows, of_cells);
  launch(cuda::lean_on_mask_kernel, level.width, level.height, level, stretched, of_cells,
         prior.weight.view().data, prior.target.view().data);
}

void place(const MattingLevel& level, const Prior& prior, float share, Stream stream) {
  cuda::launch("estimate_alpha", cuda::place_prior_kernel, dim3(blocks_of(tiles_of(level))),
               dim3(kTilePixels), stream, level, over(level, prior.weight.read()),
               over(level, prior.target.read()), share);
}

Prior halved(const Prior& prior, const MattingLevel& from, const MattingLevel& to, Stream stream) {
  Prior half(to, stream);
  const auto halve = [&](const ImageBuffer<float>& fine, const ImageBuffer<float>& coarse) {
    cuda::launch_2d("estimate_alpha", cuda::halve_prior_kernel, to.width, to.height, stream, from,
                    fine.read().data, to, coarse.view().data);
  };
  halve(prior.weight, half.weight);
  halve(prior.target, half.target);
  return half;
}

// Places the priors on their level and the coarser ones; a mask's on the finer ones as well, which
// would tear again what it holds together. Returns the finest level that has one.
int place_priors(const MattingLevels& levels, int at, bool samples,
                 const ImageView<const float>& mask, Stream stream) {
  if (at >= levels.count || !(samples || mask.data)) return levels.count;
  Prior prior(levels.level[at], stream);
  prior.weight.fill_zero();
  prior.target.fill_zero();
  if (mask.data) {
    lean_on_mask(levels.level[at], mask, prior, stream);
    float share = 1.0f;
    for (int l = at; l-- > 0;) place(levels.level[l], prior, share *= kMaskFinerShare, stream);
  }
  if (samples) add_samples(levels.level[at], prior, stream);
  place(levels.level[at], prior, 1.0f, stream);
  for (int l = at + 1; l < levels.count; ++l) {
    prior = halved(prior, levels.level[l - 1], levels.level[l], stream);
    place(levels.level[l], prior, 1.0f, stream);
  }
  return mask.data ? 0 : at;
}

// Rows and columns from (height, width) on are repeated ones.
template <class T>
void solve(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
           ImageView<const float> mask, ImageView<float> alpha, std::ptrdiff_t height,
           std::ptrdiff_t width, const MattingOptions& options, MattingInfo* info, Stream stream) {
  const Workspace workspace(image.height, image.width, stream);
  const MattingLevels& levels = workspace.levels();
  const Buffer<cuda::MattingCounts> counts(1, stream);
  counts.fill_zero();
  const std::ptrdiff_t rows = std::min<std::ptrdiff_t>(image.height, 1024);
  cuda::launch("estimate_alpha", cuda::classify_kernel,
               dim3(cuda::blocks_for(image.width, 1024), static_cast<unsigned>(rows)), dim3(256),
               stream, trimap, height, width, alpha, levels.level[0].classes, counts.data());
  set_up(levels, image, stream);
  const int tiles = tiles_of(levels.level[0]);
  const Buffer<double> partial(4 * std::ptrdiff_t{tiles}, stream);
  const MattingSchedule schedule = matting_schedule(options.quality);
  const ImageView<const float> no_mask{};
  const int prior_level =
      place_priors(levels, matting_prior_level(image.height, image.width), schedule.prior,
                   schedule.converges() ? no_mask : mask, stream);
  const Buffer<MattingSummary> result(1, stream);
  cuda::launch_cooperative("estimate_alpha", cuda::solve_kernel, tiles, kTilePixels, stream, levels,
                           schedule, prior_level, counts.data(), partial.data(), alpha,
                           result.data());
  if (info)
    cuda::download(static_cast<MattingSummary*>(info), result.data(), sizeof(MattingSummary),
                   stream);
  options.report(1.0);
}

// Copies what both images have; rows and columns that `from` does not have repeat its last ones.
template <class V>
__global__ void repeat_kernel(ImageView<const V> from, ImageView<V> to) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= to.width) return;
  cuda::in_row(to.height, [&](std::ptrdiff_t y) {
    const V* source = from.row(y < from.height ? y : from.height - 1);
    const std::ptrdiff_t column = x < from.width ? x : from.width - 1;
    for (int c = 0; c < to.channels; ++c)
      to.row(y)[x * to.channels + c] = source[column * from.channels + c];
  });
}

template <class V>
void repeat(ImageView<const V> from, ImageView<V> to, Stream stream) {
  cuda::launch_2d("estimate_alpha", repeat_kernel<V>, to.width, to.height, stream, from, to);
}

}  // namespace

template <DeviceKind D, class T>
void estimate_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                    ImageView<const float> mask, ImageView<float> alpha,
                    const MattingOptions& options, MattingInfo* info, Stream stream) {
  if (info) *info = {};
  if (image.empty()) return;
  if (image.height >= 3 && image.width >= 3) {
    solve(image, trimap, mask, alpha, image.height, image.width, options, info, stream);
    return;
  }
  // Images thinner than a window are solved with their rows or columns repeated.
  const std::ptrdiff_t height = std::max<std::ptrdiff_t>(3, image.height);
  const std::ptrdiff_t width = std::max<std::ptrdiff_t>(3, image.width);
  const ImageBuffer<T> pixels(height, width, 3, stream);
  const ImageBuffer<std::uint8_t> classes(height, width, 1, stream);
  const ImageBuffer<float> solved(height, width, 1, stream);
  repeat(image, pixels.view(), stream);
  repeat(trimap, classes.view(), stream);
  solve(pixels.read(), classes.read(), mask, solved.view(), image.height, image.width, options,
        info, stream);
  repeat(solved.read(), alpha, stream);
}

#define TRIMATTE_INSTANTIATE(T)                                                                    \
  template void estimate_alpha<DeviceKind::kCUDA, T>(                                              \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<const float>, ImageView<float>, \
      const MattingOptions&, MattingInfo*, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

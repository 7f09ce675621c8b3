// Closed-form matting on the GPU, on the unknown band only, by full multigrid: the method of
// cpu/matting.cpp on 16 x 16 tiles.
#include <cstddef>
#include <vector>

#include "buffer.cuh"
#include "matting_levels.cuh"
#include "matting_setup.cuh"
#include "matting_solve.cuh"
#include "ops.hpp"
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

// Samples colours on a coarse level, and places what they say as prior of it and the coarser ones.
void place_priors(const MattingLevels& levels, int at, Stream stream) {
  Buffer<float> weight, target;
  for (int l = at; l < levels.count; ++l) {
    const MattingLevel& level = levels.level[l];
    const std::ptrdiff_t height = level.height, width = level.width;
    Buffer<float> next_weight(height * width, stream), next_target(height * width, stream);
    if (l == at) {
      const std::ptrdiff_t stride = width * std::ptrdiff_t{sizeof(float)};
      sample_alpha<DeviceKind::kCUDA, float>({level.image, height, width, 3, 3 * stride},
                                             {level.classes, height, width, 1, width},
                                             {next_target.data(), height, width, 1, stride},
                                             {next_weight.data(), height, width, 1, stride},
                                             SamplingOptions{kMattingPriorSpacing}, stream);
      cuda::launch_2d("estimate_alpha", cuda::weigh_kernel, width, height, stream, level,
                      next_target.data(), next_weight.data());
    } else {
      const MattingLevel& fine = levels.level[l - 1];
      cuda::launch_2d("estimate_alpha", cuda::halve_prior_kernel, width, height, stream, fine,
                      static_cast<const float*>(weight.data()), level, next_weight.data());
      cuda::launch_2d("estimate_alpha", cuda::halve_prior_kernel, width, height, stream, fine,
                      static_cast<const float*>(target.data()), level, next_target.data());
    }
    weight = std::move(next_weight);
    target = std::move(next_target);
    cuda::launch("estimate_alpha", cuda::place_prior_kernel, dim3(blocks_of(tiles_of(level))),
                 dim3(kTilePixels), stream, level, static_cast<const float*>(weight.data()),
                 static_cast<const float*>(target.data()));
  }
}

// Rows and columns from (height, width) on are repeated ones.
template <class T>
void solve(ImageView<const T> image, ImageView<const std::uint8_t> trimap, ImageView<float> alpha,
           std::ptrdiff_t height, std::ptrdiff_t width, const MattingOptions& options,
           MattingInfo* info, Stream stream) {
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
  const int prior_level =
      schedule.prior ? matting_prior_level(image.height, image.width) : levels.count;
  place_priors(levels, prior_level, stream);
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
                    ImageView<float> alpha, const MattingOptions& options, MattingInfo* info,
                    Stream stream) {
  if (info) *info = {};
  if (image.empty()) return;
  if (image.height >= 3 && image.width >= 3) {
    solve(image, trimap, alpha, image.height, image.width, options, info, stream);
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
  solve(pixels.read(), classes.read(), solved.view(), image.height, image.width, options, info,
        stream);
  repeat(solved.read(), alpha, stream);
}

#define TRIMATTE_INSTANTIATE(T)                                                                   \
  template void estimate_alpha<DeviceKind::kCUDA, T>(                                             \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<float>, const MattingOptions&, \
      MattingInfo*, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

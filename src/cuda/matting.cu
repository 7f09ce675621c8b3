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
constexpr int kMostTogether = 4096;   // of the solver

int tiles_of(const MattingLevel& level) {
  return level.tiles_y * level.tiles_x;
}

// Of kListThreads tiles.
int chunks_of(const MattingLevel& level) {
  return (tiles_of(level) + cuda::kListThreads - 1) / cuda::kListThreads;
}

// What the levels point to: one allocation for what the image's size says, and one for the planes
// of the tiles, of which only the GPU knows how many there are.
class Workspace {
 public:
  Workspace(std::ptrdiff_t height, std::ptrdiff_t width, Stream stream) : stream_(stream) {
    std::ptrdiff_t bytes = 0;
    lay_out(height, width, nullptr, bytes);
    memory_ = Buffer<std::byte>(bytes, stream);
    bytes = 0;
    lay_out(height, width, memory_.data(), bytes);
  }

  // Allocates the planes of all tiles, if they take at most unasked_bytes; else waits for the
  // counts and allocates those of the stored tiles.
  void take_planes(std::ptrdiff_t unasked_bytes) {
    int stored[cuda::kMostLevels];
    for (int l = 0; l < levels_.count; ++l)
      stored[l] = levels_.level[l].tiles_y * levels_.level[l].tiles_x;
    if (plane_bytes(stored) > unasked_bytes) {
      int counts[cuda::kMostLevels * cuda::kLists];
      cuda::download(counts, levels_.level[0].counts,
                     static_cast<std::size_t>(levels_.count) * cuda::kLists * sizeof(int), stream_);
      for (int l = 0; l < levels_.count; ++l)
        stored[l] = counts[l * cuda::kLists + cuda::kStoredList];
    }
    planes_ = Buffer<std::byte>(plane_bytes(stored), stream_);
    std::byte* next = planes_.data();
    for (int l = 0; l < levels_.count; ++l) {
      levels_.level[l].planes = reinterpret_cast<float*>(next);
      next += plane_bytes(levels_.level[l], stored[l]);
    }
  }

  const MattingLevels& levels() const { return levels_; }
  const cuda::ListedLevel& listed() const { return listed_; }

 private:
  // With the tile of zeros.
  static std::ptrdiff_t plane_bytes(const MattingLevel& level, int tiles) {
    return (std::ptrdiff_t{tiles} + 1) * level.tile_size * std::ptrdiff_t{sizeof(float)};
  }
  std::ptrdiff_t plane_bytes(const int (&tiles)[cuda::kMostLevels]) const {
    std::ptrdiff_t bytes = 0;
    for (int l = 0; l < levels_.count; ++l) bytes += plane_bytes(levels_.level[l], tiles[l]);
    return bytes;
  }

  void lay_out(std::ptrdiff_t height, std::ptrdiff_t width, std::byte* base,
               std::ptrdiff_t& bytes) {
    const auto take = [&](auto*& pointer, std::ptrdiff_t count) {
      using T = std::remove_reference_t<decltype(*pointer)>;
      pointer = base ? reinterpret_cast<T*>(base + bytes) : nullptr;
      bytes += (count * static_cast<std::ptrdiff_t>(sizeof(T)) + 255) / 256 * 256;
    };
    int* counts = nullptr;
    take(counts, cuda::kMostLevels * cuda::kLists);
    take(listed_.count, 1);
    take(listed_.places, cuda::kMostListed);
    take(listed_.cells, cuda::kMostListed);
    take(listed_.coefficients, cuda::kStencilPixels * cuda::kMostListed);
    for (levels_.count = 0; levels_.count < cuda::kMostLevels;) {
      const bool finest = levels_.count == 0;
      MattingLevel& level = levels_.level[levels_.count];
      level = {};
      level.height = static_cast<int>(height);
      level.width = static_cast<int>(width);
      level.tiles_y = static_cast<int>((height + kTile - 1) / kTile);
      level.tiles_x = static_cast<int>((width + kTile - 1) / kTile);
      level.tile_size = kTilePixels * (finest ? cuda::kFinePlanes : cuda::kCoarsePlanes);
      level.counts = counts ? counts + levels_.count * cuda::kLists : nullptr;
      const std::ptrdiff_t tiles = tiles_of(level);
      take(level.classes, height * width);
      if (!finest) take(level.image, height * width * 3);
      take(level.bounds, tiles);
      take(level.slots, std::ptrdiff_t{level.tiles_y + 2} * (level.tiles_x + 2));
      take(level.tiles, tiles + 1);
      take(level.kinds, tiles);
      take(level.chunks, std::ptrdiff_t{chunks_of(level)} * cuda::kLists);
      take(level.core, tiles);
      take(level.wide, tiles);
      take(level.scale, 1);
      ++levels_.count;
      if (std::min(height, width) <= kMattingSmallestSide) return;
      height = (height + 1) / 2;
      width = (width + 1) / 2;
    }
  }

  MattingLevels levels_{};
  cuda::ListedLevel listed_{};
  Stream stream_;
  Buffer<std::byte> memory_, planes_;
};

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
void set_up(Workspace& workspace, ImageView<const T> image, const MattingOptions& options,
            Stream stream) {
  const MattingLevels& levels = workspace.levels();
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
  const dim3 chunks(blocks_of(chunks_of(levels.level[0])), count);
  for (const auto kernel : {cuda::kinds_kernel, cuda::list_kernel, cuda::records_kernel})
    cuda::launch("estimate_alpha", kernel, chunks, dim3(cuda::kListThreads), stream, levels);
  workspace.take_planes(options.unasked_bytes);
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
  Workspace workspace(image.height, image.width, stream);
  const MattingLevels& levels = workspace.levels();
  const Buffer<cuda::MattingCounts> counts(1, stream);
  counts.fill_zero();
  const std::ptrdiff_t rows = std::min<std::ptrdiff_t>(image.height, 1024);
  cuda::launch("estimate_alpha", cuda::classify_kernel,
               dim3(cuda::blocks_for(image.width, 1024), static_cast<unsigned>(rows)), dim3(256),
               stream, trimap, height, width, alpha, levels.level[0].classes, counts.data());
  set_up(workspace, image, options, stream);
  const int blocks = std::min(tiles_of(levels.level[0]), kMostTogether);
  const Buffer<double> partial(std::ptrdiff_t{blocks} * cuda::sums_of(levels.count), stream);
  const MattingSchedule schedule = matting_schedule(options.quality);
  const ImageView<const float> no_mask{};
  const int prior_level =
      place_priors(levels, matting_prior_level(image.height, image.width), schedule.prior,
                   schedule.converges() ? no_mask : mask, stream);
  const Buffer<MattingSummary> result(1, stream);
  cuda::launch_cooperative("estimate_alpha", cuda::solve_kernel, blocks, kTilePixels, stream,
                           levels, workspace.listed(), schedule, prior_level, counts.data(),
                           partial.data(), alpha, result.data());
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

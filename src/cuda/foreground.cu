// Foreground colours on the GPU: multi-level, as on the CPU. All sweeps of a level are one launch:
// a block solves a tile in shared memory, with a halo as wide as there are sweeps, from the colours
// of the coarser level to those of its own, or to the result. Of a large level only tiles with soft
// pixels are solved: the kernel that writes all other pixels lists them. Small levels are solved by
// one block.
// Images of any depth are read through one type, so that the kernels are built once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/foreground.hpp"

namespace trimatte {
namespace {

using cuda::Buffer;

// ---- Images of any depth -----------------------------------------------------------------------

// An image whose samples are bytes, shorts or floats. All threads take the same way, and look only
// once for all of their pixels.
template <class Byte>
struct Samples {
  Byte* data = nullptr;
  std::ptrdiff_t stride = 0;
  int channels = 0;
  int size = 0;  // bytes of a sample

  template <class T>
  static Samples of(const ImageView<T>& image) {
    return {reinterpret_cast<Byte*>(image.data), image.stride, image.channels, sizeof(T)};
  }
  // body(image of T)
  template <class Body>
  __device__ void visit(const Body& body) const {
    if (size == 1)
      body(view<std::uint8_t>());
    else if (size == 2)
      body(view<std::uint16_t>());
    else
      body(view<float>());
  }

 private:
  template <class T>
  __device__ auto view() const {
    using Sample = std::conditional_t<std::is_const_v<Byte>, const T, T>;
    return ImageView<Sample>{reinterpret_cast<Sample*>(data), 0, 0, channels, stride};
  }
};
using Source = Samples<const std::byte>;
using Target = Samples<std::byte>;

// Where level 0 goes, and what is known there.
struct Result {
  Target foreground, background;
  Source plate;
  ForegroundOptions options;
};

struct Place {
  std::ptrdiff_t y, x;
};

constexpr int kPlanes = 6;      // of F and B, three channels each
using Colors = float[kPlanes];  // of a pixel

// Colours, and alpha as w, of N pixels of place_of(i).
template <int N, class PlaceOf>
__device__ void load_pixels(const Source& image, const Source& alpha, const PlaceOf& place_of,
                            float4 (&to)[N]) {
  image.visit([&](const auto& view) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const auto [y, x] = place_of(i);
      const auto* from = view.row(y) + view.channels * x;
      to[i].x = to_unit(from[0]);
      to[i].y = to_unit(from[1]);
      to[i].z = to_unit(from[2]);
    }
  });
  alpha.visit([&](const auto& view) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const auto [y, x] = place_of(i);
      to[i].w = clip_unit(to_unit(view.row(y)[view.channels * x]));
    }
  });
}

// ---- Levels ------------------------------------------------------------------------------------

struct Level {
  std::ptrdiff_t height, width;
  Source image, alpha;
  float4* pixels;  // what image and alpha are of; level 0 has the caller's
  float* colors;   // planes of F and B; null for level 0

  TRIMATTE_HD bool is_small() const { return foreground_is_small(height, width); }
};

constexpr int kMostLevels = 33;  // of sides below 2^31, and the start
struct Pyramid {
  int count = 0;
  Level level[kMostLevels];  // level[count]: the start, a pixel without an image
};

std::ptrdiff_t halved(std::ptrdiff_t side) {
  return (side + 1) / 2;
}

__device__ float4 halved(const float4& a, const float4& b, const float4& c, const float4& d) {
  return make_float4(foreground_halved(a.x, b.x, c.x, d.x), foreground_halved(a.y, b.y, c.y, d.y),
                     foreground_halved(a.z, b.z, c.z, d.z), foreground_halved(a.w, b.w, c.w, d.w));
}

__device__ float channel_of(const float4& pixel, int c) {
  return c == 0 ? pixel.x : c == 1 ? pixel.y : pixel.z;
}

__device__ std::ptrdiff_t clamped(std::ptrdiff_t i, std::ptrdiff_t size) {
  return i < 0 ? 0 : i < size ? i : size - 1;
}

// Where the pixel (y, x) of a level starts.
__device__ void start_colors(const Level& coarse, std::ptrdiff_t y, std::ptrdiff_t x,
                             const float4& pixel, Colors& colors) {
#pragma unroll
  for (int p = 0; p < kPlanes; ++p) {
    const float from = coarse.colors[(p * coarse.height + y / 2) * coarse.width + x / 2];
    const float own = channel_of(pixel, p % 3);
    colors[p] = p < 3 ? foreground_start(pixel.w, own, from) : background_start(pixel.w, own, from);
  }
}

__device__ void store_planes(const Level& level, std::ptrdiff_t y, std::ptrdiff_t x,
                             const Colors& colors) {
#pragma unroll
  for (int p = 0; p < kPlanes; ++p)
    level.colors[(p * level.height + y) * level.width + x] = colors[p];
}

// The result's images, of one depth.
template <class T>
struct ResultViews {
  ImageView<T> foreground, background;
  ImageView<const T> plate;

  __device__ ResultViews(const ImageView<T>& front, const Result& result)
      : foreground(front),
        background{reinterpret_cast<T*>(result.background.data), 0, 0, 3, result.background.stride},
        plate{reinterpret_cast<const T*>(result.plate.data), 0, 0, result.plate.channels,
              result.plate.stride} {}

  __device__ void store(const Result& result, std::ptrdiff_t y, std::ptrdiff_t x,
                        const float4& pixel, const Colors& colors) const {
    const bool known = result.options.background_known;
    const float a = pixel.w;
    T* front = foreground.row(y) + 3 * x;
    T* back = background.data ? background.row(y) + 3 * x : nullptr;
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      const float image = channel_of(pixel, c);
      float f = colors[c], b = colors[3 + c];
      project_colors(a, image, f, b);
      if (known) {
        b = plate.data ? to_unit(plate.row(y)[plate.channels * x + c]) : result.options.color[c];
        f = subtract_background(a, image, b, f);
      }
      front[c] = a >= 1.0f ? known_sample<T>(image) : from_unit<T>(f);
      if (back) back[c] = a <= 0.0f && !known ? known_sample<T>(image) : from_unit<T>(b);
    }
  }
};

// ---- The first levels --------------------------------------------------------------------------

constexpr int kBlockLevels = 6, kBlockSide = 1 << kBlockLevels;  // levels of one block, its pixels
constexpr int kPyramidThreads = 256;

// A block halves its 64 x 64 pixels down to one.
__global__ void __launch_bounds__(kPyramidThreads) pyramid_kernel(Pyramid pyramid) {
  constexpr int kSide = kBlockSide / 2;
  __shared__ float4 cells[2][kSide * kSide];
  const Level& full = pyramid.level[0];
  const std::ptrdiff_t tile_x = blockIdx.x;
  for (std::ptrdiff_t tile_y = blockIdx.y; tile_y * kBlockSide < full.height; tile_y += gridDim.y) {
    for (int i = threadIdx.x; i < kSide * kSide; i += kPyramidThreads) {
      const std::ptrdiff_t y = tile_y * kSide + i / kSide, x = tile_x * kSide + i % kSide;
      if (2 * y >= full.height || 2 * x >= full.width) continue;
      float4 p[4];
      const bool two_rows = 2 * y + 1 < full.height, two_columns = 2 * x + 1 < full.width;
      load_pixels(
          full.image, full.alpha,
          [&](int j) { return Place{2 * y + (j / 2 && two_rows), 2 * x + (j % 2 && two_columns)}; },
          p);
      const float4 mean = halved(p[0], p[1], p[2], p[3]);
      pyramid.level[1].pixels[y * pyramid.level[1].width + x] = mean;
      cells[1][i] = mean;
    }
    __syncthreads();
    for (int l = 2; l <= kBlockLevels && l < pyramid.count; ++l) {
      const Level &fine = pyramid.level[l - 1], &coarse = pyramid.level[l];
      const float4* from = cells[(l - 1) % 2];
      const int side = kBlockSide >> l;
      for (int i = threadIdx.x; i < side * side; i += kPyramidThreads) {
        const std::ptrdiff_t y = tile_y * side + i / side, x = tile_x * side + i % side;
        if (y >= coarse.height || x >= coarse.width) continue;
        const int above = 2 * (i / side), left = 2 * (i % side);
        const int below = above + (2 * y + 1 < fine.height),
                  right = left + (2 * x + 1 < fine.width);
        const float4 mean = halved(from[above * 2 * side + left], from[above * 2 * side + right],
                                   from[below * 2 * side + left], from[below * 2 * side + right]);
        coarse.pixels[y * coarse.width + x] = mean;
        cells[l % 2][i] = mean;
      }
      __syncthreads();
    }
  }
}

// ---- Sweeps ------------------------------------------------------------------------------------

constexpr int kTileWidth = 64, kTileHeight = 32;
constexpr int kStrip = 4;  // rows of a thread, one below the other
constexpr int kThreads = kTileWidth * kTileHeight / kStrip;
static_assert(kForegroundSmallSide <= kTileWidth && kForegroundSmallSide <= kTileHeight);
static_assert(kForegroundSweeps % kStrip == 0);  // the image's first row is the first of a strip

using Tile = float[kPlanes][kTileHeight][kTileWidth];

// A thread's pixels of a tile.
struct Strip {
  std::ptrdiff_t image_y, image_x;  // of the first pixel
  int y, x;                         // the same in the tile
  int left, right, above, below;    // neighbours in the tile; the image's border repeats
  int last;                         // the pixel in the image's last row
  float4 pixel[kStrip];
  ForegroundSystem system[kStrip];
  Colors color[kStrip];

  // Of a tile whose first pixel is (y0, x0) of the level.
  __device__ Strip(const Level& level, std::ptrdiff_t y0, std::ptrdiff_t x0)
      : y(kStrip * static_cast<int>(threadIdx.x / kTileWidth)),
        x(static_cast<int>(threadIdx.x % kTileWidth)) {
    image_y = y0 + y;
    image_x = x0 + x;
    left = x - (x > 0 && image_x > 0);
    right = x + (x < kTileWidth - 1 && image_x < level.width - 1);
    above = y - (y > 0 && image_y > 0);
    below = y + kStrip - (y + kStrip < kTileHeight ? 0 : 1);
    const std::ptrdiff_t rest = level.height - 1 - image_y;
    last = rest < kStrip ? static_cast<int>(rest) : kStrip;
    load_pixels(
        level.image, level.alpha,
        [&](int i) {
          return Place{clamped(image_y + i, level.height), clamped(image_x, level.width)};
        },
        pixel);
  }

  // The weights. Alpha is passed around in the tile.
  __device__ void set_up(Tile& tile) {
    auto& alpha = tile[0];
#pragma unroll
    for (int i = 0; i < kStrip; ++i) alpha[y + i][x] = pixel[i].w;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kStrip; ++i) {
      const float own = pixel[i].w;
      const float up = alpha[i > 0 ? y + i - 1 : above][x];
      const float down = i == last ? own : alpha[i + 1 < kStrip ? y + i + 1 : below][x];
      system[i] = foreground_system(own, alpha[y + i][left], alpha[y + i][right], up, down);
    }
    __syncthreads();
  }

  __device__ void start_from(const Level& coarse, const Level& level) {
#pragma unroll
    for (int i = 0; i < kStrip; ++i)
      start_colors(coarse, clamped(image_y + i, level.height), clamped(image_x, level.width),
                   pixel[i], color[i]);
  }

  __device__ void publish(Tile& tile) const {
#pragma unroll
    for (int i = 0; i < kStrip; ++i)
#pragma unroll
      for (int p = 0; p < kPlanes; ++p) tile[p][y + i][x] = color[i][p];
    __syncthreads();
  }

  // One Jacobi sweep. The strip's own colours are in registers, its neighbours' in the tile.
  __device__ void sweep(const Tile& tile) {
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      const auto &front = tile[c], &back = tile[3 + c];
      float up_f = front[above][x], up_b = back[above][x];
#pragma unroll
      for (int i = 0; i < kStrip; ++i) {
        const float f = color[i][c], b = color[i][3 + c];
        float down_f, down_b;
        if (i + 1 < kStrip)
          down_f = color[i + 1][c], down_b = color[i + 1][3 + c];
        else
          down_f = front[below][x], down_b = back[below][x];
        if (i == last) down_f = f, down_b = b;
        const float mean_f =
            foreground_mean(system[i], front[y + i][left], front[y + i][right], up_f, down_f);
        const float mean_b =
            foreground_mean(system[i], back[y + i][left], back[y + i][right], up_b, down_b);
        if (is_soft(pixel[i].w))
          foreground_step(system[i].gain, pixel[i].w, channel_of(pixel[i], c), mean_f, mean_b,
                          color[i][c], color[i][3 + c]);
        up_f = f, up_b = b;
      }
    }
    __syncthreads();
  }

  // All sweeps of a level, from the colours that it starts with.
  __device__ void solve(int sweeps, Tile& tile) {
    set_up(tile);
    for (int s = 0; s < sweeps; ++s) {
      publish(tile);
      sweep(tile);
    }
  }

  // If pixel i is one of the level, and none of the tile's halo.
  __device__ bool is_own(int i, const Level& level, int halo) const {
    return x >= halo && x < kTileWidth - halo && image_x < level.width && y + i >= halo &&
           y + i < kTileHeight - halo && image_y + i < level.height;
  }

  // The pixels of the level, or only the soft ones.
  __device__ void store(const Level& level, int halo, const Result& result, bool soft) const {
    if (level.colors) {
#pragma unroll
      for (int i = 0; i < kStrip; ++i)
        if (is_stored(i, level, halo, soft)) store_planes(level, image_y + i, image_x, color[i]);
      return;
    }
    result.foreground.visit([&](const auto& front) {
      const ResultViews views(front, result);
#pragma unroll
      for (int i = 0; i < kStrip; ++i)
        if (is_stored(i, level, halo, soft))
          views.store(result, image_y + i, image_x, pixel[i], color[i]);
    });
  }

 private:
  __device__ bool is_stored(int i, const Level& level, int halo, bool soft) const {
    return is_own(i, level, halo) && (!soft || is_soft(pixel[i].w));
  }
};

// ---- Tiles of a level --------------------------------------------------------------------------

// The tiles, each without its halo, row by row; and which of them have soft pixels, if that has
// been found out.
struct Tiling {
  int height, width;  // of a tile
  int across, count;
  int* listed;  // how many
  int* list;    // null: all tiles are solved, and store all of their pixels

  static Tiling of(const Level& level, int halo) {
    Tiling tiling{kTileHeight - 2 * halo, kTileWidth - 2 * halo, 0, 0, nullptr, nullptr};
    tiling.across = static_cast<int>((level.width + tiling.width - 1) / tiling.width);
    tiling.count =
        tiling.across * static_cast<int>((level.height + tiling.height - 1) / tiling.height);
    return tiling;
  }
  __device__ Place first(int tile) const {
    return {std::ptrdiff_t{tile / across} * height, std::ptrdiff_t{tile % across} * width};
  }
};

constexpr int kCopyThreads = 256, kCopyPixels = 6;  // of a thread
static_assert(kCopyThreads * kCopyPixels >=
              (kTileWidth - 2 * kForegroundSweeps) * (kTileHeight - 2 * kForegroundSweeps));

// Writes what needs no solving, and lists the tiles that do. A block a tile.
__global__ void __launch_bounds__(kCopyThreads)
    copy_kernel(Level level, Level coarse, Tiling tiling, Result result) {
  for (int tile = blockIdx.x; tile < tiling.count; tile += gridDim.x) {
    const Place first = tiling.first(tile);
    const auto place_of = [&](int i) {
      const int at = i * kCopyThreads + static_cast<int>(threadIdx.x);
      return Place{first.y + at / tiling.width, first.x + at % tiling.width};
    };
    float4 pixels[kCopyPixels];
    load_pixels(
        level.image, level.alpha,
        [&](int i) {
          const Place place = place_of(i);
          return Place{clamped(place.y, level.height), clamped(place.x, level.width)};
        },
        pixels);
    bool soft = false;
    const auto for_known = [&](const auto& store) {
#pragma unroll
      for (int i = 0; i < kCopyPixels; ++i) {
        const Place place = place_of(i);
        if (place.y >= first.y + tiling.height || place.y >= level.height || place.x >= level.width)
          continue;
        if (is_soft(pixels[i].w)) {
          soft = true;
          continue;
        }
        store(place, pixels[i]);
      }
    };
    if (level.colors) {
      for_known([&](const Place& place, const float4& pixel) {
        Colors colors;
        start_colors(coarse, place.y, place.x, pixel, colors);
        store_planes(level, place.y, place.x, colors);
      });
    } else {
      result.foreground.visit([&](const auto& front) {
        const ResultViews views(front, result);
        for_known([&](const Place& place, const float4& pixel) {
          Colors colors = {};
          // Where alpha is 1 the foreground is the image, and the coarser level is not read.
          if (pixel.w < 1.0f || views.background.data)
            start_colors(coarse, place.y, place.x, pixel, colors);
          views.store(result, place.y, place.x, pixel, colors);
        });
      });
    }
    if (__syncthreads_or(soft) && threadIdx.x == 0) tiling.list[atomicAdd(tiling.listed, 1)] = tile;
  }
}

// Solves a level from the next coarser one. Level 0 goes to the caller's images.
__global__ void __launch_bounds__(kThreads)
    level_kernel(Level level, Level coarse, int sweeps, int halo, Tiling tiling, Result result) {
  __shared__ Tile tile;
  const bool listed = tiling.list != nullptr;
  const int count = listed ? *tiling.listed : tiling.count;
  for (int i = blockIdx.x; i < count; i += gridDim.x) {
    const Place first = tiling.first(listed ? tiling.list[i] : i);
    Strip strip(level, first.y - halo, first.x - halo);
    bool soft = false;
    for (int k = 0; k < kStrip; ++k)
      soft = soft || (strip.is_own(k, level, halo) && is_soft(strip.pixel[k].w));
    strip.start_from(coarse, level);
    if (__syncthreads_or(soft)) strip.solve(sweeps, tile);
    strip.store(level, halo, result, listed);
  }
}

// ---- Small levels ------------------------------------------------------------------------------

__device__ double warp_sum(double v) {
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(~0u, v, d);
  return v;
}

// The colours that the coarsest level starts from, of a small level. A warp a plane.
__device__ void store_start(const Level& level, const Level& start) {
  const int plane = static_cast<int>(threadIdx.x / 32);
  if (plane >= kPlanes) return;
  const std::ptrdiff_t pixels = level.height * level.width;
  double sum = 0.0, weights = 0.0, all = 0.0;
  for (std::ptrdiff_t i = threadIdx.x % 32; i < pixels; i += 32) {
    const float4 pixel = level.pixels[i];
    const auto weight = static_cast<double>(foreground_start_weight(plane < 3, pixel.w));
    const auto image = static_cast<double>(channel_of(pixel, plane % 3));
    sum += weight * image;
    weights += weight;
    all += image;
  }
  sum = warp_sum(sum);
  weights = warp_sum(weights);
  all = warp_sum(all);
  if (threadIdx.x % 32 == 0)
    start.colors[plane] = foreground_first(sum, weights, all / static_cast<double>(pixels));
}

__device__ void halve_level(const Level& fine, const Level& coarse) {
  for (std::ptrdiff_t i = threadIdx.x; i < coarse.height * coarse.width; i += kThreads) {
    const std::ptrdiff_t above = 2 * (i / coarse.width), left = 2 * (i % coarse.width);
    const std::ptrdiff_t below = clamped(above + 1, fine.height);
    const std::ptrdiff_t right = clamped(left + 1, fine.width);
    const float4 *a = fine.pixels + above * fine.width, *b = fine.pixels + below * fine.width;
    coarse.pixels[i] = halved(a[left], a[right], b[left], b[right]);
  }
  __syncthreads();
}

// One block: the rest of the pyramid, and the colours of the small levels.
__global__ void __launch_bounds__(kThreads) coarse_kernel(Pyramid pyramid) {
  __shared__ Tile tile;
  for (int l = kBlockLevels + 1; l < pyramid.count; ++l)
    halve_level(pyramid.level[l - 1], pyramid.level[l]);
  int small = 2;
  while (!pyramid.level[small].is_small()) ++small;
  store_start(pyramid.level[small], pyramid.level[pyramid.count]);
  __syncthreads();
  for (int l = pyramid.count - 1; l > 0 && pyramid.level[l].is_small(); --l) {
    const Level& level = pyramid.level[l];
    Strip strip(level, 0, 0);
    strip.start_from(pyramid.level[l + 1], level);
    strip.solve(kForegroundSmallSweeps, tile);
    strip.store(level, 0, {}, false);
    __syncthreads();
  }
}

// ---- Host --------------------------------------------------------------------------------------

// Sizes of all levels, and the memory of those behind level 0.
class Levels {
 public:
  Levels(std::ptrdiff_t height, std::ptrdiff_t width, const Source& image, const Source& alpha,
         Stream stream) {
    Level* const levels = all.level;
    levels[0] = {height, width, image, alpha, nullptr, nullptr};
    std::ptrdiff_t pixels = 0;
    all.count = 1;
    for (; all.count < kForegroundFewestLevels || height > 1 || width > 1; ++all.count) {
      height = halved(height);
      width = halved(width);
      levels[all.count] = {height, width, {}, {}, nullptr, nullptr};
      pixels += height * width;
    }
    pixels_ = Buffer<float4>(pixels, stream);
    levels[all.count] = {1, 1, {}, {}, nullptr, nullptr};
    colors_ = Buffer<float>(kPlanes * (pixels + 1), stream);
    float4* next_pixels = pixels_.data();
    float* next_colors = colors_.data();
    for (int l = 1; l <= all.count; ++l) {
      Level& level = levels[l];
      level.colors = next_colors;
      next_colors += kPlanes * level.height * level.width;
      if (l == all.count) break;
      level.pixels = next_pixels;
      next_pixels += level.height * level.width;
      const auto* bytes = reinterpret_cast<const std::byte*>(level.pixels);
      const auto stride = level.width * static_cast<std::ptrdiff_t>(sizeof(float4));
      level.image = {bytes, stride, 4, sizeof(float)};
      level.alpha = {bytes + 3 * sizeof(float), stride, 4, sizeof(float)};
    }
  }

  Pyramid all;

 private:
  Buffer<float4> pixels_;
  Buffer<float> colors_;
};

// The tilings of all levels, with a list where there are more than direct_tiles tiles.
class Tilings {
 public:
  Tilings(const Pyramid& pyramid, int direct_tiles, Stream stream) {
    std::ptrdiff_t listed = 0;
    for (int l = 0; l < pyramid.count; ++l) {
      of[l] = Tiling::of(pyramid.level[l], halo_of(pyramid.level[l]));
      if (is_listed(pyramid.level[l], of[l], direct_tiles)) listed += 1 + of[l].count;
    }
    if (listed == 0) return;
    memory_ = Buffer<int>(listed, stream);
    memory_.fill_zero();
    int* next = memory_.data();
    for (int l = 0; l < pyramid.count; ++l)
      if (is_listed(pyramid.level[l], of[l], direct_tiles)) {
        of[l].listed = next;
        of[l].list = next + 1;
        next += 1 + of[l].count;
      }
  }

  // A small level is a tile of its own.
  static int halo_of(const Level& level) { return level.is_small() ? 0 : kForegroundSweeps; }

  Tiling of[kMostLevels];

 private:
  static bool is_listed(const Level& level, const Tiling& tiling, int direct_tiles) {
    return !level.is_small() && tiling.count > direct_tiles;
  }

  Buffer<int> memory_;
};

void estimate(const Pyramid& pyramid, const Result& result, Stream stream) {
  // Of a list most tiles are none of the level's: blocks that find nothing to do cost time, too.
  constexpr int kMostBlocks = 1 << 20, kMostListed = 1 << 10;
  const char* const what = "estimate_foreground";
  const Level& full = pyramid.level[0];
  const dim3 tiles(cuda::blocks_for(full.width, kBlockSide, 0x7fffffff),
                   cuda::blocks_for(full.height, kBlockSide));
  cuda::launch(what, pyramid_kernel, tiles, dim3(kPyramidThreads), stream, pyramid);
  cuda::launch(what, coarse_kernel, dim3(1), dim3(kThreads), stream, pyramid);
  const Tilings tilings(pyramid, result.options.direct_tiles, stream);
  for (int l = pyramid.count - 1; l >= 0; --l) {
    const Level &level = pyramid.level[l], &coarse = pyramid.level[l + 1];
    if (l > 0 && level.is_small()) continue;  // solved
    const Tiling& tiling = tilings.of[l];
    const auto blocks = [&](int most) {
      return dim3(static_cast<unsigned>(std::min(tiling.count, most)));
    };
    if (tiling.list)
      cuda::launch(what, copy_kernel, blocks(kMostBlocks), dim3(kCopyThreads), stream, level,
                   coarse, tiling, result);
    const int sweeps = foreground_sweeps(result.options.quality, l, level.height, level.width);
    cuda::launch(what, level_kernel, blocks(tiling.list ? kMostListed : kMostBlocks),
                 dim3(kThreads), stream, level, coarse, sweeps, Tilings::halo_of(level), tiling,
                 result);
  }
}

}  // namespace

template <DeviceKind D, class T, class A>
void estimate_foreground(ImageView<const T> image, ImageView<const A> alpha,
                         ImageView<const T> plate, ImageView<T> foreground, ImageView<T> background,
                         const ForegroundOptions& options, Stream stream) {
  if (image.empty()) return;
  const Levels levels(image.height, image.width, Source::of(image), Source::of(alpha), stream);
  estimate(levels.all, {Target::of(foreground), Target::of(background), Source::of(plate), options},
           stream);
}

#define TRIMATTE_INSTANTIATE(T, A)                                                            \
  template void estimate_foreground<DeviceKind::kCUDA, T, A>(                                 \
      ImageView<const T>, ImageView<const A>, ImageView<const T>, ImageView<T>, ImageView<T>, \
      const ForegroundOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

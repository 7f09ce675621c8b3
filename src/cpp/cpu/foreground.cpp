// Foreground colours on the CPU: multi-level, Jacobi sweeps over the soft pixels, then the
// projection onto the compositing equation. A level is solved tile by tile, each with a halo as
// wide as there are sweeps, so that all sweeps of a tile run in the caches. The two finest levels
// have no planes at all: a tile of the image makes its part of level 1 from the image, solves it
// from level 2, and itself from that. Tiles of all opaque or all transparent pixels are copied.
#define TRIMATTE_THIS_FILE "cpu/foreground.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/plane.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/foreground.hpp"

#if !defined(TRIMATTE_CPU_FOREGROUND_SHARED)
#define TRIMATTE_CPU_FOREGROUND_SHARED
namespace trimatte {

inline constexpr int kColors = 6;  // F and B, three channels each

// A level behind the two finest.
struct ColorLevel {
  std::ptrdiff_t height, width;
  Arena arena;
  Plane alpha, image[3], colors[kColors];

  ColorLevel(std::ptrdiff_t h, std::ptrdiff_t w) : height(h), width(w) {
    const auto size = static_cast<std::size_t>(height * width);
    arena = Arena(size, 4 + kColors);
    alpha = arena.take(size);
    for (Plane& plane : image) plane = arena.take(size);
    for (Plane& plane : colors) plane = arena.take(size);
  }
};

// Pixels [y0, y1) x [x0, x1) of a level.
struct Region {
  std::ptrdiff_t y0, x0, y1, x1;

  int height() const { return static_cast<int>(y1 - y0); }
  int width() const { return static_cast<int>(x1 - x0); }
  Region grown(std::ptrdiff_t halo, std::ptrdiff_t level_height, std::ptrdiff_t level_width) const {
    return {std::max<std::ptrdiff_t>(y0 - halo, 0), std::max<std::ptrdiff_t>(x0 - halo, 0),
            std::min(y1 + halo, level_height), std::min(x1 + halo, level_width)};
  }
  // Of the next coarser level, and of the next finer one of a given size.
  Region parents() const { return {y0 / 2, x0 / 2, (y1 + 1) / 2, (x1 + 1) / 2}; }
  Region children(std::ptrdiff_t level_height, std::ptrdiff_t level_width) const {
    return {2 * y0, 2 * x0, std::min(2 * y1, level_height), std::min(2 * x1, level_width)};
  }
};

inline constexpr int kTile = 64, kHalo = kForegroundSweeps;
inline constexpr int kParentHalo = kHalo + kHalo / 2;  // of level 1, for level 0 with its halo
inline constexpr int kParentSide = kTile / 2 + 2 * kParentHalo;
static_assert(kHalo % 2 == 0);                     // a tile with its halo begins at an even pixel
static_assert(kForegroundSmallSide <= kTile / 2);  // small levels are one tile, with no halo

// The tiles of a level; tile i is a Region.
struct Tiling {
  std::ptrdiff_t height, width;

  std::ptrdiff_t across() const { return (width + kTile - 1) / kTile; }
  std::ptrdiff_t count() const { return across() * ((height + kTile - 1) / kTile); }
  Region operator[](std::ptrdiff_t i) const {
    const std::ptrdiff_t y = i / across() * kTile, x = i % across() * kTile;
    return {y, x, std::min(y + kTile, height), std::min(x + kTile, width)};
  }
};

// Colours of a coarser level, from the parent of a region's first pixel on.
struct Coarse {
  const float* colors[kColors];
  std::ptrdiff_t stride;
};

// Work memory of a part of a level: planes with a border of one pixel.
template <int Side>
struct Tile {
  static constexpr int kMargin = 16;  // the border, and room that keeps rows aligned
  static constexpr int kStride = (Side + 1 + kMargin + 15) / 16 * 16;
  using Rows = float[Side + 2][kStride];

  int height, width;            // of alpha and image
  int y0, y1, x0, x1;           // the part that is solved
  int first[Side], last[Side];  // soft pixels of its rows
  int now;
  alignas(64) Rows alpha, image[3], colors[2][kColors];  // colors[now]; the other is the next

  static float* row(Rows& plane, int y) { return plane[y + 1] + kMargin; }
};

// What is given, and what is wanted.
template <class T, class A>
struct Frame {
  ImageView<const T> image;
  ImageView<const A> alpha;
  ImageView<const T> plate;
  ImageView<T> foreground, background;
  ForegroundOptions options;
};

}  // namespace trimatte
#endif

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"

// ---- The pyramid -------------------------------------------------------------------------------

// Sums of sixteen samples.
template <class T>
using SumOf = std::conditional_t<sizeof(T) == 1, std::uint16_t,
                                 std::conditional_t<sizeof(T) == 2, std::uint32_t, float>>;

// Of the four pixels of level 0 that a pixel of level 2 has per side, number j; level 0 and level 1
// repeat their last pixel where they are odd.
std::ptrdiff_t descendant(std::ptrdiff_t i, int j, std::ptrdiff_t size) {
  const std::ptrdiff_t half = (size + 1) / 2, parent = std::min(2 * i + j / 2, half - 1);
  return std::min(2 * parent + j % 2, size - 1);
}

// A row of level 2: the means of 4 x 4 pixels of the first `Planes` of C interleaved channels.
template <int C, int Planes, class T>
void quarter_row(const ImageView<const T>& image, std::ptrdiff_t y, std::ptrdiff_t width,
                 float* const (&out)[Planes]) {
  using Sum = SumOf<T>;
  constexpr int kPixels = 256;  // of level 2 at a time
  Sum sums[C * 4 * kPixels];
  const T* rows[4];
  for (int j = 0; j < 4; ++j) rows[j] = image.row(descendant(y, j, image.height));
  for (std::ptrdiff_t x = 0; x < width; x += kPixels) {
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(kPixels, width - x));
    const int have = static_cast<int>(std::min<std::ptrdiff_t>(4 * count, image.width - 4 * x));
    const T* __restrict r0 = rows[0] + 4 * C * x;
    const T* __restrict r1 = rows[1] + 4 * C * x;
    const T* __restrict r2 = rows[2] + 4 * C * x;
    const T* __restrict r3 = rows[3] + 4 * C * x;
    for (int i = 0; i < C * have; ++i)
      sums[i] = static_cast<Sum>((Sum(r0[i]) + Sum(r1[i])) + (Sum(r2[i]) + Sum(r3[i])));
    for (int i = have; i < 4 * count; ++i)  // beyond the image
      std::copy_n(sums + C * (descendant(x + i / 4, i % 4, image.width) - 4 * x), C, sums + C * i);
    // Each pixel and the next: half of these sums are not needed, but they are made by vectors.
    for (int i = 0; i < C * (4 * count - 1); ++i) sums[i] = static_cast<Sum>(sums[i] + sums[i + C]);
    for (int p = 0; p < Planes; ++p)
      for (int i = 0; i < count; ++i) {
        const Sum* four = sums + 4 * C * i + p;
        out[p][x + i] = static_cast<float>(four[0] + four[2 * C]) * 0.0625f * to_unit(T{1});
      }
  }
}

template <class T, class A>
void quarter(const ImageView<const T>& image, const ImageView<const A>& alpha,
             const ColorLevel& level) {
  parallel_rows(level.height, 16 * level.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::ptrdiff_t at = y * level.width;
      quarter_row<1, 1>(alpha, y, level.width, {level.alpha + at});
      float* const colors[3] = {level.image[0] + at, level.image[1] + at, level.image[2] + at};
      image.channels == 3 ? quarter_row<3, 3>(image, y, level.width, colors)
                          : quarter_row<4, 3>(image, y, level.width, colors);
    }
  });
}

// A row of `width` pixels, made of two rows of which `fine_width` pixels are there.
void halve_row(const float* __restrict above, const float* __restrict below, int fine_width,
               int width, float* __restrict out) {
  const int whole = std::min(width, fine_width / 2);
  for (int x = 0; x < whole; ++x)
    out[x] = foreground_halved(above[2 * x], above[2 * x + 1], below[2 * x], below[2 * x + 1]);
  if (whole < width) {
    const float a = above[2 * whole], b = below[2 * whole];
    out[whole] = foreground_halved(a, a, b, b);
  }
}

void halve(const ColorLevel& fine, const ColorLevel& coarse) {
  const auto halve_plane = [&](const Plane& from, const Plane& to, std::ptrdiff_t y) {
    const std::ptrdiff_t below = std::min(2 * y + 1, fine.height - 1);
    halve_row(from + 2 * y * fine.width, from + below * fine.width, static_cast<int>(fine.width),
              static_cast<int>(coarse.width), to + y * coarse.width);
  };
  parallel_rows(coarse.height, coarse.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      halve_plane(fine.alpha, coarse.alpha, y);
      for (int c = 0; c < 3; ++c) halve_plane(fine.image[c], coarse.image[c], y);
    }
  });
}

// ---- Tiles -------------------------------------------------------------------------------------

// Repeats the border of the pixels [y0, y1) x [x0, x1) of a plane.
template <int Side>
void repeat_border(typename Tile<Side>::Rows& plane, int y0, int y1, int x0, int x1) {
  const auto row = [&](int y) { return Tile<Side>::row(plane, y); };
  for (int y = y0; y < y1; ++y) {
    row(y)[x0 - 1] = row(y)[x0];
    row(y)[x1] = row(y)[x1 - 1];
  }
  const std::size_t bytes = static_cast<std::size_t>(x1 - x0) * sizeof(float);
  std::memcpy(row(y0 - 1) + x0, row(y0) + x0, bytes);
  std::memcpy(row(y1) + x0, row(y1 - 1) + x0, bytes);
}

// `count` pixels of a row of any image as floats.
template <class T, int Side>
void load_row(Tile<Side>& tile, int y, const T* from, int channels, int count) {
  T planes[3][kStrip];
  channels == 3 ? deinterleave<3, 3>(from, count, planes) : deinterleave<4, 3>(from, count, planes);
  for (int c = 0; c < 3; ++c) {
    float* __restrict to = tile.row(tile.image[c], y);
    for (int x = 0; x < count; ++x) to[x] = to_unit(planes[c][x]);
  }
}

template <class T, class A, int Side>
void load(Tile<Side>& tile, const ImageView<const T>& image, const ImageView<const A>& alpha,
          const Region& region) {
  tile.height = region.height();
  tile.width = region.width();
  for (int y = 0; y < tile.height; ++y) {
    load_row(tile, y, image.row(region.y0 + y) + image.channels * region.x0, image.channels,
             tile.width);
    const A* __restrict from = alpha.row(region.y0 + y) + region.x0;
    float* __restrict to = tile.row(tile.alpha, y);
    for (int x = 0; x < tile.width; ++x) to[x] = clip_unit(to_unit(from[x]));
  }
  repeat_border<Side>(tile.alpha, 0, tile.height, 0, tile.width);
}

template <int Side>
void load(Tile<Side>& tile, const ColorLevel& level, const Region& region) {
  tile.height = region.height();
  tile.width = region.width();
  const auto load_plane = [&](auto& plane, const Plane& from) {
    for (int y = 0; y < tile.height; ++y)
      std::copy_n(from + (region.y0 + y) * level.width + region.x0, tile.width, tile.row(plane, y));
  };
  load_plane(tile.alpha, level.alpha);
  for (int c = 0; c < 3; ++c) load_plane(tile.image[c], level.image[c]);
  repeat_border<Side>(tile.alpha, 0, tile.height, 0, tile.width);
}

// The next coarser level of a tile that begins at an even pixel.
template <int Fine, int Side>
void load_halved(Tile<Side>& tile, Tile<Fine>& fine) {
  tile.height = (fine.height + 1) / 2;
  tile.width = (fine.width + 1) / 2;
  const auto halve_plane = [&](auto& from, auto& to) {
    for (int y = 0; y < tile.height; ++y)
      halve_row(fine.row(from, 2 * y), fine.row(from, std::min(2 * y + 1, fine.height - 1)),
                fine.width, tile.width, tile.row(to, y));
  };
  halve_plane(fine.alpha, tile.alpha);
  for (int c = 0; c < 3; ++c) halve_plane(fine.image[c], tile.image[c]);
  repeat_border<Side>(tile.alpha, 0, tile.height, 0, tile.width);
}

// The colours that `count` pixels start with; `plane` is one of F's, or of B's.
void start_row(int plane, const float* __restrict alpha, const float* __restrict image,
               const float* __restrict coarse, int count, float* __restrict out) {
  for (int x = 0; x + 1 < count; x += 2) out[x] = out[x + 1] = coarse[x / 2];
  if (count % 2) out[count - 1] = coarse[count / 2];
  if (plane < 3) {
    for (int x = 0; x < count; ++x) out[x] = foreground_start(alpha[x], image[x], out[x]);
  } else {
    for (int x = 0; x < count; ++x) out[x] = background_start(alpha[x], image[x], out[x]);
  }
}

// Begins to solve the pixels [y0, y1) x [x0, x1) of a tile; y0 and x0 are even pixels of the level.
template <int Side>
void start(Tile<Side>& tile, int y0, int y1, int x0, int x1, const Coarse& coarse) {
  tile.y0 = y0, tile.y1 = y1, tile.x0 = x0, tile.x1 = x1;
  tile.now = 0;
  for (int y = y0; y < y1; ++y) {
    const float* alpha = tile.row(tile.alpha, y);
    int first = x0, last = x1;
    while (first < last && !is_soft(alpha[first])) ++first;
    while (last > first && !is_soft(alpha[last - 1])) --last;
    tile.first[y] = first, tile.last[y] = last;
    for (int p = 0; p < kColors; ++p) {
      float* to = tile.row(tile.colors[0][p], y) + x0;
      start_row(p, alpha + x0, tile.row(tile.image[p % 3], y) + x0,
                coarse.colors[p] + (y - y0) / 2 * coarse.stride, x1 - x0, to);
      std::copy_n(to, x1 - x0, tile.row(tile.colors[1][p], y) + x0);
    }
  }
  for (auto& plane : tile.colors[0]) repeat_border<Side>(plane, y0, y1, x0, x1);
}

// Weights of the four neighbours, of sum 1, and the gains of the error, for a row of a tile.
template <int Side>
struct Systems {
  float left[Side], right[Side], up[Side], down[Side];
  float front[Side], back[Side];
};

template <int Side>
void set_up_systems(const float* __restrict a, int count, Systems<Side>& __restrict out) {
  constexpr int kStride = Tile<Side>::kStride;
  for (int i = 0; i < count; ++i) {
    const ForegroundSystem system =
        foreground_system(a[i], a[i - 1], a[i + 1], a[i - kStride], a[i + kStride]);
    out.left[i] = system.left;
    out.right[i] = system.right;
    out.up[i] = system.up;
    out.down[i] = system.down;
    out.front[i] = system.gain.front;
    out.back[i] = system.gain.back;
  }
}

// One channel of a Jacobi sweep over a part of a row.
template <int Side>
void sweep_channel(const Systems<Side>& __restrict w, const float* __restrict alpha,
                   const float* __restrict image, const float* __restrict f,
                   const float* __restrict b, int count, float* __restrict next_f,
                   float* __restrict next_b) {
  constexpr int kStride = Tile<Side>::kStride;
  for (int i = 0; i < count; ++i) {
    const ForegroundSystem system{
        w.left[i], w.right[i], w.up[i], w.down[i], {w.front[i], w.back[i]}};
    const float mean_f =
        foreground_mean(system, f[i - 1], f[i + 1], f[i - kStride], f[i + kStride]);
    const float mean_b =
        foreground_mean(system, b[i - 1], b[i + 1], b[i - kStride], b[i + kStride]);
    float front, back;
    foreground_step(system.gain, alpha[i], image[i], mean_f, mean_b, front, back);
    const bool soft = is_soft(alpha[i]);
    next_f[i] = soft ? front : f[i];
    next_b[i] = soft ? back : b[i];
  }
}

template <int Side>
void sweep(Tile<Side>& tile) {
  auto &now = tile.colors[tile.now], &next = tile.colors[1 - tile.now];
  Systems<Side> systems;
  for (int y = tile.y0; y < tile.y1; ++y) {
    const int x = tile.first[y], count = tile.last[y] - x;
    if (count == 0) continue;
    const float* alpha = tile.row(tile.alpha, y) + x;
    set_up_systems(alpha, count, systems);
    for (int c = 0; c < 3; ++c)
      sweep_channel(systems, alpha, tile.row(tile.image[c], y) + x, tile.row(now[c], y) + x,
                    tile.row(now[3 + c], y) + x, count, tile.row(next[c], y) + x,
                    tile.row(next[3 + c], y) + x);
  }
  for (auto& plane : next) repeat_border<Side>(plane, tile.y0, tile.y1, tile.x0, tile.x1);
  tile.now = 1 - tile.now;
}

// The solved colours as a finer tile sees them whose first pixel descends from (y, x).
template <int Side>
Coarse coarse_of(Tile<Side>& tile, int y, int x) {
  Coarse coarse{{}, Tile<Side>::kStride};
  for (int p = 0; p < kColors; ++p) coarse.colors[p] = tile.row(tile.colors[tile.now][p], y) + x;
  return coarse;
}

// ---- Levels ------------------------------------------------------------------------------------

Coarse coarse_of(const ColorLevel& level, std::ptrdiff_t y, std::ptrdiff_t x) {
  Coarse coarse{{}, level.width};
  for (int p = 0; p < kColors; ++p) coarse.colors[p] = level.colors[p] + y * level.width + x;
  return coarse;
}

// The colours that the coarsest level starts from, of a small level.
void store_start(const ColorLevel& level, const ColorLevel& start) {
  const std::ptrdiff_t pixels = level.height * level.width;
  for (int p = 0; p < kColors; ++p) {
    double sum = 0.0, weights = 0.0, all = 0.0;
    for (std::ptrdiff_t i = 0; i < pixels; ++i) {
      const auto weight = static_cast<double>(foreground_start_weight(p < 3, level.alpha[i]));
      const auto image = static_cast<double>(level.image[p % 3][i]);
      sum += weight * image;
      weights += weight;
      all += image;
    }
    start.colors[p][0] = foreground_first(sum, weights, all / static_cast<double>(pixels));
  }
}

bool has_soft(const ColorLevel& level, const Region& region) {
  int soft = 0;
  for (std::ptrdiff_t y = region.y0; y < region.y1; ++y) {
    const float* alpha = level.alpha + y * level.width;
    for (std::ptrdiff_t x = region.x0; x < region.x1; ++x) soft |= is_soft(alpha[x]);
  }
  return soft != 0;
}

// A region of a level without soft pixels.
void fill_known(const ColorLevel& level, const ColorLevel& coarser, const Region& region) {
  for (std::ptrdiff_t y = region.y0; y < region.y1; ++y) {
    const std::ptrdiff_t at = y * level.width + region.x0;
    const Coarse coarse = coarse_of(coarser, y / 2, region.x0 / 2);
    for (int p = 0; p < kColors; ++p)
      start_row(p, level.alpha + at, level.image[p % 3] + at, coarse.colors[p], region.width(),
                level.colors[p] + at);
  }
}

using LevelTile = Tile<kTile + 2 * kHalo>;

void solve_region(LevelTile& tile, const ColorLevel& level, const ColorLevel& coarser,
                  const Region& region, int sweeps) {
  const Region all = region.grown(kHalo, level.height, level.width);
  load(tile, level, all);
  start(tile, 0, tile.height, 0, tile.width, coarse_of(coarser, all.y0 / 2, all.x0 / 2));
  for (int i = 0; i < sweeps; ++i) sweep(tile);
  for (int p = 0; p < kColors; ++p)
    for (std::ptrdiff_t y = region.y0; y < region.y1; ++y)
      std::copy_n(
          tile.row(tile.colors[tile.now][p], static_cast<int>(y - all.y0)) + (region.x0 - all.x0),
          region.width(), level.colors[p] + y * level.width + region.x0);
}

constexpr std::ptrdiff_t kTilesPerChunk = 8;

void solve_level(const ColorLevel& level, const ColorLevel& coarser, int sweeps) {
  const Tiling tiles{level.height, level.width};
  parallel_for(tiles.count(), kTilesPerChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    const auto tile = std::make_unique_for_overwrite<LevelTile>();
    for (std::ptrdiff_t i = begin; i < end; ++i) {
      const Region region = tiles[i];
      has_soft(level, region) ? solve_region(*tile, level, coarser, region, sweeps)
                              : fill_known(level, coarser, region);
    }
  });
}

// ---- The two finest levels ---------------------------------------------------------------------

// A known background of a row.
template <class T, class A>
void load_plate(const Frame<T, A>& frame, std::ptrdiff_t y, std::ptrdiff_t x, int count,
                float (&to)[3][kTile]) {
  if (!frame.plate.data) {
    for (int c = 0; c < 3; ++c) std::fill_n(to[c], count, frame.options.color[c]);
    return;
  }
  const int channels = frame.plate.channels;
  const T* from = frame.plate.row(y) + channels * x;
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < count; ++i) to[c][i] = to_unit(from[channels * i + c]);
}

// B where it is known.
template <class T, class A>
void copy_plate(const Frame<T, A>& frame, const Region& region) {
  float plate[3][kTile];
  for (std::ptrdiff_t y = region.y0; y < region.y1; ++y) {
    load_plate(frame, y, region.x0, region.width(), plate);
    T* to = frame.background.row(y) + 3 * region.x0;
    for (int x = 0; x < region.width(); ++x)
      for (int c = 0; c < 3; ++c) to[3 * x + c] = from_unit<T>(plate[c][x]);
  }
}

// Makes one channel of soft pixels explain the image; with a known background, if there is one.
void project_channel(const float* __restrict alpha, const float* __restrict image,
                     const float* __restrict plate, int count, float* __restrict f,
                     float* __restrict b) {
  for (int i = 0; i < count; ++i) project_colors(alpha[i], image[i], f[i], b[i]);
  if (!plate) return;
  for (int i = 0; i < count; ++i) f[i] = subtract_background(alpha[i], image[i], plate[i], f[i]);
}

// Samples of one channel; where alpha is `sure` they are the image's own.
template <class T>
void store_channel(float sure, const float* __restrict alpha, const float* __restrict image,
                   const float* __restrict color, int count, T* __restrict out) {
  for (int i = 0; i < count; ++i)
    out[i] = alpha[i] == sure ? known_sample<T>(image[i]) : from_unit<T>(color[i]);
}

// `count` pixels from (y, x) of the image, which are the tile's from (tile_y, tile_x).
template <class T, class A, int Side>
void store_row(const Frame<T, A>& frame, Tile<Side>& tile, int tile_y, int tile_x, std::ptrdiff_t y,
               std::ptrdiff_t x, int count) {
  float plate[3][kTile];
  const bool known = frame.options.background_known;
  if (known) load_plate(frame, y, x, count, plate);
  T front[3][kStrip], back[3][kStrip];
  const float* alpha = tile.row(tile.alpha, tile_y);
  const int first = std::clamp(tile.first[tile_y], tile_x, tile_x + count);
  const int soft = std::clamp(tile.last[tile_y], first, tile_x + count) - first;
  for (int c = 0; c < 3; ++c) {
    const float* image = tile.row(tile.image[c], tile_y);
    float* f = tile.row(tile.colors[tile.now][c], tile_y);
    float* b = tile.row(tile.colors[tile.now][3 + c], tile_y);
    project_channel(alpha + first, image + first, known ? plate[c] + (first - tile_x) : nullptr,
                    soft, f + first, b + first);
    store_channel(1.0f, alpha + tile_x, image + tile_x, f + tile_x, count, front[c]);
    if (frame.background.data && !known)
      store_channel(0.0f, alpha + tile_x, image + tile_x, b + tile_x, count, back[c]);
  }
  interleave<3>(front, count, frame.foreground.row(y) + 3 * x);
  if (frame.background.data && !known) interleave<3>(back, count, frame.background.row(y) + 3 * x);
}

struct FineTiles {
  Tile<2 * kParentSide> tile;
  Tile<kParentSide> parent;
};

template <class T, class A>
void solve_fine(const Frame<T, A>& frame, FineTiles& tiles, const ColorLevel& level2,
                const Region& region) {
  auto& [tile, parent] = tiles;
  const std::ptrdiff_t height = frame.image.height, width = frame.image.width;
  const std::ptrdiff_t half_height = (height + 1) / 2, half_width = (width + 1) / 2;
  const ForegroundQuality quality = frame.options.quality;

  const Region half = region.parents().grown(kParentHalo, half_height, half_width);
  const Region outer = half.children(height, width);
  load(tile, frame.image, frame.alpha, outer);
  load_halved(parent, tile);
  start(parent, 0, parent.height, 0, parent.width, coarse_of(level2, half.y0 / 2, half.x0 / 2));
  const int parent_sweeps = foreground_sweeps(quality, 1, half_height, half_width);
  for (int i = 0; i < parent_sweeps; ++i) sweep(parent);

  const Region inner = region.grown(kHalo, height, width);
  const int y0 = static_cast<int>(inner.y0 - outer.y0), x0 = static_cast<int>(inner.x0 - outer.x0);
  start(tile, y0, y0 + inner.height(), x0, x0 + inner.width(), coarse_of(parent, y0 / 2, x0 / 2));
  const int sweeps = foreground_sweeps(quality, 0, height, width);
  for (int i = 0; i < sweeps; ++i) sweep(tile);

  for (std::ptrdiff_t y = region.y0; y < region.y1; ++y)
    store_row(frame, tile, static_cast<int>(y - outer.y0), static_cast<int>(region.x0 - outer.x0),
              y, region.x0, region.width());
  if (frame.background.data && frame.options.background_known) copy_plate(frame, region);
}

// The image itself.
template <class T>
void copy_region(const ImageView<const T>& image, const Region& region, const ImageView<T>& out) {
  for (std::ptrdiff_t y = region.y0; y < region.y1; ++y) {
    const T* from = image.row(y) + image.channels * region.x0;
    T* to = out.row(y) + 3 * region.x0;
    if (image.channels == 3) {
      std::copy_n(from, 3 * region.width(), to);
    } else {
      for (int x = 0; x < region.width(); ++x) std::copy_n(from + 4 * x, 3, to + 3 * x);
    }
  }
}

// Three planes of level 2, each of whose pixels is up to 4 x 4 of the region.
template <class T>
void copy_coarse(const ColorLevel& level2, const Plane (&planes)[3], const Region& region,
                 const ImageView<T>& out) {
  T row[3 * kTile];
  for (std::ptrdiff_t y = region.y0; y < region.y1; ++y) {
    const std::ptrdiff_t at = y / 4 * level2.width + region.x0 / 4;
    if (y % 4 == 0)
      for (int x = 0; x < region.width(); ++x)
        for (int c = 0; c < 3; ++c) row[3 * x + c] = from_unit<T>(planes[c][at + x / 4]);
    std::copy_n(row, 3 * region.width(), out.row(y) + 3 * region.x0);
  }
}

// A tile whose pixels are all opaque, or all clear.
template <class T, class A>
void copy_known(const Frame<T, A>& frame, const ColorLevel& level2, const Region& region,
                bool opaque) {
  const auto& colors = level2.colors;
  if (opaque)
    copy_region(frame.image, region, frame.foreground);
  else
    copy_coarse(level2, {colors[0], colors[1], colors[2]}, region, frame.foreground);
  if (!frame.background.data) return;
  if (frame.options.background_known)
    copy_plate(frame, region);
  else if (opaque)
    copy_coarse(level2, {colors[3], colors[4], colors[5]}, region, frame.background);
  else
    copy_region(frame.image, region, frame.background);
}

bool is_uniform(const ColorLevel& level, const Region& region, float alpha) {
  int other = 0;
  for (std::ptrdiff_t y = region.y0; y < region.y1; ++y) {
    const float* row = level.alpha + y * level.width;
    for (std::ptrdiff_t x = region.x0; x < region.x1; ++x) other |= row[x] != alpha;
  }
  return other == 0;
}

template <class T, class A>
void solve_frame(const Frame<T, A>& frame, const ColorLevel& level2) {
  const Tiling tiles{frame.image.height, frame.image.width};
  parallel_for(tiles.count(), kTilesPerChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    const auto work = std::make_unique_for_overwrite<FineTiles>();
    for (std::ptrdiff_t i = begin; i < end; ++i) {
      const Region region = tiles[i], quarters = region.parents().parents();
      const bool opaque = is_uniform(level2, quarters, 1.0f);
      if (opaque || is_uniform(level2, quarters, 0.0f))
        copy_known(frame, level2, region, opaque);
      else
        solve_fine(frame, *work, level2, region);
    }
  });
}

template <class T, class A>
void foreground_image(const Frame<T, A>& frame) {
  std::vector<ColorLevel> levels;  // from level 2 on
  levels.emplace_back((frame.image.height + 3) / 4, (frame.image.width + 3) / 4);
  quarter(frame.image, frame.alpha, levels[0]);
  while (std::max(levels.back().height, levels.back().width) > 1) {
    const std::size_t l = levels.size();
    levels.emplace_back((levels[l - 1].height + 1) / 2, (levels[l - 1].width + 1) / 2);
    halve(levels[l - 1], levels[l]);
  }
  const auto small = std::find_if(levels.begin(), levels.end(), [](const ColorLevel& level) {
    return foreground_is_small(level.height, level.width);
  });
  ColorLevel start(1, 1);  // without an image
  store_start(*small, start);
  levels.push_back(std::move(start));
  for (std::size_t l = levels.size() - 1; l-- > 0;) {
    const ColorLevel& level = levels[l];
    solve_level(level, levels[l + 1],
                foreground_sweeps(frame.options.quality, static_cast<int>(l) + 2, level.height,
                                  level.width));
  }
  solve_frame(frame, levels[0]);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T, class A>
void estimate_foreground(ImageView<const T> image, ImageView<const A> alpha,
                         ImageView<const T> plate, ImageView<T> foreground, ImageView<T> background,
                         const ForegroundOptions& options, Stream) {
  if (image.empty()) return;
  TRIMATTE_CALL(foreground_image<T, A>)({image, alpha, plate, foreground, background, options});
}

#define TRIMATTE_INSTANTIATE(T, A)                                                            \
  template void estimate_foreground<DeviceKind::kCPU, T, A>(                                  \
      ImageView<const T>, ImageView<const A>, ImageView<const T>, ImageView<T>, ImageView<T>, \
      const ForegroundOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

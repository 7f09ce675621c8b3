// Foreground colours on the GPU: multi-level, as on the CPU. All sweeps of a level are one launch:
// a block solves a tile in shared memory, with a halo as wide as there are sweeps, from the colours
// of the coarser level to those of its own, or to the result. Small levels are solved by one block.
// Images of any depth are read through one type, so that the kernels are built once.
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

constexpr unsigned kAll = ~0u;

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

struct Place {
  std::ptrdiff_t y, x;
};

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

constexpr int kPlanes = 6;  // F and B, three channels each

struct Level {
  std::ptrdiff_t height, width;
  Source image, alpha;
  float4* pixels;  // what image and alpha are of; level 0 has the caller's
  float* colors;   // planes of F and B; null for level 0

  TRIMATTE_HD bool is_small() const {
    return height <= kForegroundSmallSide && width <= kForegroundSmallSide;
  }
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

__device__ std::ptrdiff_t clamped(std::ptrdiff_t i, std::ptrdiff_t size) {
  return i < 0 ? 0 : i < size ? i : size - 1;
}

// ---- The first levels, and the means -----------------------------------------------------------

// Sums over the pixels that are sure foreground, sure background, and all: red, green, blue,
// number.
constexpr int kSums = 12;

__device__ void add_pixel(const float4& p, float (&sums)[kSums]) {
  const bool in_set[3] = {p.w >= 1.0f - kForegroundSure, p.w <= kForegroundSure, true};
#pragma unroll
  for (int s = 0; s < 3; ++s) {
    if (!in_set[s]) continue;
    sums[4 * s] += p.x;
    sums[4 * s + 1] += p.y;
    sums[4 * s + 2] += p.z;
    sums[4 * s + 3] += 1.0f;
  }
}

constexpr int kBlockLevels = 6, kBlockSide = 1 << kBlockLevels;  // levels of one block, its pixels
constexpr int kPyramidThreads = 256;

// The sums of the block's threads, added in a fixed order.
__device__ void store_sums(const float (&sums)[kSums], float* to) {
  constexpr int kWarps = kPyramidThreads / 32;
  __shared__ float parts[kWarps][kSums];
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
    float sum = sums[s];
    for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(kAll, sum, d);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32][s] = sum;
  }
  __syncthreads();
  if (threadIdx.x >= kSums) return;
  float sum = 0.0f;
  for (int w = 0; w < kWarps; ++w) sum += parts[w][threadIdx.x];
  to[threadIdx.x] = sum;
}

// A block halves its 64 x 64 pixels down to one.
__global__ void __launch_bounds__(kPyramidThreads) pyramid_kernel(Pyramid pyramid, float* sums) {
  constexpr int kSide = kBlockSide / 2;
  __shared__ float4 cells[2][kSide * kSide];
  const Level& full = pyramid.level[0];
  const std::ptrdiff_t tile_x = blockIdx.x;
  float own[kSums] = {};
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
      add_pixel(p[0], own);
      if (two_columns) add_pixel(p[1], own);
      if (two_rows) add_pixel(p[2], own);
      if (two_rows && two_columns) add_pixel(p[3], own);
      if (pyramid.count == 1) continue;
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
  store_sums(own, sums + (std::ptrdiff_t{blockIdx.y} * gridDim.x + blockIdx.x) * kSums);
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
  float color[kStrip][kPlanes];

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
    for (int i = 0; i < kStrip; ++i) {
      const std::ptrdiff_t from_y = clamped(image_y + i, level.height) / 2;
      const std::ptrdiff_t from_x = clamped(image_x, level.width) / 2;
#pragma unroll
      for (int p = 0; p < kPlanes; ++p)
        color[i][p] = coarse.colors[(p * coarse.height + from_y) * coarse.width + from_x];
    }
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
        const float image = c == 0 ? pixel[i].x : c == 1 ? pixel[i].y : pixel[i].z;
        foreground_step(system[i].gain, pixel[i].w, image, mean_f, mean_b, color[i][c],
                        color[i][3 + c]);
        up_f = f, up_b = b;
      }
    }
    __syncthreads();
  }

  // All sweeps of a level.
  __device__ void solve(const Level& coarse, const Level& level, int sweeps, Tile& tile) {
    set_up(tile);
    start_from(coarse, level);
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

  __device__ void store_planes(const Level& level, int halo) const {
#pragma unroll
    for (int i = 0; i < kStrip; ++i) {
      if (!is_own(i, level, halo)) continue;
#pragma unroll
      for (int p = 0; p < kPlanes; ++p)
        level.colors[(p * level.height + image_y + i) * level.width + image_x] = color[i][p];
    }
  }

  __device__ void store_result(const Level& level, int halo, const Target& foreground,
                               const Target& background) const {
    foreground.visit([&](const auto& front_view) {
      using T = std::remove_reference_t<decltype(*front_view.data)>;
      const ImageView<T> back_view{reinterpret_cast<T*>(background.data), 0, 0, 3,
                                   background.stride};
#pragma unroll
      for (int i = 0; i < kStrip; ++i) {
        if (!is_own(i, level, halo)) continue;
        const float a = pixel[i].w, image[3] = {pixel[i].x, pixel[i].y, pixel[i].z};
        T* front = front_view.row(image_y + i) + 3 * image_x;
        T* back = back_view.data ? back_view.row(image_y + i) + 3 * image_x : nullptr;
#pragma unroll
        for (int c = 0; c < 3; ++c) {
          float f = color[i][c], b = color[i][3 + c];
          project_colors(a, image[c], f, b);
          front[c] = a >= 1.0f ? known<T>(image[c]) : from_unit<T>(f);
          if (back) back[c] = a <= 0.0f ? known<T>(image[c]) : from_unit<T>(b);
        }
      }
    });
  }

 private:
  // The image's own sample: not clipped.
  template <class T>
  __device__ static T known(float sample) {
    if constexpr (std::is_same_v<T, float>)
      return sample;
    else
      return from_unit<T>(sample);
  }
};

// Solves a level from the next coarser one. Level 0 goes to the caller's images.
__global__ void __launch_bounds__(kThreads)
    level_kernel(Level level, Level coarse, int sweeps, int halo, Target foreground,
                 Target background) {
  __shared__ Tile tile;
  const std::ptrdiff_t height = kTileHeight - 2 * halo, width = kTileWidth - 2 * halo;
  const std::ptrdiff_t x0 = blockIdx.x * width - halo;
  for (std::ptrdiff_t row = blockIdx.y; row * height < level.height; row += gridDim.y) {
    Strip strip(level, row * height - halo, x0);
    bool known = level.colors == nullptr && background.data == nullptr;
    for (int i = 0; i < kStrip; ++i)
      known = known && (!strip.is_own(i, level, halo) || strip.pixel[i].w >= 1.0f);
    // Where all alphas are 1 the foreground is the image: nothing to solve.
    if (!__syncthreads_and(known)) strip.solve(coarse, level, sweeps, tile);
    if (level.colors)
      strip.store_planes(level, halo);
    else
      strip.store_result(level, halo, foreground, background);
  }
}

// ---- Small levels ------------------------------------------------------------------------------

__device__ double warp_sum(double v) {
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(kAll, v, d);
  return v;
}

// The start: the mean of the sure pixels, or of all if there are none. A warp a plane.
__device__ void store_start(const Level& start, const float* sums, std::ptrdiff_t blocks) {
  const int plane = threadIdx.x / 32, set = plane / 3, channel = plane % 3;
  if (plane >= kPlanes) return;
  double sure = 0.0, sure_count = 0.0, all = 0.0, all_count = 0.0;
  for (std::ptrdiff_t i = threadIdx.x % 32; i < blocks; i += 32) {
    const float* block = sums + i * kSums;
    sure += static_cast<double>(block[4 * set + channel]);
    sure_count += static_cast<double>(block[4 * set + 3]);
    all += static_cast<double>(block[8 + channel]);
    all_count += static_cast<double>(block[11]);
  }
  sure = warp_sum(sure);
  sure_count = warp_sum(sure_count);
  all = warp_sum(all);
  all_count = warp_sum(all_count);
  if (threadIdx.x % 32 == 0)
    start.colors[plane] =
        static_cast<float>(sure_count > 0.0 ? sure / sure_count : all / all_count);
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

// One block: the rest of the pyramid, the start, and the colours of the small levels.
__global__ void __launch_bounds__(kThreads)
    coarse_kernel(Pyramid pyramid, const float* sums, std::ptrdiff_t blocks) {
  __shared__ Tile tile;
  for (int l = kBlockLevels + 1; l < pyramid.count; ++l)
    halve_level(pyramid.level[l - 1], pyramid.level[l]);
  store_start(pyramid.level[pyramid.count], sums, blocks);
  __syncthreads();
  for (int l = pyramid.count - 1; l > 0 && pyramid.level[l].is_small(); --l) {
    const Level &level = pyramid.level[l], &coarse = pyramid.level[l + 1];
    Strip strip(level, 0, 0);
    strip.solve(coarse, level, kForegroundSmallSweeps, tile);
    strip.store_planes(level, 0);
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
    int last = 0;
    for (; height > 1 || width > 1; ++last) {
      height = halved(height);
      width = halved(width);
      levels[last + 1] = {height, width, {}, {}, nullptr, nullptr};
      pixels += height * width;
    }
    all.count = last + 1;
    levels[all.count] = {1, 1, {}, {}, nullptr, nullptr};
    pixels_ = Buffer<float4>(pixels, stream);
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

void estimate(const Pyramid& pyramid, const Target& foreground, const Target& background,
              Stream stream) {
  const char* const what = "estimate_foreground";
  const Level& full = pyramid.level[0];
  const dim3 tiles(cuda::blocks_for(full.width, kBlockSide, 0x7fffffff),
                   cuda::blocks_for(full.height, kBlockSide));
  const std::ptrdiff_t blocks = std::ptrdiff_t{tiles.x} * tiles.y;
  const Buffer<float> sums(blocks * kSums, stream);
  cuda::launch(what, pyramid_kernel, tiles, dim3(kPyramidThreads), stream, pyramid, sums.data());
  cuda::launch(what, coarse_kernel, dim3(1), dim3(kThreads), stream, pyramid, sums.data(), blocks);
  for (int l = pyramid.count - 1; l >= 0; --l) {
    const Level& level = pyramid.level[l];
    if (l > 0 && level.is_small()) continue;  // solved
    // A small level is a tile of its own.
    const int sweeps = level.is_small() ? kForegroundSmallSweeps : kForegroundSweeps;
    const int halo = level.is_small() ? 0 : kForegroundSweeps;
    const dim3 grid(cuda::blocks_for(level.width, kTileWidth - 2 * halo, 0x7fffffff),
                    cuda::blocks_for(level.height, kTileHeight - 2 * halo));
    cuda::launch(what, level_kernel, grid, dim3(kThreads), stream, level, pyramid.level[l + 1],
                 sweeps, halo, foreground, background);
  }
}

}  // namespace

template <DeviceKind D, class T, class A>
void estimate_foreground(ImageView<const T> image, ImageView<const A> alpha,
                         ImageView<T> foreground, ImageView<T> background, Stream stream) {
  if (image.empty()) return;
  const Levels levels(image.height, image.width, Source::of(image), Source::of(alpha), stream);
  estimate(levels.all, Target::of(foreground), Target::of(background), stream);
}

#define TRIMATTE_INSTANTIATE(T, A)                            \
  template void estimate_foreground<DeviceKind::kCUDA, T, A>( \
      ImageView<const T>, ImageView<const A>, ImageView<T>, ImageView<T>, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

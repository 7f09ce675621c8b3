// Set-up of the alpha solver on the GPU: classes and pyramid, tiles, operators, local linear
// models.
#pragma once

#include "matting_levels.cuh"
#include "pixel/depth.hpp"
#include "pixel/grid.hpp"
#include "pixel/mask_prior.hpp"
#include "pixel/trimap.hpp"

namespace trimatte::cuda {
namespace {  // kernels: shared memory of inline functions is not checked as well

// ---------------------------------------------------------------------------------------------
// Pyramid

// The trimap as 0, 128, 255; alpha of what is known; how many there are of each, without the rows
// and columns from (height, width) on.
__global__ void classify_kernel(ImageView<const std::uint8_t> trimap, std::ptrdiff_t height,
                                std::ptrdiff_t width, ImageView<float> alpha, std::uint8_t* classes,
                                MattingCounts* counts) {
  int foreground = 0, background = 0, unknown = 0;
  for (std::ptrdiff_t y = blockIdx.y; y < trimap.height; y += gridDim.y)
    for (std::ptrdiff_t x = global_x(); x < trimap.width;
         x += std::ptrdiff_t{gridDim.x} * blockDim.x) {
      const std::uint8_t t = trimap.row(y)[x];
      const bool is_fg = trimap_is_foreground(t), is_bg = trimap_is_background(t);
      classes[y * trimap.width + x] = is_fg   ? kTrimapForeground
                                      : is_bg ? kTrimapBackground
                                              : kTrimapUnknown;
      alpha.row(y)[x] = is_fg ? 1.0f : 0.0f;
      if (y >= height || x >= width) continue;
      foreground += is_fg, background += is_bg, unknown += !is_fg && !is_bg;
    }
  __shared__ unsigned long long total[3];
  if (threadIdx.x < 3) total[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&total[0], static_cast<unsigned long long>(foreground));
  atomicAdd(&total[1], static_cast<unsigned long long>(background));
  atomicAdd(&total[2], static_cast<unsigned long long>(unknown));
  __syncthreads();
  if (threadIdx.x != 0) return;
  atomicAdd(&counts->foreground, total[0]);
  atomicAdd(&counts->background, total[1]);
  atomicAdd(&counts->unknown, total[2]);
}

// Samples of the image that a level is halved from.
template <class T>
struct ImageSamples {
  ImageView<const T> image;
  __device__ float operator()(std::ptrdiff_t y, std::ptrdiff_t x, int c) const {
    return to_unit(image.row(y)[image.channels * x + c]);
  }
};
struct LevelSamples {
  const float* image;
  std::ptrdiff_t width;
  __device__ float operator()(std::ptrdiff_t y, std::ptrdiff_t x, int c) const {
    return image[(y * width + x) * 3 + c];
  }
};

// 2x2 means, edge replicated; a mixed class is unknown.
template <class Samples>
__global__ void halve_kernel(MattingLevel fine, MattingLevel coarse, Samples samples) {
  const std::ptrdiff_t x = global_x();
  if (x >= coarse.width) return;
  const std::ptrdiff_t left = 2 * x, right = left + 1 < fine.width ? left + 1 : left;
  in_row(coarse.height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t above = 2 * y, below = above + 1 < fine.height ? above + 1 : above;
    const auto class_at = [&](std::ptrdiff_t v, std::ptrdiff_t u) {
      return fine.classes[v * fine.width + u];
    };
    const std::uint8_t t = class_at(above, left);
    const bool pure =
        t == class_at(above, right) && t == class_at(below, left) && t == class_at(below, right);
    const std::ptrdiff_t at = y * coarse.width + x;
    coarse.classes[at] = pure ? t : kTrimapUnknown;
    for (int c = 0; c < 3; ++c)
      coarse.image[3 * at + c] = 0.25f * ((samples(above, left, c) + samples(above, right, c)) +
                                          (samples(below, left, c) + samples(below, right, c)));
  });
}

// ---------------------------------------------------------------------------------------------
// Tiles

// First and last row and column of a tile's unknown pixels, 4 bits each: 16 bits, and bit 16 if
// there are any. A warp a tile, a lane half a row.
__device__ unsigned pack_bounds(int top, int bottom, int left, int right) {
  return 1u << 16 | static_cast<unsigned>(top << 12 | bottom << 8 | left << 4 | right);
}
// Whether unknown pixels with these bounds lie within `reach` of the neighbouring tile that is
// (dy, dx) tiles away from theirs.
__device__ bool reaches(unsigned bounds, int dy, int dx, int reach) {
  if (!(bounds >> 16)) return false;
  const int top = bounds >> 12 & 15, bottom = bounds >> 8 & 15;
  const int left = bounds >> 4 & 15, right = bounds & 15;
  return (dy == 0 || (dy < 0 ? top < reach : bottom >= kTile - reach)) &&
         (dx == 0 || (dx < 0 ? left < reach : right >= kTile - reach));
}

constexpr int kMarkWarps = 8;

__global__ void mark_kernel(MattingLevels levels) {
  const MattingLevel& level = levels.level[blockIdx.y];
  const int lane = threadIdx.x % 32, tiles = level.tiles_y * level.tiles_x;
  const int row = lane / 2, first = lane % 2 * 8;
  for (int tile = blockIdx.x * kMarkWarps + threadIdx.x / 32; tile < tiles;
       tile += gridDim.x * kMarkWarps) {
    const int y = tile / level.tiles_x * kTile + row;
    const int x0 = tile % level.tiles_x * kTile + first;
    unsigned bits = 0;
    if (y < level.height) {
      const std::uint8_t* classes = level.classes + std::ptrdiff_t{y} * level.width;
      for (int i = 0; i < 8; ++i)
        if (x0 + i < level.width && classes[x0 + i] == kTrimapUnknown) bits |= 1u << (first + i);
    }
    const unsigned lanes = __ballot_sync(~0u, bits != 0);
    unsigned columns = bits;
    for (int step = 16; step > 0; step /= 2) columns |= __shfl_xor_sync(~0u, columns, step);
    if (lane != 0) continue;
    level.bounds[tile] = lanes ? pack_bounds((__ffs(lanes) - 1) / 2, (31 - __clz(lanes)) / 2,
                                             __ffs(columns) - 1, 31 - __clz(columns))
                               : 0u;
  }
}

// The lists that a tile is on, a bit each.
__device__ unsigned kind_of_tile(const MattingLevel& level, int tile) {
  const int ty = tile / level.tiles_x, tx = tile % level.tiles_x;
  unsigned kind = level.bounds[tile] ? 7u : 0u;
  for (int i = 0; i < 9 && kind != 7u; ++i) {
    const int dy = i / 3 - 1, dx = i % 3 - 1;
    if (ty + dy < 0 || tx + dx < 0 || ty + dy >= level.tiles_y || tx + dx >= level.tiles_x)
      continue;
    const unsigned bounds = level.bounds[tile + dy * level.tiles_x + dx];
    if (reaches(bounds, -dy, -dx, kStoredReach)) kind |= 1u;
    if (reaches(bounds, -dy, -dx, kWideReach)) kind |= 4u;
  }
  return kind;
}

// How many threads before this one have the flag, and how many have it at all; `scratch` has a
// count a warp.
__device__ int rank_in_block(bool flag, int (&scratch)[kListThreads / 32], int& all) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned lanes = __ballot_sync(~0u, flag);
  __syncthreads();
  if (lane == 0) scratch[warp] = __popc(lanes);
  __syncthreads();
  int before = __popc(lanes & ((1u << lane) - 1u));
  all = 0;
  for (int w = 0; w < kListThreads / 32; ++w) {
    before += w < warp ? scratch[w] : 0;
    all += scratch[w];
  }
  return before;
}

// The lists of a level, in order: by chunks of kListThreads tiles. First the kinds of the tiles and
// how many of each a chunk has. All slots start at zero.
__global__ void __launch_bounds__(kListThreads) kinds_kernel(MattingLevels levels) {
  const MattingLevel& level = levels.level[blockIdx.y];
  const int tiles = level.tiles_y * level.tiles_x;
  const int border = (level.tiles_y + 2) * (level.tiles_x + 2);
  for (std::ptrdiff_t i = global_x(); i < border; i += std::ptrdiff_t{gridDim.x} * kListThreads)
    level.slots[i] = 0;
  for (int chunk = blockIdx.x; chunk * kListThreads < tiles; chunk += gridDim.x) {
    const int tile = chunk * kListThreads + static_cast<int>(threadIdx.x);
    const unsigned kind = tile < tiles ? kind_of_tile(level, tile) : 0u;
    if (tile < tiles) level.kinds[tile] = static_cast<std::uint8_t>(kind);
#pragma unroll
    for (int list = 0; list < kLists; ++list) {
      const int count = __syncthreads_count(kind >> list & 1u);
      if (threadIdx.x == 0) level.chunks[kLists * chunk + list] = count;
    }
  }
}

// Then each chunk's part of the lists, behind those of the chunks before it. Of a record only the
// slot: the neighbours' are not all known yet.
__global__ void __launch_bounds__(kListThreads) list_kernel(MattingLevels levels) {
  const MattingLevel& level = levels.level[blockIdx.y];
  __shared__ int scratch[kListThreads / 32];
  __shared__ int before[kLists];
  const int tiles = level.tiles_y * level.tiles_x, thread = static_cast<int>(threadIdx.x);
  for (int chunk = blockIdx.x; chunk * kListThreads < tiles; chunk += gridDim.x) {
    if (thread < kLists) before[thread] = 0;
    __syncthreads();
    for (int i = thread; i < kLists * chunk; i += kListThreads)
      atomicAdd(&before[i % kLists], level.chunks[i]);
    __syncthreads();
    const int tile = chunk * kListThreads + thread;
    const unsigned kind = tile < tiles ? level.kinds[tile] : 0u;
    int all[kLists], place[kLists];
#pragma unroll
    for (int list = 0; list < kLists; ++list)
      place[list] = before[list] + rank_in_block(kind >> list & 1u, scratch, all[list]);
    const int slot = 1 + place[kStoredList];
    if (kind >> kStoredList & 1u) {
      level.tiles[slot] = tile;
      level.slots[(tile / level.tiles_x + 1) * (level.tiles_x + 2) + tile % level.tiles_x + 1] =
          slot;
    }
    if (kind >> kCoreList & 1u) level.core[place[kCoreList]].around[4] = slot;
    if (kind >> kWideList & 1u) level.wide[place[kWideList]].around[4] = slot;
    if ((chunk + 1) * kListThreads >= tiles && thread == 0)  // the last one
#pragma unroll
      for (int list = 0; list < kLists; ++list) level.counts[list] = before[list] + all[list];
    __syncthreads();
  }
}

// The rest of a list's records, a thread a number.
__device__ void complete_records(const MattingLevel& level, TileRecord* records, int count) {
  for (std::ptrdiff_t i = global_x(); i < std::ptrdiff_t{count} * kRecordInts;
       i += std::ptrdiff_t{gridDim.x} * blockDim.x) {
    TileRecord& record = records[i / kRecordInts];
    const int part = static_cast<int>(i % kRecordInts), tile = level.tiles[record.slot()];
    const int ty = tile / level.tiles_x, tx = tile % level.tiles_x;
    if (part < 9 && part != 4)
      record.around[part] = level.slot_at(ty + part / 3 - 1, tx + part % 3 - 1);
    if (part == 9) record.y0 = ty * kTile;
    if (part == 10) record.x0 = tx * kTile;
  }
}
__global__ void records_kernel(MattingLevels levels) {
  const MattingLevel& level = levels.level[blockIdx.y];
  complete_records(level, level.core, level.counts[kCoreList]);
  complete_records(level, level.wide, level.counts[kWideList]);
}

// Cuts the image into the tiles; all other planes start at zero. Slot 0 is the tile of zeros.
template <class Samples>
__global__ void fill_kernel(MattingLevel level, Samples samples) {
  for (int slot = blockIdx.x; slot <= level.stored(); slot += gridDim.x) {
    const std::ptrdiff_t lane = level.tile_at(slot) + threadIdx.x;
    for (int i = 0; i < level.tile_size; i += kTilePixels) level.planes[lane + i] = 0.0f;
    if (slot == 0) continue;
    const Tile tile(level, slot);
    if (tile.y >= level.height || tile.x >= level.width) continue;
    for (int c = 0; c < 3; ++c) level.plane(kImage + c)[lane] = samples(tile.y, tile.x, c);
  }
}

// ---------------------------------------------------------------------------------------------
// Windows

// A 3x3 window: its mean colour less the centre's, its factored covariance, and L^-1 (I_q - mu).
struct Window {
  float color[9][3], mean[3];
  ColorFactor<float> factor;

  // Color: float(int dy, int dx, int c), of the pixel beside the centre.
  template <class Color>
  __device__ Window(const Color& at, float epsilon) {
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      const float centre = at(0, 0, c);
      float sum = 0.0f;
#pragma unroll
      for (int q = 0; q < 9; ++q) {
        color[q][c] = at(q / 3 - 1, q % 3 - 1, c) - centre;
        sum += color[q][c];
      }
      mean[c] = sum * (1.0f / 9.0f);
#pragma unroll
      for (int q = 0; q < 9; ++q) color[q][c] -= mean[c];
    }
    factor = factor_window(color, epsilon / 9.0f);
  }
};

template <int R>
__device__ void load_colors(const MattingLevel& level, const Neighbours& neighbours,
                            Halo<R> (&color)[3]) {
  for (int c = 0; c < 3; ++c) {
    const float* image = level.plane(kImage + c);
    load_halo<R>(neighbours, color[c], [&](std::ptrdiff_t at) { return image[at]; });
  }
}

__device__ bool is_window_centre(const MattingLevel& level, int y, int x) {
  return y >= 1 && y <= level.height - 2 && x >= 1 && x <= level.width - 2;
}

// The operator of the unknown pixels: row by row, all windows over a pixel are added up by its
// thread, in one order, so that the stencil is symmetric to the bit and nothing is written twice.
__global__ void __launch_bounds__(kTilePixels, 3)
    operator_kernel(MattingLevel level, float epsilon) {
  constexpr int kWindows = kTile + 2;
  __shared__ Neighbours neighbours;
  __shared__ Halo<2> color[3];
  __shared__ float white[27][kWindows * kWindows];
  __shared__ std::uint8_t classes[kTile + 4][kTile + 4];
  const int count = level.counts[kCoreList];
  for (int i = blockIdx.x; i < count; i += gridDim.x) {
    const Tile tile(level, level.core[i]);
    neighbours.load(level, tile);
    load_colors<2>(level, neighbours, color);
    for (int k = threadIdx.x; k < (kTile + 4) * (kTile + 4); k += kTilePixels) {
      const int y = tile.y0 + k / (kTile + 4) - 2, x = tile.x0 + k % (kTile + 4) - 2;
      const bool inside = y >= 0 && x >= 0 && y < level.height && x < level.width;
      classes[k / (kTile + 4)][k % (kTile + 4)] =
          inside ? level.classes[std::ptrdiff_t{y} * level.width + x] : kTrimapBackground;
    }
    __syncthreads();
    for (int k = threadIdx.x; k < kWindows * kWindows; k += kTilePixels) {
      const int wy = k / kWindows, wx = k % kWindows;  // centred on halo pixel (wy + 1, wx + 1)
      const Window window([&](int dy, int dx, int c) { return color[c][wy + 1 + dy][wx + 1 + dx]; },
                          epsilon);
      const float scale[3] = {sqrtf(window.factor.i0) / 3.0f, sqrtf(window.factor.i1) / 3.0f,
                              sqrtf(window.factor.i2) / 3.0f};
#pragma unroll
      for (int q = 0; q < 9; ++q)
        for (int c = 0; c < 3; ++c) white[3 * q + c][k] = window.color[q][c] * scale[c];
    }
    __syncthreads();
    const int ly = static_cast<int>(threadIdx.x) / kTile,
              lx = static_cast<int>(threadIdx.x) % kTile;
    if (classes[ly + 2][lx + 2] != kTrimapUnknown) continue;  // the next barrier is in load()
    float row[25] = {};                                       // by (dy + 2) * 5 + dx + 2
#pragma unroll
    for (int w = 0; w < 9; ++w) {
      const int wy = w / 3 - 1, wx = w % 3 - 1;
      if (!is_window_centre(level, tile.y + wy, tile.x + wx)) continue;
      const int k = (ly + 1 + wy) * kWindows + lx + 1 + wx;
      const int mine = (1 - wy) * 3 + 1 - wx;
      const float m0 = white[3 * mine][k], m1 = white[3 * mine + 1][k], m2 = white[3 * mine + 2][k];
#pragma unroll
      for (int q = 0; q < 9; ++q) {
        const float product =
            m0 * white[3 * q][k] + m1 * white[3 * q + 1][k] + m2 * white[3 * q + 2][k];
        const int dy = q / 3 - 1 + wy, dx = q % 3 - 1 + wx;
        row[(dy + 2) * 5 + dx + 2] += (q == mine ? 8.0f / 9.0f : -1.0f / 9.0f) - product;
      }
    }
    // Known pixels go to the right-hand side and out of the operator.
    float rhs = 0.0f, sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 25; ++k) {
      const std::uint8_t t = classes[ly + k / 5][lx + k % 5];
      if (t == kTrimapForeground) rhs -= row[k];
      if (t != kTrimapUnknown) row[k] = 0.0f;
      sum += row[k] < 0.0f ? -row[k] : row[k];
    }
#pragma unroll
    for (int d = 0; d < kMattingOffsets; ++d)
      level.plane(kStencil + d)[tile.lane] =
          row[(matting_offset_dy(d) + 2) * 5 + matting_offset_dx(d) + 2];
    level.plane(kInverse)[tile.lane] = 1.0f / (sum > 1e-6f ? sum : 1e-6f);
    level.plane(kRhs)[tile.lane] = rhs;
  }
}

// The linear models of a coarse level, for the finer one.
__global__ void __launch_bounds__(kTilePixels, 3) model_kernel(MattingLevel level, float epsilon) {
  __shared__ Neighbours neighbours;
  __shared__ Halo<1> color[3];
  const int count = level.counts[kWideList];
  for (int i = blockIdx.x; i < count; i += gridDim.x) {
    const Tile tile(level, level.wide[i]);
    neighbours.load(level, tile);
    load_colors<1>(level, neighbours, color);
    __syncthreads();
    const int ly = static_cast<int>(threadIdx.x) / kTile,
              lx = static_cast<int>(threadIdx.x) % kTile;
    const Window window([&](int dy, int dx, int c) { return color[c][ly + 1 + dy][lx + 1 + dx]; },
                        epsilon);
    const ColorFactor<float>& f = window.factor;
    const float parts[6] = {f.l10, f.l20, f.l21, f.i0, f.i1, f.i2};
#pragma unroll
    for (int p = 0; p < 6; ++p) level.plane(kFactor + p)[tile.lane] = parts[p];
#pragma unroll
    for (int c = 0; c < 3; ++c)
      level.plane(kMean + c)[tile.lane] = window.mean[c] + color[c][ly + 1][lx + 1];
  }
}

// ---------------------------------------------------------------------------------------------
// The prior: dense images of its weight, and of weight times alpha

// Adds sampled alpha by its confidence.
__global__ void add_samples_kernel(MattingLevel level, const float* alpha, const float* confidence,
                                   float* weight, float* target) {
  const std::ptrdiff_t x = global_x();
  if (x >= level.width) return;
  in_row(level.height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t at = y * level.width + x;
    if (level.classes[at] != kTrimapUnknown) return;
    const float sampled = matting_prior_weight(confidence[at]);
    weight[at] += sampled;
    target[at] += sampled * alpha[at];
  });
}

// Moments of the windows around cells of 2 x 2 pixels: planes of height x width floats.
struct WindowMoments {
  float* planes;
  int height, width, radius;

  __device__ float& at(int moment, std::ptrdiff_t y, std::ptrdiff_t x) const {
    return planes[(std::ptrdiff_t{moment} * height + y) * width + x];
  }
};

// A plane stretched over the level.
struct StretchedPlane {
  ImageView<const float> plane;
  float scale_y, scale_x;

  __device__ float at(std::ptrdiff_t y, std::ptrdiff_t x) const {
    return sample_plane(plane, grid_point(y, scale_y, plane.height),
                        grid_point(x, scale_x, plane.width));
  }
};

__global__ void mask_moments_kernel(MattingLevel level, StretchedPlane mask, WindowMoments cells) {
  const std::ptrdiff_t x = global_x();
  if (x >= cells.width) return;
  in_row(cells.height, [&](std::ptrdiff_t y) {
    float sum[kMaskMoments] = {};
    for (int i = 0; i < 4; ++i) {
      const std::ptrdiff_t py = 2 * y + i / 2 < level.height ? 2 * y + i / 2 : level.height - 1;
      const std::ptrdiff_t px = 2 * x + i % 2 < level.width ? 2 * x + i % 2 : level.width - 1;
      const std::ptrdiff_t at = py * level.width + px;
      float pixel[kMaskMoments];
      mask_moments(level.image[3 * at], level.image[3 * at + 1], level.image[3 * at + 2],
                   mask.at(py, px), level.classes[at], pixel);
#pragma unroll
      for (int m = 0; m < kMaskMoments; ++m) sum[m] += 0.25f * pixel[m];
    }
#pragma unroll
    for (int m = 0; m < kMaskMoments; ++m) cells.at(m, y, x) = sum[m];
  });
}

// Sums along rows.
__global__ void mask_rows_kernel(WindowMoments cells, WindowMoments sums) {
  const std::ptrdiff_t x = global_x();
  if (x >= cells.width) return;
  const std::ptrdiff_t first = x > cells.radius ? x - cells.radius : 0;
  const std::ptrdiff_t last = x + cells.radius < cells.width ? x + cells.radius : cells.width - 1;
  in_row(cells.height, [&](std::ptrdiff_t y) {
#pragma unroll 1
    for (int m = 0; m < kMaskMoments; ++m) {
      float sum = 0.0f;
      for (std::ptrdiff_t i = first; i <= last; ++i) sum += cells.at(m, y, i);
      sums.at(m, y, x) = sum;
    }
  });
}

// Means along columns, of sums along rows.
__global__ void mask_columns_kernel(WindowMoments sums, WindowMoments means) {
  const std::ptrdiff_t x = global_x();
  if (x >= sums.width) return;
  const std::ptrdiff_t across = mask_window_cells(x, sums.radius, sums.width);
  in_row(sums.height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t first = y > sums.radius ? y - sums.radius : 0;
    const std::ptrdiff_t last = y + sums.radius < sums.height ? y + sums.radius : sums.height - 1;
    const auto cells = static_cast<float>(across * (last - first + 1));
#pragma unroll 1
    for (int m = 0; m < kMaskMoments; ++m) {
      float sum = 0.0f;
      for (std::ptrdiff_t i = first; i <= last; ++i) sum += sums.at(m, i, x);
      means.at(m, y, x) = sum / cells;
    }
  });
}

__global__ void lean_on_mask_kernel(MattingLevel level, StretchedPlane mask, WindowMoments means,
                                    float* weight, float* target) {
  const std::ptrdiff_t x = global_x();
  if (x >= level.width) return;
  in_row(level.height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t at = y * level.width + x;
    if (level.classes[at] != kTrimapUnknown) return;
    float mean[kMaskMoments];
#pragma unroll
    for (int m = 0; m < kMaskMoments; ++m) mean[m] = means.at(m, y / 2, x / 2);
    const PriorTerm term = mask_prior_term(mean, mask.at(y, x));
    weight[at] += term.weight;
    target[at] += term.target;
  });
}

__global__ void halve_prior_kernel(MattingLevel fine, const float* from, MattingLevel coarse,
                                   float* to) {
  const std::ptrdiff_t x = global_x();
  if (x >= coarse.width) return;
  in_row(coarse.height, [&](std::ptrdiff_t y) {
    const auto at = [&](std::ptrdiff_t fy, std::ptrdiff_t fx) {
      return fy < fine.height && fx < fine.width ? from[fy * fine.width + fx] : 0.0f;
    };
    to[y * coarse.width + x] = 0.25f * (at(2 * y, 2 * x) + at(2 * y, 2 * x + 1) +
                                        at(2 * y + 1, 2 * x) + at(2 * y + 1, 2 * x + 1));
  });
}

// Cuts it into the tiles of its own level, or a share of it into those of a finer one.
__global__ void __launch_bounds__(kTilePixels)
    place_prior_kernel(MattingLevel level, StretchedPlane weight, StretchedPlane target,
                       float share) {
  for (int i = blockIdx.x; i < level.counts[kCoreList]; i += gridDim.x) {
    const Tile tile(level, level.core[i]);
    if (tile.y >= level.height || tile.x >= level.width) continue;
    const bool unknown =  // where a coarser level's pixel is, a finer one's need not be
        level.classes[std::ptrdiff_t{tile.y} * level.width + tile.x] == kTrimapUnknown;
    level.plane(kDirection)[tile.lane] = unknown ? share * weight.at(tile.y, tile.x) : 0.0f;
    level.plane(kProduct)[tile.lane] = unknown ? share * target.at(tile.y, tile.x) : 0.0f;
  }
}

}  // namespace
}  // namespace trimatte::cuda

// Closed-form matting on the CPU, on the unknown band only, by full multigrid.
//
// Each level keeps the matting Laplacian of its own image as a symmetric 5x5 stencil (13 floats a
// pixel). A coarse function is carried to the finer level by its local linear model: a and b of
// alpha = a . I + b are fitted in 3x3 windows, averaged, interpolated, and evaluated on the finer
// image (the adjoint of it restricts). Levels are smoothed by Chebyshev polynomials, which need no
// reductions; conjugate gradients wrap the V-cycle. Everything is float but the set-up of the
// windows.
#define TRIMATTE_THIS_FILE "cpu/matting.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/matting_levels.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/matting.hpp"
#include "pixel/trimap.hpp"

TRIMATTE_TARGET_BEGIN

typedef float F16 __attribute__((vector_size(64)));
typedef float StoredF16 __attribute__((vector_size(64), aligned(4), may_alias));
#define ALWAYS_INLINE inline __attribute__((always_inline))

ALWAYS_INLINE F16 load(const float* p) {
  return *reinterpret_cast<const StoredF16*>(p);
}
ALWAYS_INLINE void store(float* p, F16 v) {
  *reinterpret_cast<StoredF16*>(p) = v;
}

constexpr std::ptrdiff_t kChunk = 256;  // blocks a chunk

// body(position in the list, block) over a list of blocks.
template <class Body>
void for_blocks(const std::vector<std::int32_t>& blocks, const Body& body) {
  parallel_for(static_cast<std::ptrdiff_t>(blocks.size()), kChunk,
               [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                 for (std::ptrdiff_t i = begin; i < end; ++i)
                   body(i, blocks[static_cast<std::size_t>(i)]);
               });
}

void clear(const std::vector<std::int32_t>& blocks, float* v) {
  for (const std::int32_t b : blocks) store(v + b * std::ptrdiff_t{kLanes}, F16{});
}

// Sum of term(block) (16 lanes) over the core blocks; the order of summation is fixed.
template <class Term>
double sum_core(const Level& level, const Term& term) {
  const auto count = static_cast<std::ptrdiff_t>(level.core.size());
  std::vector<double> partial(static_cast<std::size_t>((count + kChunk - 1) / kChunk));
  parallel_for(count, kChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    double sum = 0.0;
    for (std::ptrdiff_t i = begin; i < end;
         i += 16) {  // float inside a short run, double across runs
      F16 run{};
      for (std::ptrdiff_t k = i; k < std::min(i + 16, end); ++k)
        run += term(level.core[static_cast<std::size_t>(k)]);
      float total = 0.0f;
      for (int lane = 0; lane < kLanes; ++lane) total += run[lane];
      sum += static_cast<double>(total);
    }
    partial[static_cast<std::size_t>(begin / kChunk)] = sum;
  });
  double sum = 0.0;
  for (const double p : partial) sum += p;
  return sum;
}

double dot(const Level& level, const float* a, const float* b) {
  return sum_core(level, [=](std::int32_t block) {
    return load(a + block * std::ptrdiff_t{kLanes}) * load(b + block * std::ptrdiff_t{kLanes});
  });
}

// ---------------------------------------------------------------------------------------------
// The operator

struct Rows {  // lane offsets of a block and those two above and below
  std::ptrdiff_t up2, up1, here, down1, down2;
};

ALWAYS_INLINE Rows rows_of(const Level& level, std::int32_t block) {
  const std::int32_t up = level.up[static_cast<std::size_t>(block)];
  const std::int32_t down = level.down[static_cast<std::size_t>(block)];
  constexpr std::ptrdiff_t n = kLanes;
  return {level.up[static_cast<std::size_t>(up)] * n, up * n, block * n, down * n,
          level.down[static_cast<std::size_t>(down)] * n};
}

ALWAYS_INLINE F16 box_sum(const Rows& at, const float* v) {
  F16 sum{};
#pragma GCC unroll 3
  for (int dx = -1; dx <= 1; ++dx)
    sum += load(v + at.up1 + dx) + load(v + at.here + dx) + load(v + at.down1 + dx);
  return sum;
}

// (A v) of one block: 25 products a pixel. Rows of known pixels have values as well.
ALWAYS_INLINE F16 apply_rows(const Level& level, std::int32_t block, const float* v) {
  const Rows at = rows_of(level, block);
  const float* c = level.stencil;
  const std::size_t n = level.lanes();
  F16 sum = load(c + at.here) * load(v + at.here);
  sum += load(c + n + at.here) * load(v + at.here + 1);
  sum += load(c + n + at.here - 1) * load(v + at.here - 1);
  sum += load(c + 2 * n + at.here) * load(v + at.here + 2);
  sum += load(c + 2 * n + at.here - 2) * load(v + at.here - 2);
  F16 far{};
#pragma GCC unroll 5
  for (int dx = -2; dx <= 2; ++dx) {
    const float* near_plane = c + static_cast<std::size_t>(matting_offset_index(1, dx)) * n;
    const float* far_plane = c + static_cast<std::size_t>(matting_offset_index(2, dx)) * n;
    sum += load(near_plane + at.here) * load(v + at.down1 + dx);
    far += load(near_plane + at.up1 - dx) * load(v + at.up1 - dx);
    sum += load(far_plane + at.here) * load(v + at.down2 + dx);
    far += load(far_plane + at.up2 - dx) * load(v + at.up2 - dx);
  }
  return sum + far;
}

ALWAYS_INLINE F16 apply_block(const Level& level, std::int32_t block, const float* v) {
  return apply_rows(level, block, v) * load(level.unknown_mask + block * std::ptrdiff_t{kLanes});
}

ALWAYS_INLINE F16 absolute(F16 v) {
  return v < 0.0f ? -v : v;
}

void apply(const Level& level, const float* v, float* out) {
  for_blocks(level.core, [&](auto, std::int32_t b) {
    store(out + b * std::ptrdiff_t{kLanes}, apply_block(level, b, v));
  });
}

// out = b - A x
void residual(const Level& level, const float* b, const float* x, float* out) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(out + at, load(b + at) - apply_block(level, block, x));
  });
}

// ---------------------------------------------------------------------------------------------
// Set-up of the windows

// 16 windows side by side, centred on the lanes of one block.
struct Window {
  F16 color[9][3];  // less the mean; once factored, L^-1 times that
  F16 mean[3];      // less the centre pixel's colour
  F16 valid;        // 1 where the window lies within the image
};

ALWAYS_INLINE void load_windows(const Level& level, std::int32_t block, Window& w) {
  const Rows at = rows_of(level, block);
  const std::ptrdiff_t row[3] = {at.up1, at.here, at.down1};
  const auto k = static_cast<std::size_t>(block);
  const std::ptrdiff_t x0 = level.x[k] * std::ptrdiff_t{kLanes}, y = level.y[k];
  const bool row_valid = y >= 1 && y <= level.height - 2;
  for (int i = 0; i < kLanes; ++i)
    w.valid[i] = row_valid && x0 + i >= 1 && x0 + i <= level.width - 2 ? 1.0f : 0.0f;
  for (int c = 0; c < 3; ++c) {
    const float* image = level.image[c];
    const F16 centre = load(image + at.here);
    F16 sum{};
#pragma GCC unroll 9
    for (int q = 0; q < 9; ++q) {
      w.color[q][c] = load(image + row[q / 3] + q % 3 - 1) - centre;
      sum += w.color[q][c];
    }
    w.mean[c] = sum * (1.0f / 9.0f);
#pragma GCC unroll 9
    for (int q = 0; q < 9; ++q) w.color[q][c] -= w.mean[c];
  }
}

ALWAYS_INLINE F16 square_root(F16 v) {
  for (int i = 0; i < kLanes; ++i) v[i] = std::sqrt(v[i]);
  return v;
}

// Adds the windows centred on one block to the stencil.
void add_windows(Level& level, std::int32_t block, float epsilon) {
  Window w;
  load_windows(level, block, w);
  const ColorFactor<F16> factor = factor_window(w.color, epsilon / 9.0f);
  const Rows at = rows_of(level, block);
  const std::ptrdiff_t row[3] = {at.up1, at.here, at.down1};
  // Only windows that touch an unknown pixel count; the others would write outside of the band.
  const F16 active = box_sum(at, level.unknown_mask) > 0.0f ? w.valid : F16{};
  const F16 third = active * (1.0f / 3.0f);
  const F16 scale[3] = {square_root(factor.i0) * third, square_root(factor.i1) * third,
                        square_root(factor.i2) * third};
#pragma GCC unroll 9
  for (int q = 0; q < 9; ++q)
    for (int c = 0; c < 3; ++c) w.color[q][c] *= scale[c];
  const std::size_t n = level.lanes();
  const F16 beside = active * (-1.0f / 9.0f), centre = active + beside;
  // Columns last: the same place of a plane is not loaded again right after it was stored.
#pragma GCC unroll 3
  for (int column = 0; column < 3; ++column)
#pragma GCC unroll 3
    for (int p = column; p < 9; p += 3)
#pragma GCC unroll 9
      for (int q = p; q < 9; ++q) {
        const int d = matting_offset_index(q / 3 - p / 3, q % 3 - p % 3);
        float* plane = level.stencil + static_cast<std::size_t>(d) * n + row[p / 3] + column - 1;
        store(plane, load(plane) + (p == q ? centre : beside) - w.color[p][0] * w.color[q][0] -
                         w.color[p][1] * w.color[q][1] - w.color[p][2] * w.color[q][2]);
      }
}

// Cuts image and trimap of a level into its blocks.
template <class Pixel>
void fill_blocks(Level& level, const DenseLevel& dense, const Pixel& pixel) {
  const std::size_t n = level.lanes();
  for (Plane& plane : level.image) plane = level.arena.take_unset(n);
  level.unknown_mask = level.arena.take_unset(n);
  level.known = level.arena.take_unset(n);
  Plane* const planes[] = {&level.image[0], &level.image[1], &level.image[2], &level.unknown_mask,
                           &level.known};
  parallel_for(level.blocks, kChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t b = begin; b < end; ++b) {
      const auto k = static_cast<std::size_t>(b);
      const std::ptrdiff_t y = level.y[k], x0 = level.x[k] * std::ptrdiff_t{kLanes};
      const std::ptrdiff_t count =
          y < 0 || x0 < 0 ? 0 : std::clamp<std::ptrdiff_t>(level.width - x0, 0, kLanes);
      if (count < kLanes)
        for (Plane* plane : planes) store(*plane + b * kLanes, F16{});
      for (std::ptrdiff_t i = 0; i < count; ++i) {
        const std::ptrdiff_t at = b * kLanes + i;
        const std::uint8_t t = dense.trimap[static_cast<std::size_t>(y * dense.width + x0 + i)];
        level.unknown_mask[at] = t == kTrimapUnknown ? 1.0f : 0.0f;
        level.known[at] = t == kTrimapForeground ? 1.0f : 0.0f;
        for (int c = 0; c < 3; ++c) level.image[c][at] = pixel(y, x0 + i, c);
      }
    }
  });
}

// A vector of the iterations: unset on the core blocks, zero elsewhere.
Plane take_vector(Level& level) {
  const Plane plane = level.arena.take_unset(level.lanes());
  clear(level.off_core, plane);
  return plane;
}

void build_operator(Level& level, float epsilon) {
  level.stencil = level.arena.take(level.lanes(), kMattingOffsets);
  for (Plane* v : {&level.inverse_diagonal, &level.rhs, &level.solution, &level.r, &level.z,
                   &level.p, &level.q, &level.old, &level.direction, &level.product})
    *v = take_vector(level);
  // Bands of rows: a window writes one row beyond its band, so even bands go first, then odd ones.
  const auto bands = static_cast<std::ptrdiff_t>(level.wide_bands.size()) - 1;
  for (int parity = 0; parity < 2; ++parity)
    parallel_for((bands + 1 - parity) / 2, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      for (std::ptrdiff_t i = begin; i < end; ++i) {
        const auto band = static_cast<std::size_t>(2 * i + parity);
        for (auto k = level.wide_bands[band]; k < level.wide_bands[band + 1]; ++k)
          add_windows(level, level.wide[static_cast<std::size_t>(k)], epsilon);
      }
    });
  // Known pixels go to the right-hand side. D is the row sums of absolute values over the unknown
  // ones: D^-1 A has no eigenvalue above 1 with it, whatever the image.
  for_blocks(level.core, [&](auto, std::int32_t b) {
    const Rows rows = rows_of(level, b);
    const std::ptrdiff_t ahead[3] = {rows.here, rows.down1, rows.down2},
                         behind[3] = {rows.here, rows.up1, rows.up2};
    F16 known{}, sum{};
    const auto add = [&](F16 coefficient, std::ptrdiff_t at) {
      known += coefficient * load(level.known + at);
      sum += absolute(coefficient) * load(level.unknown_mask + at);
    };
    add(load(level.stencil + rows.here), rows.here);
#pragma GCC unroll 12
    for (int d = 1; d < kMattingOffsets; ++d) {
      const float* plane = level.stencil + static_cast<std::size_t>(d) * level.lanes();
      const int dy = matting_offset_dy(d), dx = matting_offset_dx(d);
      add(load(plane + rows.here), ahead[dy] + dx);
      add(load(plane + behind[dy] - dx), behind[dy] - dx);
    }
    const F16 mask = load(level.unknown_mask + rows.here);
    store(level.rhs + rows.here, -known * mask);
    store(level.inverse_diagonal + rows.here, mask / (sum > 1e-6f ? sum : F16{} + 1e-6f));
  });
}

// The linear models of a coarse level, for the finer one.
void build_models(Level& level, float epsilon) {
  const auto take = [&](Plane& plane) {
    plane = level.arena.take_unset(level.lanes());
    clear(level.off_wide, plane);
  };
  for (Plane& plane : level.factor) take(plane);
  for (Plane& plane : level.mean) take(plane);
  for (Plane& plane : level.model) take(plane);
  for (Plane& plane : level.smooth) take(plane);
  take(level.window_valid);
  take(level.window_weight);
  for_blocks(level.wide, [&](auto, std::int32_t b) {
    Window w;
    load_windows(level, b, w);
    const ColorFactor<F16> factor = factor_window(w.color, epsilon / 9.0f);
    const auto k = static_cast<std::size_t>(b);
    const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes}, y = level.y[k];
    const F16 parts[6] = {factor.l10, factor.l20, factor.l21, factor.i0, factor.i1, factor.i2};
    for (int j = 0; j < 6; ++j) store(level.factor[j] + at, parts[j]);
    for (int c = 0; c < 3; ++c) store(level.mean[c] + at, w.mean[c] + load(level.image[c] + at));
    store(level.window_valid + at, w.valid);
    F16 weight{};
    for (int i = 0; i < kLanes; ++i) {
      const std::ptrdiff_t x = level.x[k] * std::ptrdiff_t{kLanes} + i;
      const int count = x < level.width ? matting_windows_over(x, level.width) *
                                              matting_windows_over(y, level.height)
                                        : 0;
      weight[i] = count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
    }
    store(level.window_weight + at, weight);
  });
}

// ---------------------------------------------------------------------------------------------
// Between levels

ALWAYS_INLINE F16 box_sum(const Rows& at, const float* v, const float* weight) {
  F16 sum{};
#pragma GCC unroll 3
  for (int dx = -1; dx <= 1; ++dx)
    sum += load(v + at.up1 + dx) * load(weight + at.up1 + dx) +
           load(v + at.here + dx) * load(weight + at.here + dx) +
           load(v + at.down1 + dx) * load(weight + at.down1 + dx);
  return sum;
}

ALWAYS_INLINE void solve_windows(const Level& level, std::ptrdiff_t at, F16& q0, F16& q1, F16& q2) {
  const F16 l10 = load(level.factor[0] + at), l20 = load(level.factor[1] + at);
  const F16 l21 = load(level.factor[2] + at);
  q1 -= l10 * q0;
  q2 -= l20 * q0 + l21 * q1;
  q2 *= load(level.factor[5] + at);
  q1 = q1 * load(level.factor[4] + at) - l21 * q2;
  q0 = q0 * load(level.factor[3] + at) - l10 * q1 - l20 * q2;
}

// Fits v by linear models in the windows of a coarse level, and averages them: level.smooth.
void fit_models(Level& level, const float* v) {
  constexpr float kNinth = 1.0f / 9.0f;
  for_blocks(level.wide, [&](auto, std::int32_t b) {
    const Rows at = rows_of(level, b);
    const F16 mean = box_sum(at, v) * kNinth;
    const F16 mu0 = load(level.mean[0] + at.here), mu1 = load(level.mean[1] + at.here);
    const F16 mu2 = load(level.mean[2] + at.here);
    F16 a0 = box_sum(at, v, level.image[0]) * kNinth - mu0 * mean;
    F16 a1 = box_sum(at, v, level.image[1]) * kNinth - mu1 * mean;
    F16 a2 = box_sum(at, v, level.image[2]) * kNinth - mu2 * mean;
    solve_windows(level, at.here, a0, a1, a2);
    const F16 valid = load(level.window_valid + at.here);
    store(level.model[0] + at.here, a0 * valid);
    store(level.model[1] + at.here, a1 * valid);
    store(level.model[2] + at.here, a2 * valid);
    store(level.model[3] + at.here, (mean - a0 * mu0 - a1 * mu1 - a2 * mu2) * valid);
  });
  for_blocks(level.wide, [&](auto, std::int32_t b) {
    const Rows at = rows_of(level, b);
    const F16 weight = load(level.window_weight + at.here);
    for (int j = 0; j < 4; ++j)
      store(level.smooth[j] + at.here, box_sum(at, level.model[j]) * weight);
  });
}

// One plane of a coarse level at the 16 pixels of a fine block.
ALWAYS_INLINE F16 interpolate(const float* plane, std::ptrdiff_t near_row, std::ptrdiff_t far_row,
                              float near_y, float far_y, F16 near_x, F16 far_x) {
  const F16 mixed = near_y * load(plane + near_row - 1) + far_y * load(plane + far_row - 1);
  const F16 near =
      __builtin_shufflevector(mixed, mixed, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8);
  const F16 far =
      __builtin_shufflevector(mixed, mixed, 0, 2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 8, 7, 9);
  return near_x * near + far_x * far;
}

// out(block offset, value of the coarse models on the finer image) for every core block.
template <class Out>
void evaluate_models(const Level& fine, const Level& coarse, const Out& out) {
  for_blocks(fine.core, [&](std::ptrdiff_t position, std::int32_t b) {
    const auto k = static_cast<std::size_t>(b);
    const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes};
    const auto y = static_cast<std::size_t>(fine.y[k] + kLanes);
    const std::size_t x = static_cast<std::size_t>(fine.x[k] + 1) * kLanes;
    const F16 near_x = load(fine.near_x.data() + x), far_x = load(fine.far_x.data() + x);
    const float near_y = fine.near_y[y], far_y = fine.far_y[y];
    const std::ptrdiff_t near = fine.coarse_near[static_cast<std::size_t>(position)];
    const std::ptrdiff_t far = fine.coarse_far[static_cast<std::size_t>(position)];
    F16 value = interpolate(coarse.smooth[3], near, far, near_y, far_y, near_x, far_x);
    for (int c = 0; c < 3; ++c)
      value += interpolate(coarse.smooth[c], near, far, near_y, far_y, near_x, far_x) *
               load(fine.image[c] + at);
    out(at, value * load(fine.unknown_mask + at));
  });
}

template <int First>
ALWAYS_INLINE F16 every_second(const F16 (&v)[2]) {
  constexpr int f = First;
  return __builtin_shufflevector(v[0], v[1], f, f + 2, f + 4, f + 6, f + 8, f + 10, f + 12, f + 14,
                                 f + 16, f + 18, f + 20, f + 22, f + 24, f + 26, f + 28, f + 30);
}

// The adjoint: coarse.rhs-like vector `out` from a fine residual.
void restrict_residual(const Level& fine, Level& coarse, const float* r, float* out) {
  // Adjoint of the interpolation and of the averaging's weights: coarse.smooth. A coarse pixel's
  // two children have it as their nearest, the pixels beside them (lanes 2 i - 1 and 2 i + 2) as
  // the far one.
  for_blocks(coarse.wide, [&](std::ptrdiff_t position, std::int32_t b) {
    const auto k = static_cast<std::size_t>(b);
    const std::int32_t* blocks = coarse.fine.data() + position * 8;
    F16 even[4][2], odd[4][2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      F16 near[4] = {}, before[4] = {}, after[4] = {};
#pragma GCC unroll 4
      for (int row = 0; row < 4; ++row) {
        const auto y = static_cast<std::size_t>(2 * coarse.y[k] - 1 + row + kLanes);
        const float weight = row == 0 || row == 3 ? fine.far_y[y] : fine.near_y[y];
        const std::ptrdiff_t at = blocks[2 * row + half] * std::ptrdiff_t{kLanes};
        const F16 here = weight * load(r + at), left = weight * load(r + at - 1);
        const F16 right = weight * load(r + at + 2);
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) {
          const float* image = fine.image[j] + at;
          near[j] += here * load(image);
          before[j] += left * load(image - 1);
          after[j] += right * load(image + 2);
        }
        near[3] += here;
        before[3] += left;
        after[3] += right;
      }
      const auto x = static_cast<std::size_t>(2 * coarse.x[k] + half + 1) * kLanes;
      const F16 near_x = load(fine.near_x.data() + x);
      const F16 before_x = load(fine.far_x.data() + x - 1),
                after_x = load(fine.far_x.data() + x + 2);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        odd[j][half] = near_x * near[j];
        even[j][half] = odd[j][half] + before_x * before[j] + after_x * after[j];
      }
    }
    const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes};
    const F16 weight = load(coarse.window_weight + at);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      store(coarse.smooth[j] + at, weight * (every_second<0>(even[j]) + every_second<1>(odd[j])));
  });
  // Adjoint of the averaging and of the fit: coarse.model.
  for_blocks(coarse.wide, [&](auto, std::int32_t b) {
    const Rows at = rows_of(coarse, b);
    const F16 valid = load(coarse.window_valid + at.here) * (1.0f / 9.0f);
    const F16 mu0 = load(coarse.mean[0] + at.here), mu1 = load(coarse.mean[1] + at.here);
    const F16 mu2 = load(coarse.mean[2] + at.here);
    const F16 h3 = box_sum(at, coarse.smooth[3]);
    F16 h0 = box_sum(at, coarse.smooth[0]) - mu0 * h3;
    F16 h1 = box_sum(at, coarse.smooth[1]) - mu1 * h3;
    F16 h2 = box_sum(at, coarse.smooth[2]) - mu2 * h3;
    solve_windows(coarse, at.here, h0, h1, h2);
    store(coarse.model[0] + at.here, h0 * valid);
    store(coarse.model[1] + at.here, h1 * valid);
    store(coarse.model[2] + at.here, h2 * valid);
    store(coarse.model[3] + at.here, (h3 - h0 * mu0 - h1 * mu1 - h2 * mu2) * valid);
  });
  for_blocks(coarse.core, [&](auto, std::int32_t b) {
    const Rows at = rows_of(coarse, b);
    F16 sum = box_sum(at, coarse.model[3]);
    for (int c = 0; c < 3; ++c)
      sum += box_sum(at, coarse.model[c]) * load(coarse.image[c] + at.here);
    store(out + at.here, sum * load(coarse.unknown_mask + at.here));
  });
}

// ---------------------------------------------------------------------------------------------
// Smoothing and cycles

// `steps` Chebyshev steps for A z = b; from zero, or from z.
void smooth(Level& level, const float* b, float* z, int steps, bool from_zero) {
  float *r = level.q, *p = level.p, *next = level.old;
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    const F16 inverse = load(level.inverse_diagonal + at);
    F16 res = load(b + at);
    if (!from_zero) res -= apply_rows(level, block, z);
    res *= inverse;
    store(r + at, res);
    store(p + at, res / ChebyshevSteps::kTheta);
  });
  ChebyshevSteps chebyshev;
  for (int step = 1; step < steps; ++step) {
    chebyshev.next();
    const float keep = chebyshev.keep, take = chebyshev.take;
    const bool first = step == 1 && from_zero;
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      const F16 direction = load(p + at);
      const F16 res =
          load(r + at) - apply_rows(level, block, p) * load(level.inverse_diagonal + at);
      store(z + at, first ? direction : load(z + at) + direction);
      store(r + at, res);
      store(next + at, keep * direction + take * res);
    });
    std::swap(p, next);
  }
  const bool only = steps == 1 && from_zero;
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(z + at, only ? load(p + at) : load(z + at) + load(p + at));
  });
}

// Conjugate gradients with the diagonal as preconditioner, from zero: the coarsest level.
void solve_coarsest(Level& level, const float* b, float* z, int most, double tolerance) {
  float *r = level.q, *p = level.p, *ap = level.old;
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(z + at, F16{});
    store(r + at, load(b + at));
    store(p + at, load(b + at) * load(level.inverse_diagonal + at));
  });
  const auto energy = [&] {
    return sum_core(level, [&](std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      return load(r + at) * load(r + at) * load(level.inverse_diagonal + at);
    });
  };
  double rz = energy();
  const double goal = rz * tolerance * tolerance;
  for (int it = 0; it < most && rz > goal; ++it) {
    apply(level, p, ap);
    const double curvature = dot(level, p, ap);
    if (!(curvature > 0.0) || !(rz > 0.0)) break;
    const auto alpha = static_cast<float>(rz / curvature);
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(z + at, load(z + at) + alpha * load(p + at));
      store(r + at, load(r + at) - alpha * load(ap + at));
    });
    const double next = energy();
    const auto beta = static_cast<float>(next / rz);
    rz = next;
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(p + at, load(r + at) * load(level.inverse_diagonal + at) + beta * load(p + at));
    });
  }
}

// One V-cycle for A z = b.
void cycle(std::vector<Level>& levels, std::size_t l, const float* b, float* z, int smoothing) {
  Level& level = levels[l];
  if (l + 1 == levels.size()) {
    solve_coarsest(level, b, z, kMattingCoarsestSteps, kMattingCoarsestTolerance);
    return;
  }
  Level& coarse = levels[l + 1];
  smooth(level, b, z, smoothing, true);
  residual(level, b, z, level.q);
  restrict_residual(level, coarse, level.q, coarse.rhs);
  cycle(levels, l + 1, coarse.rhs, coarse.z, smoothing);
  fit_models(coarse, coarse.z);
  const float scale = 1.0f / level.coarse_scale;
  evaluate_models(level, coarse,
                  [&](std::ptrdiff_t at, F16 v) { store(z + at, load(z + at) + scale * v); });
  smooth(level, b, z, smoothing, false);
}

// Flexible (Polak-Ribiere) conjugate gradients on level l, preconditioned by V-cycles.
int solve(std::vector<Level>& levels, std::size_t l, int steps, int smoothing, double tolerance,
          double& relative_residual) {
  Level& level = levels[l];
  float *x = level.solution, *r = level.r, *z = level.z, *p = level.direction, *ap = level.product;
  const double norm = std::sqrt(dot(level, level.rhs, level.rhs));
  residual(level, level.rhs, x, r);
  double size = std::sqrt(dot(level, r, r)), rz = 0.0, last_alpha = 0.0;
  int step = 0;
  while (step < steps && size > tolerance * norm) {
    cycle(levels, l, r, z, smoothing);
    // (r - r_old) . z = -alpha_old (A p_old) . z
    const double beta = step ? -last_alpha * dot(level, ap, z) / rz : 0.0;
    rz = dot(level, r, z);
    const auto b = static_cast<float>(beta);
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(p + at, step ? load(z + at) + b * load(p + at) : load(z + at));
    });
    apply(level, p, ap);
    const double curvature = dot(level, p, ap);
    if (!(curvature > 0.0) || !(rz > 0.0)) break;
    last_alpha = rz / curvature;
    const auto a = static_cast<float>(last_alpha);
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(x + at, load(x + at) + a * load(p + at));
      store(r + at, load(r + at) - a * load(ap + at));
    });
    size = std::sqrt(dot(level, r, r));
    ++step;
  }
  relative_residual = norm > 0.0 ? size / norm : 0.0;
  return step;
}

void clip_solution(Level& level) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    float* x = level.solution + block * std::ptrdiff_t{kLanes};
    for (int i = 0; i < kLanes; ++i) x[i] = std::min(1.0f, std::max(0.0f, x[i]));
  });
}

void fill_noise(const Level& level, float* v) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const auto k = static_cast<std::size_t>(block);
    for (int i = 0; i < kLanes; ++i)
      v[block * std::ptrdiff_t{kLanes} + i] =
          matting_noise(level.y[k], level.x[k] * std::ptrdiff_t{kLanes} + i) *
          level.unknown_mask[block * std::ptrdiff_t{kLanes} + i];
  });
}

// v -= D^-1 A v
void damp(Level& level, float* v) {
  apply(level, v, level.q);
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(v + at, load(v + at) - load(level.q + at) * load(level.inverse_diagonal + at));
  });
}

// How much more energy the finer level sees in a smooth coarse function than the coarse one does.
void find_coarse_scale(Level& fine, Level& coarse) {
  float *v = coarse.z, *w = fine.z;
  fill_noise(coarse, v);
  for (int it = 0; it < kMattingScaleSteps; ++it) damp(coarse, v);
  apply(coarse, v, coarse.q);
  const double coarse_energy = dot(coarse, v, coarse.q);
  fit_models(coarse, v);
  evaluate_models(fine, coarse, [&](std::ptrdiff_t at, F16 value) { store(w + at, value); });
  apply(fine, w, fine.q);
  const double fine_energy = dot(fine, w, fine.q);
  fine.coarse_scale = coarse_energy > 0.0 && fine_energy > 0.0
                          ? static_cast<float>(fine_energy / coarse_energy)
                          : 1.0f;
}

// The start of a level: the coarser level's alpha, known pixels included, as local linear models.
void start_from(Level& coarse, Level& fine) {
  float* v = coarse.z;
  parallel_for(coarse.blocks, kChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin * kLanes; i < end * kLanes; ++i)
      v[i] = coarse.known[i] + coarse.solution[i];
  });
  fit_models(coarse, v);
  evaluate_models(fine, coarse,
                  [&](std::ptrdiff_t at, F16 value) { store(fine.solution + at, value); });
  clip_solution(fine);
  clear(coarse.off_core, v);
}

template <class T>
MattingInfo solve_band(const ImageView<const T>& image, std::vector<DenseLevel>& dense,
                       const ImageView<float>& alpha, const MattingSchedule& schedule) {
  MattingInfo info;
  std::vector<Level> levels(dense.size());
  for (std::size_t l = 0; l < levels.size(); ++l) {
    lay_out(dense[l], levels[l]);
    levels[l].arena = Arena(levels[l].lanes(), l == 0 ? Level::kPlanes : Level::kCoarsePlanes);
    if (l == 0) {
      const int channels = image.channels;
      fill_blocks(levels[0], dense[0], [&](std::ptrdiff_t y, std::ptrdiff_t x, int c) {
        return to_unit(image.row(y)[channels * x + c]);
      });
    } else {
      const float* pixels = dense[l].image.data();
      const std::ptrdiff_t width = dense[l].width;
      fill_blocks(levels[l], dense[l], [=](std::ptrdiff_t y, std::ptrdiff_t x, int c) {
        return pixels[(y * width + x) * 3 + c];
      });
    }
    build_operator(levels[l], l == 0 ? kMattingEpsilon : kMattingCoarseEpsilon);
    if (l > 0) {
      build_models(levels[l], kMattingModelEpsilon);
      link_levels(levels[l - 1], levels[l]);
    }
    if (l > 0) find_coarse_scale(levels[l - 1], levels[l]);
  }
  const std::size_t last = levels.size() - 1;
  solve_coarsest(levels[last], levels[last].rhs, levels[last].solution, kMattingStartSteps,
                 kMattingStartTolerance);
  clip_solution(levels[last]);
  for (std::size_t l = last; l-- > 0;) {
    start_from(levels[l + 1], levels[l]);
    const int steps = l == 0 ? schedule.finest_steps : schedule.steps;
    info.iterations = solve(levels, l, steps, schedule.smoothing, l == 0 ? schedule.tolerance : 0.0,
                            info.residual);
    clip_solution(levels[l]);
  }
  info.levels = static_cast<int>(levels.size());
  const Level& finest = levels[0];
  for_blocks(finest.core, [&](auto, std::int32_t block) {
    const auto k = static_cast<std::size_t>(block);
    float* out = alpha.row(finest.y[k]) + finest.x[k] * std::ptrdiff_t{kLanes};
    for (int i = 0; i < kLanes; ++i) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes} + i;
      if (finest.unknown_mask[at] > 0.0f) out[i] = finest.solution[at];
    }
  });
  return info;
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {
namespace {

// Writes the known pixels, classifies all of them, and counts.
struct Classes {
  std::int64_t foreground = 0, background = 0, unknown = 0;
};

Classes classify(const ImageView<const std::uint8_t>& trimap, const ImageView<float>& alpha,
                 DenseLevel& dense) {
  dense.height = trimap.height;
  dense.width = trimap.width;
  dense.trimap.resize(static_cast<std::size_t>(trimap.pixels()));
  std::atomic<std::int64_t> foreground{0}, background{0};
  parallel_rows(trimap.height, trimap.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    std::int64_t fg = 0, bg = 0;
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::uint8_t* row = trimap.row(y);
      std::uint8_t* out = dense.trimap.data() + y * trimap.width;
      float* a = alpha.row(y);
      for (std::ptrdiff_t x = 0; x < trimap.width; ++x) {
        const bool is_bg = trimap_is_background(row[x]), is_fg = trimap_is_foreground(row[x]);
        bg += is_bg;
        fg += is_fg;
        out[x] = is_bg ? kTrimapBackground : is_fg ? kTrimapForeground : kTrimapUnknown;
        a[x] = is_fg ? 1.0f : 0.0f;
      }
    }
    foreground += fg;
    background += bg;
  });
  Classes classes{foreground, background, 0};
  classes.unknown = trimap.pixels() - classes.foreground - classes.background;
  return classes;
}

void fill_unknown(const DenseLevel& dense, const ImageView<float>& alpha, float value) {
  for (std::ptrdiff_t y = 0; y < alpha.height; ++y)
    for (std::ptrdiff_t x = 0; x < alpha.width; ++x)
      if (dense.trimap[static_cast<std::size_t>(y * alpha.width + x)] == kTrimapUnknown)
        alpha.row(y)[x] = value;
}

// 2x2 mean of the image itself: the first level of the pyramid.
template <class T>
void halve_image(const ImageView<const T>& image, DenseLevel& coarse) {
  coarse.image.resize(static_cast<std::size_t>(coarse.height * coarse.width * 3));
  const int channels = image.channels;
  parallel_rows(coarse.height, coarse.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const T* above = image.row(2 * y);
      const T* below = image.row(std::min(2 * y + 1, image.height - 1));
      float* out = coarse.image.data() + y * coarse.width * 3;
      for (std::ptrdiff_t x = 0; x < coarse.width; ++x) {
        const std::ptrdiff_t left = 2 * x * channels;
        const std::ptrdiff_t right = std::min(2 * x + 1, image.width - 1) * channels;
        for (int c = 0; c < 3; ++c)
          out[3 * x + c] = 0.25f * ((to_unit(above[left + c]) + to_unit(above[right + c])) +
                                    (to_unit(below[left + c]) + to_unit(below[right + c])));
      }
    }
  });
}

// Images thinner than a window are solved with their rows or columns repeated.
template <class T>
void solve_repeated(const ImageView<const T>& image, const ImageView<const std::uint8_t>& trimap,
                    const ImageView<float>& alpha, const MattingOptions& options,
                    MattingInfo* info) {
  const std::ptrdiff_t height = std::max<std::ptrdiff_t>(3, image.height);
  const std::ptrdiff_t width = std::max<std::ptrdiff_t>(3, image.width);
  const auto size = static_cast<std::size_t>(height * width);
  std::vector<T> pixels(size * 3);
  std::vector<std::uint8_t> classes(size);
  std::vector<float> solved(size);
  for (std::ptrdiff_t y = 0; y < height; ++y)
    for (std::ptrdiff_t x = 0; x < width; ++x) {
      const std::ptrdiff_t from_y = std::min(y, image.height - 1),
                           from_x = std::min(x, image.width - 1);
      const auto at = static_cast<std::size_t>(y * width + x);
      classes[at] = trimap.row(from_y)[from_x];
      for (int c = 0; c < 3; ++c)
        pixels[3 * at + static_cast<std::size_t>(c)] =
            image.row(from_y)[from_x * image.channels + c];
    }
  const auto bytes = static_cast<std::ptrdiff_t>(sizeof(T));
  estimate_alpha<DeviceKind::kCPU, T>({pixels.data(), height, width, 3, width * 3 * bytes},
                                      {classes.data(), height, width, 1, width},
                                      {solved.data(), height, width, 1, width * 4}, options, info,
                                      Stream{});
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    for (std::ptrdiff_t x = 0; x < image.width; ++x)
      alpha.row(y)[x] = solved[static_cast<std::size_t>(y * width + x)];
}

}  // namespace

template <DeviceKind D, class T>
void estimate_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                    ImageView<float> alpha, const MattingOptions& options, MattingInfo* wanted,
                    Stream) {
  MattingInfo ignored;
  MattingInfo& info = wanted ? *wanted : ignored;
  info = {};
  if (image.empty()) return;
  std::vector<DenseLevel> dense(1);
  const Classes classes = classify(trimap, alpha, dense[0]);
  if (classes.unknown == 0) return;
  if (classes.foreground == 0 || classes.background == 0) {
    // Without one of the classes the equations hold for a constant.
    fill_unknown(dense[0], alpha, classes.foreground ? 1.0f : classes.background ? 0.0f : 0.5f);
  } else if (image.height < 3 || image.width < 3) {
    solve_repeated(image, trimap, alpha, options, &info);
  } else {
    while (std::min(dense.back().height, dense.back().width) > kMattingSmallestSide) {
      dense.emplace_back();
      const DenseLevel& fine = dense[dense.size() - 2];
      halve_trimap(fine, dense.back());
      dense.size() == 2 ? halve_image(image, dense.back()) : halve_image(fine, dense.back());
    }
    info = TRIMATTE_CALL(solve_band<T>)(image, dense, alpha, matting_schedule(options.quality));
  }
  info.unknown = classes.unknown;
}

#define TRIMATTE_INSTANTIATE(T)                                                                   \
  template void estimate_alpha<DeviceKind::kCPU, T>(                                              \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<float>, const MattingOptions&, \
      MattingInfo*, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

// The alpha solver on the GPU: full multigrid in one cooperative kernel, so that steps depend on
// each other without the host. Large levels are worked on by all blocks, which meet at the grid's
// barrier; small ones by the first block alone, with barriers of its own. Sums are added up in one
// order, so that runs repeat to the bit.
#pragma once

#include <cooperative_groups.h>

#include "matting_levels.cuh"
#include "pixel/depth.hpp"
#include "pixel/trimap.hpp"

namespace trimatte::cuda {
namespace {

constexpr int kAloneTiles = 4;  // levels of at most so many tiles are the first block's

union TileScratch {
  Halo<2> vector;
  Halo<1> models[4];
  float fine[4][2 * kTile + 2][2 * kTile + 2];
  float coarse[4][kTile / 2 + 2][kTile / 2 + 2];
};

struct SolverShared {
  Neighbours neighbours;
  TileScratch scratch;
  double sums[2][kTilePixels / 32];
  double total[2];
};

class Solver {
 public:
  // `partial` has room for two sums of each block, twice.
  __device__ Solver(const MattingLevels& levels, double* partial, SolverShared& shared)
      : levels_(levels), partial_(partial), shared_(shared) {
    first_alone_ = levels.count;
    while (first_alone_ > 0 && tiles_of(first_alone_ - 1) <= kAloneTiles) --first_alone_;
  }

  // From the operators of all levels to the solution of the finest. Levels from prior_level on have
  // a prior.
  __device__ MattingSummary run(const MattingSchedule& schedule, int prior_level) {
    const int last = levels_.count - 1;
    MattingSummary reached;
    const auto prepare = [&](int from, int to) {
      for (int l = from; l < to && l < last; ++l) find_scale(l);
      for (int l = from > prior_level ? from : prior_level; l < to; ++l) add_prior(l);
    };
    const auto descend = [&](int from, int to) {
      for (int l = from; l >= to; --l) {
        start_from_coarser(l);
        smoothing_ = l == 0 ? schedule.finest_smoothing : schedule.smoothing;
        solve(l, l == 0 ? schedule.finest_steps : schedule.steps, l == 0 ? schedule.tolerance : 0.0,
              reached);
        clip(l);
      }
    };
    prepare(0, first_alone_);
    by_first_block(first_alone_ <= last, [&] {
      prepare(first_alone_, levels_.count);
      solve_coarsest(kSolution, kMattingStartSteps, kMattingStartTolerance, reached);
      clip(last);
      descend(last - 1, first_alone_);
    });
    descend(first_alone_ < last ? first_alone_ - 1 : last - 1, 0);
    reached.levels = levels_.count;
    return reached;
  }

 private:
  // ---- who works on what

  __device__ const MattingLevel& level(int l) const { return levels_.level[l]; }
  __device__ int tiles_of(int l) const { return level(l).tiles_y * level(l).tiles_x; }
  __device__ int blocks() const { return alone_ ? 1 : static_cast<int>(gridDim.x); }
  __device__ void barrier() const {
    alone_ ? __syncthreads() : cooperative_groups::this_grid().sync();
  }

  // body() by the first block alone, and nobody goes on before it is done; or by all.
  template <class Body>
  __device__ void by_first_block(bool alone, const Body& body) {
    if (!alone || alone_) {
      body();
      return;
    }
    if (blockIdx.x == 0) {
      alone_ = true;
      body();
      alone_ = false;
    }
    barrier();
  }

  // body(tile) for the tiles of a list, a block a tile.
  template <class Body>
  __device__ void for_tiles(const MattingLevel& at, const int* list, int count,
                            const Body& body) const {
    for (int i = alone_ ? 0 : static_cast<int>(blockIdx.x); i < count; i += blocks())
      body(Tile(at, list[i]));
  }
  template <class Body>
  __device__ void for_core(const MattingLevel& at, const Body& body) const {
    for_tiles(at, at.core, at.counts[1], body);
  }
  template <class Body>
  __device__ void for_wide(const MattingLevel& at, const Body& body) const {
    for_tiles(at, at.wide, at.counts[2], body);
  }

  // ---- sums

  // Sums of a and b over all threads that work, in shared_.total of each block. A barrier, too.
  __device__ __noinline__ void add_up(double a, double b) {
    add_up_block(a, b);
    if (alone_) return;  // no turn is taken: the other blocks would not know of it
    double* sums = partial_ + turn_ * 2 * gridDim.x;  // in turns: some may still read the last ones
    turn_ ^= 1;
    if (threadIdx.x < 2) sums[threadIdx.x * gridDim.x + blockIdx.x] = shared_.total[threadIdx.x];
    barrier();
    a = b = 0.0;
    for (unsigned i = threadIdx.x; i < gridDim.x; i += kTilePixels) {
      a += sums[i];
      b += sums[gridDim.x + i];
    }
    add_up_block(a, b);
  }
  __device__ void add_up_block(double a, double b) {
    for (int step = 16; step > 0; step /= 2) {
      a += __shfl_xor_sync(~0u, a, step);
      b += __shfl_xor_sync(~0u, b, step);
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) {
      shared_.sums[0][threadIdx.x / 32] = a;
      shared_.sums[1][threadIdx.x / 32] = b;
    }
    __syncthreads();
    if (threadIdx.x < 2) {
      double sum = 0.0;
      for (const double part : shared_.sums[threadIdx.x]) sum += part;
      shared_.total[threadIdx.x] = sum;
    }
    __syncthreads();
  }

  // ---- the operator

  // (A v) of this thread's pixel: 25 products.
  __device__ float apply(const MattingLevel& at, const Tile& tile, const float* v_plane) {
    shared_.neighbours.load(at, tile);
    load_halo<2>(shared_.neighbours, shared_.scratch.vector,
                 [=](std::ptrdiff_t place) { return v_plane[place]; });
    __syncthreads();
    const int y = static_cast<int>(threadIdx.x) / kTile, x = static_cast<int>(threadIdx.x) % kTile;
    const Halo<2>& v = shared_.scratch.vector;
    float sum = at.plane(kStencil)[tile.lane] * v[y + 2][x + 2];
#pragma unroll
    for (int d = 1; d < kMattingOffsets; ++d) {
      const int dy = matting_offset_dy(d), dx = matting_offset_dx(d);
      const float* plane = at.plane(kStencil + d);
      sum += plane[tile.lane] * v[y + 2 + dy][x + 2 + dx];
      sum += plane[shared_.neighbours.at(y - dy, x - dx)] * v[y + 2 - dy][x + 2 - dx];
    }
    return sum;
  }

  // out = A v on the whole level; returns v . A v.
  __device__ __noinline__ double apply_all(const MattingLevel& at, const float* v, float* out) {
    double curved = 0.0;
    for_core(at, [&](const Tile& tile) {
      const float product = apply(at, tile, v);
      out[tile.lane] = product;
      curved += double{product * v[tile.lane]};
    });
    add_up(curved, 0.0);
    return shared_.total[0];
  }

  // ---- smoothing

  // Chebyshev steps for A z = rhs; from zero, or from z.
  __device__ __noinline__ void smooth(int l, bool from_zero) {
    const MattingLevel& at = level(l);
    const float *b = at.plane(kRhs), *inverse = at.plane(kInverse);
    float *z = at.plane(kZ), *r = at.plane(kQ), *p = at.plane(kP), *next = at.plane(kOld);
    const bool only = smoothing_ == 1;
    for_core(at, [&](const Tile& tile) {
      const float az = from_zero ? 0.0f : apply(at, tile, z);
      const float rest = (b[tile.lane] - az) * inverse[tile.lane];
      const float step = rest / ChebyshevSteps::kTheta;
      r[tile.lane] = rest;
      p[tile.lane] = step;
      // With more steps to come z is read by neighbours still.
      if (only && from_zero) z[tile.lane] = step;
    });
    barrier();
    if (only && !from_zero) {
      for_core(at, [&](const Tile& tile) { z[tile.lane] += p[tile.lane]; });
      barrier();
    }
    ChebyshevSteps chebyshev;
    for (int step = 1; step < smoothing_; ++step) {
      chebyshev.next();
      const bool first = step == 1 && from_zero, last = step + 1 == smoothing_;
      for_core(at, [&](const Tile& tile) {
        const float rest = r[tile.lane] - apply(at, tile, p) * inverse[tile.lane];
        const float direction = p[tile.lane];
        const float ahead = chebyshev.keep * direction + chebyshev.take * rest;
        z[tile.lane] = (first ? 0.0f : z[tile.lane]) + direction + (last ? ahead : 0.0f);
        r[tile.lane] = rest;
        next[tile.lane] = ahead;
      });
      barrier();
      float* const swapped = p;
      p = next;
      next = swapped;
    }
  }

  // Conjugate gradients with the diagonal as preconditioner, from zero, for A out = rhs.
  __device__ __noinline__ void solve_coarsest(int out, int most, double tolerance,
                                              MattingSummary& reached) {
    const MattingLevel& at = level(levels_.count - 1);
    const float *b = at.plane(kRhs), *inverse = at.plane(kInverse);
    float *z = at.plane(out), *r = at.plane(kQ), *p = at.plane(kP), *ap = at.plane(kOld);
    double energy = 0.0;
    for_core(at, [&](const Tile& tile) {
      const float rest = b[tile.lane], scaled = rest * inverse[tile.lane];
      z[tile.lane] = 0.0f;
      r[tile.lane] = rest;
      p[tile.lane] = scaled;
      energy += double{rest * scaled};
    });
    add_up(energy, 0.0);
    const double start = shared_.total[0], goal = start * tolerance * tolerance;
    double rz = start;
    int step = 0;
    for (; step < most && rz > goal; ++step) {
      const double curvature = apply_all(at, p, ap);
      if (!(curvature > 0.0) || !(rz > 0.0)) break;
      const auto alpha = static_cast<float>(rz / curvature);
      energy = 0.0;
      for_core(at, [&](const Tile& tile) {
        const float rest = r[tile.lane] - alpha * ap[tile.lane];
        z[tile.lane] += alpha * p[tile.lane];
        r[tile.lane] = rest;
        energy += double{rest * rest * inverse[tile.lane]};
      });
      add_up(energy, 0.0);
      const auto beta = static_cast<float>(shared_.total[0] / rz);
      rz = shared_.total[0];
      for_core(at, [&](const Tile& tile) {
        p[tile.lane] = r[tile.lane] * inverse[tile.lane] + beta * p[tile.lane];
      });
      barrier();
    }
    reached.iterations = step;
    reached.residual = start > 0.0 ? sqrt(rz / start) : 0.0;
  }

  // ---- between levels

  // Solves the window's equations for the slopes of its linear model.
  __device__ void solve_window(const MattingLevel& at, std::ptrdiff_t lane, float (&q)[3]) const {
    ColorFactor<float> f;
    f.l10 = at.plane(kFactor)[lane];
    f.l20 = at.plane(kFactor + 1)[lane];
    f.l21 = at.plane(kFactor + 2)[lane];
    f.i0 = at.plane(kFactor + 3)[lane];
    f.i1 = at.plane(kFactor + 4)[lane];
    f.i2 = at.plane(kFactor + 5)[lane];
    solve_factored(f, q[0], q[1], q[2]);
  }

  // What of a window's sums counts: nothing where the image cuts it off.
  __device__ float window_valid(const MattingLevel& at, const Tile& tile) const {
    return tile.y >= 1 && tile.y <= at.height - 2 && tile.x >= 1 && tile.x <= at.width - 2 ? 1.0f
                                                                                           : 0.0f;
  }
  __device__ float window_weight(const MattingLevel& at, const Tile& tile) const {
    const int count =
        matting_windows_over(tile.y, at.height) * matting_windows_over(tile.x, at.width);
    return count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
  }

  __device__ void store_model(const MattingLevel& at, const Tile& tile, const float (&slope)[3],
                              float rest, float factor) const {
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      rest -= slope[c] * at.plane(kMean + c)[tile.lane];
      at.plane(kModel + c)[tile.lane] = slope[c] * factor;
    }
    at.plane(kModel + 3)[tile.lane] = rest * factor;
  }

  // The four planes from `first` on, in shared memory with one pixel around the tile.
  __device__ void load_models(const MattingLevel& at, const Tile& tile, int first) {
    shared_.neighbours.load(at, tile);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float* plane = at.plane(first + j);
      load_halo<1>(shared_.neighbours, shared_.scratch.models[j],
                   [=](std::ptrdiff_t place) { return plane[place]; });
    }
    __syncthreads();
  }

  // Fits a plane of level l by linear models in its windows, and averages them: kSmooth.
  __device__ __noinline__ void fit_models(int l, int v) {
    const MattingLevel& at = level(l);
    for_wide(at, [&](const Tile& tile) {
      shared_.neighbours.load(at, tile);
      const float* values = at.plane(v);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float* image = j < 3 ? at.plane(kImage + j) : nullptr;
        load_halo<1>(shared_.neighbours, shared_.scratch.models[j], [=](std::ptrdiff_t place) {
          return image ? image[place] * values[place] : values[place];
        });
      }
      __syncthreads();
      constexpr float kNinth = 1.0f / 9.0f;
      const float mean = box_sum(shared_.scratch.models[3]) * kNinth;
      float slope[3];
#pragma unroll
      for (int c = 0; c < 3; ++c)
        slope[c] =
            box_sum(shared_.scratch.models[c]) * kNinth - at.plane(kMean + c)[tile.lane] * mean;
      solve_window(at, tile.lane, slope);
      store_model(at, tile, slope, mean, window_valid(at, tile));
    });
    barrier();
    for_wide(at, [&](const Tile& tile) {
      load_models(at, tile, kModel);
      const float weight = window_weight(at, tile);
#pragma unroll
      for (int j = 0; j < 4; ++j)
        at.plane(kSmooth + j)[tile.lane] = box_sum(shared_.scratch.models[j]) * weight;
    });
    barrier();
  }

  // out(place, value of the coarser level's models on the image of level l) for its unknown pixels.
  template <class Out>
  __device__ void evaluate_models(int l, const Out& out) {
    constexpr int kSide = kTile / 2 + 2;
    const MattingLevel &at = level(l), &coarse = level(l + 1);
    for_core(at, [&](const Tile& tile) {
      __syncthreads();
      for (int i = threadIdx.x; i < kSide * kSide; i += kTilePixels) {
        const std::ptrdiff_t place =
            coarse.at(tile.y0 / 2 - 1 + i / kSide, tile.x0 / 2 - 1 + i % kSide);
#pragma unroll
        for (int j = 0; j < 4; ++j)
          shared_.scratch.coarse[j][i / kSide][i % kSide] = coarse.plane(kSmooth + j)[place];
      }
      __syncthreads();
      if (at.plane(kInverse)[tile.lane] == 0.0f) return;  // known
      const MattingWeights wy = matting_weights(tile.y, coarse.height);
      const MattingWeights wx = matting_weights(tile.x, coarse.width);
      const int near_y = tile.y / 2 - tile.y0 / 2 + 1, near_x = tile.x / 2 - tile.x0 / 2 + 1;
      const int far_y = near_y + (tile.y % 2 ? 1 : -1), far_x = near_x + (tile.x % 2 ? 1 : -1);
      float value = 0.0f;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const auto& s = shared_.scratch.coarse[j];
        const float near = wy.near * s[near_y][near_x] + wy.far * s[far_y][near_x];
        const float far = wy.near * s[near_y][far_x] + wy.far * s[far_y][far_x];
        const float factor = j < 3 ? at.plane(kImage + j)[tile.lane] : 1.0f;
        value += (wx.near * near + wx.far * far) * factor;
      }
      out(tile.lane, value);
    });
    barrier();
  }

  // The adjoint of both: kRhs of the coarser level from kQ of level l.
  __device__ __noinline__ void restrict_residual(int l) {
    const MattingLevel &at = level(l), &coarse = level(l + 1);
    for_wide(coarse, [&](const Tile& tile) { restrict_to_models(at, coarse, tile); });
    barrier();
    for_wide(coarse, [&](const Tile& tile) {
      load_models(coarse, tile, kSmooth);
      const float constant = box_sum(shared_.scratch.models[3]);
      float slope[3];
#pragma unroll
      for (int c = 0; c < 3; ++c)
        slope[c] =
            box_sum(shared_.scratch.models[c]) - coarse.plane(kMean + c)[tile.lane] * constant;
      solve_window(coarse, tile.lane, slope);
      store_model(coarse, tile, slope, constant, window_valid(coarse, tile) * (1.0f / 9.0f));
    });
    barrier();
    for_core(coarse, [&](const Tile& tile) {
      load_models(coarse, tile, kModel);
      float sum = box_sum(shared_.scratch.models[3]);
#pragma unroll
      for (int c = 0; c < 3; ++c)
        sum += box_sum(shared_.scratch.models[c]) * coarse.plane(kImage + c)[tile.lane];
      coarse.plane(kRhs)[tile.lane] = coarse.plane(kInverse)[tile.lane] > 0.0f ? sum : 0.0f;
    });
    barrier();
  }

  // Adjoint of the interpolation and of the averaging's weights, for one coarse tile: kSmooth.
  __device__ void restrict_to_models(const MattingLevel& fine, const MattingLevel& coarse,
                                     const Tile& tile) {
    constexpr int kSide = 2 * kTile + 2;
    const float* r = fine.plane(kQ);
    __syncthreads();
    for (int i = threadIdx.x; i < kSide * kSide; i += kTilePixels) {
      const int y = 2 * tile.y0 - 1 + i / kSide, x = 2 * tile.x0 - 1 + i % kSide;
      const std::ptrdiff_t place = fine.at(y, x);
      const float value = r[place];
#pragma unroll
      for (int j = 0; j < 4; ++j)
        shared_.scratch.fine[j][i / kSide][i % kSide] =
            j < 3 ? value * fine.plane(kImage + j)[place] : value;
    }
    __syncthreads();
    float sums[4] = {};
    // Rows and columns 2 i - 1 .. 2 i + 2: the children are near, those beside them far.
    for (int i = 0; i < 16; ++i) {
      const int dy = i / 4, dx = i % 4;
      const int y = 2 * tile.y - 1 + dy, x = 2 * tile.x - 1 + dx;
      if (y < 0 || x < 0 || y >= fine.height || x >= fine.width) continue;
      const MattingWeights wy = matting_weights(y, coarse.height);
      const MattingWeights wx = matting_weights(x, coarse.width);
      const float weight =
          (dy == 0 || dy == 3 ? wy.far : wy.near) * (dx == 0 || dx == 3 ? wx.far : wx.near);
      const int row = 2 * (tile.y - tile.y0) + dy, column = 2 * (tile.x - tile.x0) + dx;
#pragma unroll
      for (int j = 0; j < 4; ++j) sums[j] += weight * shared_.scratch.fine[j][row][column];
    }
    const float weight = window_weight(coarse, tile);
#pragma unroll
    for (int j = 0; j < 4; ++j) coarse.plane(kSmooth + j)[tile.lane] = sums[j] * weight;
  }

  // ---- cycles

  // One V-cycle for A z = rhs on level l.
  __device__ __noinline__ void cycle(int l) {
    const int last = levels_.count - 1;
    const bool split = !alone_ && first_alone_ <= last;
    const int end = split ? first_alone_ : last;
    go_down(l, end);
    by_first_block(split, [&] {
      go_down(end, last);
      MattingSummary ignored;
      solve_coarsest(kZ, kMattingCoarsestSteps, kMattingCoarsestTolerance, ignored);
      go_up(last, end);
    });
    go_up(end, l);
  }
  __device__ __noinline__ void go_down(int from, int to) {
    for (int l = from; l < to; ++l) {
      smooth(l, true);
      residual(l, kZ, kQ);
      restrict_residual(l);
    }
  }
  __device__ __noinline__ void go_up(int from, int to) {
    for (int l = from - 1; l >= to; --l) correct(l);
  }

  // Adds the coarser level's correction, and smooths.
  __device__ __noinline__ void correct(int l) {
    fit_models(l + 1, kZ);
    const float scale = 1.0f / *level(l).scale;
    float* z = level(l).plane(kZ);
    evaluate_models(l, [=](std::ptrdiff_t lane, float value) { z[lane] += scale * value; });
    smooth(l, false);
  }

  // Plane `out` = rhs - A of plane v.
  __device__ __noinline__ void residual(int l, int v, int out) {
    const MattingLevel& at = level(l);
    const float *b = at.plane(kRhs), *from = at.plane(v);
    float* to = at.plane(out);
    for_core(at, [&](const Tile& tile) { to[tile.lane] = b[tile.lane] - apply(at, tile, from); });
    barrier();
  }

  __device__ void copy_plane(const MattingLevel& at, int from, int to) {
    for_core(at, [&](const Tile& tile) { at.plane(to)[tile.lane] = at.plane(from)[tile.lane]; });
    barrier();
  }

  // Flexible (Polak-Ribiere) conjugate gradients on level l, preconditioned by V-cycles. The
  // residual takes the place of the right-hand side. A solve with a tolerance keeps the solution of
  // the smallest residual: where float does not resolve the equations it may grow again.
  __device__ __noinline__ void solve(int l, int steps, double tolerance, MattingSummary& reached) {
    const MattingLevel& at = level(l);
    float *x = at.plane(kSolution), *r = at.plane(kRhs), *z = at.plane(kZ);
    float *p = at.plane(kDirection), *ap = at.plane(kProduct);
    double given = 0.0, rest = 0.0;
    for_core(at, [&](const Tile& tile) {
      const float b = r[tile.lane], left = b - apply(at, tile, x);
      r[tile.lane] = left;
      given += double{b * b};
      rest += double{left * left};
    });
    add_up(given, rest);
    const double norm = sqrt(shared_.total[0]);
    double size = sqrt(shared_.total[1]), best = size, rz = 0.0, last_alpha = 0.0;
    const bool keeps_best = tolerance > 0.0;
    if (keeps_best) copy_plane(at, kSolution, kBest);
    int step = 0;
    while (step < steps && size > tolerance * norm && size <= 1e3 * best) {
      cycle(l);
      double product = 0.0, energy = 0.0;
      for_core(at, [&](const Tile& tile) {
        product += double{ap[tile.lane] * z[tile.lane]};
        energy += double{r[tile.lane] * z[tile.lane]};
      });
      add_up(product, energy);
      // (r - r_old) . z = -alpha_old (A p_old) . z
      const auto beta = static_cast<float>(step ? -last_alpha * shared_.total[0] / rz : 0.0);
      rz = shared_.total[1];
      for_core(at, [&](const Tile& tile) {
        p[tile.lane] = z[tile.lane] + (step ? beta * p[tile.lane] : 0.0f);
      });
      barrier();
      const double curvature = apply_all(at, p, ap);
      if (!(curvature > 0.0) || !(rz > 0.0)) break;
      last_alpha = rz / curvature;
      const auto alpha = static_cast<float>(last_alpha);
      rest = 0.0;
      for_core(at, [&](const Tile& tile) {
        const float left = r[tile.lane] - alpha * ap[tile.lane];
        x[tile.lane] += alpha * p[tile.lane];
        r[tile.lane] = left;
        rest += double{left * left};
      });
      add_up(rest, 0.0);
      size = sqrt(shared_.total[0]);
      ++step;
      if (keeps_best && size < best) copy_plane(at, kSolution, kBest);
      best = size < best ? size : best;
    }
    if (keeps_best && size > best) {
      copy_plane(at, kBest, kSolution);
      size = best;
    }
    reached.iterations = step;
    reached.residual = norm > 0.0 ? size / norm : 0.0;
  }

  // Adds weight (alpha - target / weight)^2 to the energy of a level.
  __device__ __noinline__ void add_prior(int l) {
    const MattingLevel& at = level(l);
    for_core(at, [&](const Tile& tile) {
      const float weight = at.plane(kDirection)[tile.lane];
      at.plane(kStencil)[tile.lane] += weight;
      at.plane(kInverse)[tile.lane] /= 1.0f + weight * at.plane(kInverse)[tile.lane];
      at.plane(kRhs)[tile.lane] += at.plane(kProduct)[tile.lane];
    });
    barrier();
  }

  __device__ void clip(int l) {
    float* x = level(l).plane(kSolution);
    for_core(level(l), [&](const Tile& tile) { x[tile.lane] = clip_unit(x[tile.lane]); });
    barrier();
  }

  // The start of a level: the coarser level's alpha, known pixels included, as local linear models.
  __device__ __noinline__ void start_from_coarser(int l) {
    const MattingLevel& coarse = level(l + 1);
    const float *solution = coarse.plane(kSolution), *inverse = coarse.plane(kInverse);
    float* v = coarse.plane(kProduct);  // free now, and read by nobody's neighbours otherwise
    for (int slot = 1 + (alone_ ? 0 : static_cast<int>(blockIdx.x)); slot <= coarse.stored();
         slot += blocks()) {
      const Tile tile(coarse, slot);
      const bool inside = tile.y < coarse.height && tile.x < coarse.width;
      const bool foreground =
          inside &&
          coarse.classes[std::ptrdiff_t{tile.y} * coarse.width + tile.x] == kTrimapForeground;
      v[tile.lane] = inverse[tile.lane] > 0.0f ? solution[tile.lane] : foreground ? 1.0f : 0.0f;
    }
    barrier();
    fit_models(l + 1, kProduct);
    float* x = level(l).plane(kSolution);
    evaluate_models(l, [=](std::ptrdiff_t lane, float value) { x[lane] = clip_unit(value); });
  }

  // ---- scale of a coarse operator

  // How much more energy level l sees in a smooth coarse function than the coarser level does.
  __device__ __noinline__ void find_scale(int l) {
    const MattingLevel &at = level(l), &coarse = level(l + 1);
    float *v = coarse.plane(kZ), *next = coarse.plane(kP), *w = at.plane(kZ);
    const float* inverse = coarse.plane(kInverse);
    for_core(coarse, [&](const Tile& tile) {
      v[tile.lane] = inverse[tile.lane] > 0.0f ? matting_noise(tile.y, tile.x) : 0.0f;
    });
    barrier();
    static_assert(kMattingScaleSteps % 2 == 0);  // so that the result is in kZ
    for (int step = 0; step < kMattingScaleSteps; ++step) {
      for_core(coarse, [&](const Tile& tile) {
        next[tile.lane] = v[tile.lane] - apply(coarse, tile, v) * inverse[tile.lane];
      });
      barrier();
      float* const swapped = v;
      v = next;
      next = swapped;
    }
    double coarse_energy = 0.0, fine_energy = 0.0;
    for_core(coarse, [&](const Tile& tile) {
      coarse_energy += double{v[tile.lane] * apply(coarse, tile, v)};
    });
    fit_models(l + 1, kZ);
    evaluate_models(l, [=](std::ptrdiff_t lane, float value) { w[lane] = value; });
    for_core(at,
             [&](const Tile& tile) { fine_energy += double{w[tile.lane] * apply(at, tile, w)}; });
    add_up(coarse_energy, fine_energy);
    const double scale = shared_.total[1] / shared_.total[0];
    if (threadIdx.x == 0 && (alone_ || blockIdx.x == 0))
      *at.scale =
          shared_.total[0] > 0.0 && shared_.total[1] > 0.0 ? static_cast<float>(scale) : 1.0f;
    barrier();
  }

  const MattingLevels& levels_;
  int smoothing_ = 0;
  double* partial_;
  SolverShared& shared_;
  int first_alone_, turn_ = 0;
  bool alone_ = false;
};

__global__ void __launch_bounds__(kTilePixels, 2)
    solve_kernel(const __grid_constant__ MattingLevels levels, MattingSchedule schedule,
                 int prior_level, const MattingCounts* counts, double* partial,
                 ImageView<float> alpha, MattingSummary* summary) {
  __shared__ SolverShared shared;
  const MattingLevel& finest = levels.level[0];
  MattingSummary result;
  result.unknown = static_cast<std::int64_t>(counts->unknown);
  // Without one of the classes, and a mask in its place, the equations hold for a constant. Only a
  // mask gives the finest level a prior.
  const float constant = counts->foreground ? 1.0f : counts->background ? 0.0f : 0.5f;
  const bool solvable = counts->unknown && (counts->has_both() || prior_level == 0);
  if (solvable) {
    const MattingSummary solved = Solver(levels, partial, shared).run(schedule, prior_level);
    result.iterations = solved.iterations;
    result.residual = solved.residual;
    result.levels = solved.levels;
  }
  for (int i = blockIdx.x; i < finest.counts[1]; i += gridDim.x) {
    const Tile tile(finest, finest.core[i]);
    if (tile.y >= finest.height || tile.x >= finest.width) continue;
    if (finest.classes[std::ptrdiff_t{tile.y} * finest.width + tile.x] == kTrimapUnknown)
      alpha.row(tile.y)[tile.x] = solvable ? finest.plane(kSolution)[tile.lane] : constant;
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) *summary = result;
}

}  // namespace
}  // namespace trimatte::cuda

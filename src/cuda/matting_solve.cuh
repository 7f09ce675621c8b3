// The alpha solver on the GPU: full multigrid in one cooperative kernel, so that steps depend on
// each other without the host. Large levels are worked on by all blocks, which meet at the grid's
// barrier; small ones by the first block alone, with barriers of its own. That barrier is what the
// time goes to, so as little as possible is done between two of them. Sums are added up in one
// order, so that runs repeat to the bit.
#pragma once

#include <cooperative_groups.h>

#include "matting_levels.cuh"
#include "matting_setup.cuh"
#include "pixel/depth.hpp"
#include "pixel/trimap.hpp"

namespace trimatte::cuda {
namespace {

constexpr int kAloneTiles = 4;  // levels of at most so many core tiles are the first block's
constexpr int kWarps = kTilePixels / 32;

// The coarsest level as one list of its unknown pixels, by which the first block solves it: in
// registers, with the direction of the search in shared memory. Where a level has too many unknown
// pixels or cells for that, it is solved in its tiles, which costs three barriers a step.
constexpr int kListedEach = 8;  // pixels of a thread
constexpr int kMostListed = kListedEach * kTilePixels;
constexpr int kMostCells = 5120;  // of the image with a margin of two pixels
constexpr int kStencilPixels = 25;

struct ListedLevel {
  int* count;           // of unknown pixels; 0 where the level is too large
  int* places;          // where they lie in a plane
  int* cells;           // and in shared memory
  float* coefficients;  // kStencilPixels planes of kMostListed, by (dy + 2) * 5 + dx + 2
};

union TileScratch {
  Halo<2> vector;
  Halo<1> models[4];
  float fine[4][2 * kTile + 2][2 * kTile + 2];
  float coarse[4][kTile / 2 + 2][kTile / 2 + 2];
  float cells[kMostCells];
};

// A level with its counts.
struct SolverLevel : MattingLevel {
  int cores, wides;
};

struct SolverShared {
  SolverLevel level[kMostLevels];
  Neighbours neighbours;
  TileScratch scratch;
  double sums[2][2][kWarps];  // in turns: some may still read the last ones
  int ranks[kWarps];
};

class Solver {
 public:
  // `partial` has room for sums_of(levels) sums of each block.
  __device__ Solver(const MattingLevels& levels, const ListedLevel& listed, double* partial,
                    SolverShared& shared)
      : last_(levels.count - 1), listed_(listed), partial_(partial), shared_(shared) {
    if (const int l = static_cast<int>(threadIdx.x); l <= last_) {
      const MattingLevel& level = levels.level[l];
      shared.level[l] = {level, level.counts[kCoreList], level.counts[kWideList]};
    }
    __syncthreads();
    first_alone_ = levels.count;
    while (first_alone_ > 0 && level(first_alone_ - 1).cores <= kAloneTiles) --first_alone_;
  }

  // From the operators of all levels to the solution of the finest. Levels from prior_level on have
  // a prior.
  __device__ MattingSummary run(const MattingSchedule& schedule, int prior_level) {
    MattingSummary reached;
    const auto descend = [&](int from, int to) {
      for (int l = from; l >= to; --l) {
        start_from_coarser(l);
        smoothing_ = l == 0 ? schedule.finest_smoothing : schedule.smoothing;
        solve(l, l == 0 ? schedule.finest_steps : schedule.steps, l == 0 ? schedule.tolerance : 0.0,
              reached);
        clip(l);
      }
    };
    find_scales();
    add_priors(prior_level);
    by_first_block(true, [&] { list_coarsest(); });
    is_listed_ = *listed_.count > 0;
    by_first_block(first_alone_ <= last_ || is_listed_, [&] {
      solve_coarsest(kSolution, kMattingStartSteps, kMattingStartTolerance, reached);
      clip(last_);
      descend(last_ - 1, first_alone_);
    });
    descend(first_alone_ < last_ ? first_alone_ - 1 : last_ - 1, 0);
    reached.levels = last_ + 1;
    return reached;
  }

 private:
  // ---- who works on what

  __device__ const SolverLevel& level(int l) const { return shared_.level[l]; }
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

  // body(tile) for the tiles of a list, a block a tile. The first tile is that of block `start`.
  template <class Body>
  __device__ void for_tiles(const MattingLevel& at, const TileRecord* list, int count, int start,
                            const Body& body) const {
    const int block = alone_ ? 0 : static_cast<int>(blockIdx.x), turn = start % blocks();
    for (int i = block < turn ? block - turn + blocks() : block - turn; i < count; i += blocks())
      body(Tile(at, list[i]));
  }
  template <class Body>
  __device__ void for_core(const SolverLevel& at, const Body& body) const {
    for_tiles(at, at.core, at.cores, 0, body);
  }
  template <class Body>
  __device__ void for_wide(const SolverLevel& at, const Body& body) const {
    for_tiles(at, at.wide, at.wides, 0, body);
  }

  // body(l, tile) for the tiles of levels from .. to - 1, shared out to the blocks as if they were
  // one list.
  template <class Body>
  __device__ void for_core_of(int from, int to, const Body& body) const {
    for (int l = from, start = 0; l < to; start += level(l++).cores)
      for_tiles(level(l), level(l).core, level(l).cores, start,
                [&](const Tile& tile) { body(l, tile); });
  }
  template <class Body>
  __device__ void for_wide_of(int from, int to, const Body& body) const {
    for (int l = from, start = 0; l < to; start += level(l++).wides)
      for_tiles(level(l), level(l).wide, level(l).wides, start,
                [&](const Tile& tile) { body(l, tile); });
  }

  // ---- sums

  struct Sums {
    double a, b;
  };

  // Sums over all threads that work. A barrier, too.
  __device__ __noinline__ Sums add_up(double a, double b) {
    Sums sums = add_up_block(a, b);
    if (alone_) return sums;                           // turn_ stays: the other blocks' does
    double* parts = partial_ + turn_ * 2 * gridDim.x;  // in turns, too
    turn_ ^= 1;
    if (threadIdx.x == 0) put_part(parts, sums);
    barrier();
    return add_up_parts(parts);
  }
  // Sums over the block.
  __device__ Sums add_up_block(double a, double b) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      a += __shfl_xor_sync(~0u, a, step);
      b += __shfl_xor_sync(~0u, b, step);
    }
    double (&sums)[2][kWarps] = shared_.sums[block_turn_];
    block_turn_ ^= 1;
    if (threadIdx.x % 32 == 0) {
      sums[0][threadIdx.x / 32] = a;
      sums[1][threadIdx.x / 32] = b;
    }
    __syncthreads();
    a = b = 0.0;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      a += sums[0][warp];
      b += sums[1][warp];
    }
    return {a, b};
  }
  // This block's sums among those of all blocks.
  __device__ void put_part(double* parts, const Sums& sums) const {
    parts[blockIdx.x] = sums.a;
    parts[gridDim.x + blockIdx.x] = sums.b;
  }
  __device__ Sums add_up_parts(const double* parts) {
    double a = 0.0, b = 0.0;
    for (unsigned i = threadIdx.x; i < gridDim.x; i += kTilePixels) {
      a += parts[i];
      b += parts[gridDim.x + i];
    }
    return add_up_block(a, b);
  }

  // ---- the operator

  // (A v) of this thread's pixel: 25 products. `value` gives v by the place in a plane.
  template <class Value>
  __device__ float apply_to(const MattingLevel& at, const Tile& tile, const Value& value) {
    shared_.neighbours.load(at, tile);
    load_halo<2>(shared_.neighbours, shared_.scratch.vector, value);
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

  __device__ float apply(const MattingLevel& at, const Tile& tile, const float* v) {
    return apply_to(at, tile, [=](std::ptrdiff_t place) { return v[place]; });
  }

  // out = A v on the whole level; returns v . A v.
  __device__ __noinline__ double apply_all(const SolverLevel& at, const float* v, float* out) {
    double curved = 0.0;
    for_core(at, [&](const Tile& tile) {
      const float product = apply(at, tile, v);
      out[tile.lane] = product;
      curved += double{product * v[tile.lane]};
    });
    return add_up(curved, 0.0).a;
  }

  // ---- smoothing

  // Chebyshev steps for A z = rhs; from zero, or from z.
  __device__ __noinline__ void smooth(int l, bool from_zero) {
    from_zero ? smooth_zero(l) : smooth_more(l);
  }
  // From zero the first step is known at every pixel without its neighbours: the second one takes
  // it along.
  __device__ void smooth_zero(int l) {
    const SolverLevel& at = level(l);
    const float *b = at.plane(kRhs), *inverse = at.plane(kInverse);
    float *z = at.plane(kZ), *r = at.plane(kQ), *next = at.plane(kOld);
    const auto first = [=](std::ptrdiff_t place) {
      return b[place] * inverse[place] / ChebyshevSteps::kTheta;
    };
    ChebyshevSteps chebyshev;
    chebyshev.next();
    for_core(at, [&](const Tile& tile) {
      const float direction = first(tile.lane);
      if (smoothing_ == 1) {
        z[tile.lane] = direction;
        return;
      }
      const float scaled = inverse[tile.lane];
      const float rest = b[tile.lane] * scaled - apply_to(at, tile, first) * scaled;
      const float ahead = chebyshev.keep * direction + chebyshev.take * rest;
      z[tile.lane] = direction + (smoothing_ == 2 ? ahead : 0.0f);
      r[tile.lane] = rest;
      next[tile.lane] = ahead;
    });
    barrier();
    take_steps(at, 2, chebyshev, next, at.plane(kP));
  }
  __device__ void smooth_more(int l) {
    const SolverLevel& at = level(l);
    const float *b = at.plane(kRhs), *inverse = at.plane(kInverse);
    float *z = at.plane(kZ), *r = at.plane(kQ), *p = at.plane(kP);
    for_core(at, [&](const Tile& tile) {
      const float rest = (b[tile.lane] - apply(at, tile, z)) * inverse[tile.lane];
      r[tile.lane] = rest;
      p[tile.lane] = rest / ChebyshevSteps::kTheta;  // z is read by neighbours still
    });
    barrier();
    if (smoothing_ == 1) {
      for_core(at, [&](const Tile& tile) { z[tile.lane] += p[tile.lane]; });
      barrier();
    }
    take_steps(at, 1, {}, p, at.plane(kOld));
  }
  // The steps from `step` on, the first of them in direction p.
  __device__ void take_steps(const SolverLevel& at, int step, ChebyshevSteps chebyshev, float* p,
                             float* next) {
    const float* inverse = at.plane(kInverse);
    float *z = at.plane(kZ), *r = at.plane(kQ);
    for (; step < smoothing_; ++step) {
      chebyshev.next();
      const bool last = step + 1 == smoothing_;
      for_core(at, [&](const Tile& tile) {
        const float rest = r[tile.lane] - apply(at, tile, p) * inverse[tile.lane];
        const float direction = p[tile.lane];
        const float ahead = chebyshev.keep * direction + chebyshev.take * rest;
        z[tile.lane] += direction + (last ? ahead : 0.0f);
        r[tile.lane] = rest;
        next[tile.lane] = ahead;
      });
      barrier();
      float* const swapped = p;
      p = next;
      next = swapped;
    }
  }

  // ---- the coarsest level

  // Lists the unknown pixels of the coarsest level, if there is room. By the first block.
  __device__ __noinline__ void list_coarsest() {
    const SolverLevel& at = level(last_);
    const int pitch = at.width + 4;
    int count = 0;
    for (int i = 0; i < at.cores; ++i) {
      const Tile tile(at, at.core[i]);
      shared_.neighbours.load(at, tile);
      const bool unknown = at.plane(kInverse)[tile.lane] > 0.0f;
      int all;
      const int place = count + rank_in_block(unknown, shared_.ranks, all);
      count += all;
      if (!unknown || place >= kMostListed) continue;
      listed_.places[place] = static_cast<int>(tile.lane);
      listed_.cells[place] = (tile.y + 2) * pitch + tile.x + 2;
      list_row(at, tile, place);
    }
    const std::ptrdiff_t cells = std::ptrdiff_t{at.height + 4} * pitch;
    const bool fits = count <= kMostListed && cells <= kMostCells;
    if (threadIdx.x == 0) *listed_.count = fits ? count : 0;
    __syncthreads();
  }
  __device__ void list_row(const MattingLevel& at, const Tile& tile, int place) const {
    const int y = static_cast<int>(threadIdx.x) / kTile, x = static_cast<int>(threadIdx.x) % kTile;
    const auto put = [&](int dy, int dx, float value) {
      listed_.coefficients[((dy + 2) * 5 + dx + 2) * kMostListed + place] = value;
    };
    put(0, 0, at.plane(kStencil)[tile.lane]);
#pragma unroll
    for (int d = 1; d < kMattingOffsets; ++d) {
      const int dy = matting_offset_dy(d), dx = matting_offset_dx(d);
      const float* plane = at.plane(kStencil + d);
      put(dy, dx, plane[tile.lane]);
      put(-dy, -dx, plane[shared_.neighbours.at(y - dy, x - dx)]);
    }
  }

  // body(which of the thread's pixels, its place in the list) for the listed pixels of this thread.
  template <class Body>
  __device__ void for_listed(int count, const Body& body) const {
#pragma unroll
    for (int j = 0; j < kListedEach; ++j)
      if (const int i = j * kTilePixels + static_cast<int>(threadIdx.x); i < count) body(j, i);
  }

  // As solve_coarsest, by the first block.
  __device__ __noinline__ void solve_listed(int out, int most, double tolerance,
                                            MattingSummary& reached) {
    const SolverLevel& at = level(last_);
    const int count = *listed_.count, pitch = at.width + 4;
    float* cells = shared_.scratch.cells;
    __syncthreads();  // the scratch is free
    for (int i = static_cast<int>(threadIdx.x); i < (at.height + 4) * pitch; i += kTilePixels)
      cells[i] = 0.0f;
    float x[kListedEach] = {}, r[kListedEach] = {}, p[kListedEach] = {}, ap[kListedEach] = {};
    double energy = 0.0;
    for_listed(count, [&](int j, int i) {
      const int place = listed_.places[i];
      r[j] = at.plane(kRhs)[place];
      p[j] = r[j] * at.plane(kInverse)[place];
      energy += double{r[j] * p[j]};
    });
    const double start = add_up_block(energy, 0.0).a, goal = start * tolerance * tolerance;
    double rz = start;
    int step = 0;
    for (; step < most && rz > goal; ++step) {
      for_listed(count, [&](int j, int i) { cells[listed_.cells[i]] = p[j]; });
      __syncthreads();
      double curved = 0.0;
      for_listed(count, [&](int j, int i) {
        const float* v = cells + listed_.cells[i];
        float sum = 0.0f;
#pragma unroll
        for (int k = 0; k < kStencilPixels; ++k)
          sum += listed_.coefficients[k * kMostListed + i] * v[(k / 5 - 2) * pitch + k % 5 - 2];
        ap[j] = sum;
        curved += double{sum * p[j]};
      });
      const double curvature = add_up_block(curved, 0.0).a;
      if (!(curvature > 0.0) || !(rz > 0.0)) break;
      const auto alpha = static_cast<float>(rz / curvature);
      energy = 0.0;
      for_listed(count, [&](int j, int i) {
        x[j] += alpha * p[j];
        r[j] -= alpha * ap[j];
        ap[j] = r[j] * at.plane(kInverse)[listed_.places[i]];
        energy += double{r[j] * ap[j]};
      });
      const double now = add_up_block(energy, 0.0).a;
      const auto beta = static_cast<float>(now / rz);
      rz = now;
      for_listed(count, [&](int j, int) { p[j] = ap[j] + beta * p[j]; });
    }
    for_listed(count, [&](int j, int i) { at.plane(out)[listed_.places[i]] = x[j]; });
    __syncthreads();
    reached.iterations = step;
    reached.residual = start > 0.0 ? sqrt(rz / start) : 0.0;
  }

  // Conjugate gradients with the diagonal as preconditioner, from zero, for A out = rhs.
  __device__ __noinline__ void solve_coarsest(int out, int most, double tolerance,
                                              MattingSummary& reached) {
    if (is_listed_) return solve_listed(out, most, tolerance, reached);
    const SolverLevel& at = level(last_);
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
    const double start = add_up(energy, 0.0).a, goal = start * tolerance * tolerance;
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
      const double now = add_up(energy, 0.0).a;
      const auto beta = static_cast<float>(now / rz);
      rz = now;
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

  // Fits plane v by linear models in the windows of a tile: kModel.
  __device__ void fit_windows(const MattingLevel& at, const Tile& tile, int v) {
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
  }
  // Averages the models of the windows over each pixel of a tile: kSmooth.
  __device__ void average_windows(const MattingLevel& at, const Tile& tile) {
    load_models(at, tile, kModel);
    const float weight = window_weight(at, tile);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      at.plane(kSmooth + j)[tile.lane] = box_sum(shared_.scratch.models[j]) * weight;
  }
  // Both, on level l.
  __device__ __noinline__ void fit_models(int l, int v) {
    const SolverLevel& at = level(l);
    for_wide(at, [&](const Tile& tile) { fit_windows(at, tile, v); });
    barrier();
    for_wide(at, [&](const Tile& tile) { average_windows(at, tile); });
    barrier();
  }

  // out(place, value of the coarser level's models on the image of level l) for the unknown pixels
  // of a tile.
  template <class Out>
  __device__ void evaluate_models(int l, const Tile& tile, const Out& out) {
    constexpr int kSide = kTile / 2 + 2;
    const MattingLevel &at = level(l), &coarse = level(l + 1);
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
  }
  template <class Out>
  __device__ void evaluate_models(int l, const Out& out) {
    for_core(level(l), [&](const Tile& tile) { evaluate_models(l, tile, out); });
    barrier();
  }

  // The adjoint of both: kRhs of the coarser level from kQ of level l.
  __device__ __noinline__ void restrict_residual(int l) {
    const SolverLevel &at = level(l), &coarse = level(l + 1);
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
    const int end = !alone_ && first_alone_ < last_ ? first_alone_ : last_;
    go_down(l, end);
    by_first_block(first_alone_ <= last_ || is_listed_, [&] {
      go_down(end, last_);
      MattingSummary ignored;
      solve_coarsest(kZ, kMattingCoarsestSteps, kMattingCoarsestTolerance, ignored);
      go_up(last_, end);
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
    const SolverLevel& at = level(l);
    const float *b = at.plane(kRhs), *from = at.plane(v);
    float* to = at.plane(out);
    for_core(at, [&](const Tile& tile) { to[tile.lane] = b[tile.lane] - apply(at, tile, from); });
    barrier();
  }

  __device__ void copy_plane(const SolverLevel& at, int from, int to) {
    for_core(at, [&](const Tile& tile) { at.plane(to)[tile.lane] = at.plane(from)[tile.lane]; });
    barrier();
  }

  // Flexible (Polak-Ribiere) conjugate gradients on level l, preconditioned by V-cycles. The
  // residual takes the place of the right-hand side. A solve with a tolerance keeps the solution of
  // the smallest residual: where float does not resolve the equations it may grow again.
  __device__ __noinline__ void solve(int l, int steps, double tolerance, MattingSummary& reached) {
    const SolverLevel& at = level(l);
    float *x = at.plane(kSolution), *r = at.plane(kRhs), *z = at.plane(kZ);
    float *p = at.plane(kDirection), *ap = at.plane(kProduct);
    double given = 0.0, rest = 0.0;
    for_core(at, [&](const Tile& tile) {
      const float b = r[tile.lane], left = b - apply(at, tile, x);
      r[tile.lane] = left;
      given += double{b * b};
      rest += double{left * left};
    });
    const Sums squares = add_up(given, rest);
    const double norm = sqrt(squares.a);
    double size = sqrt(squares.b), best = size, rz = 0.0, last_alpha = 0.0;
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
      const Sums sums = add_up(product, energy);
      // (r - r_old) . z = -alpha_old (A p_old) . z
      const auto beta = static_cast<float>(step ? -last_alpha * sums.a / rz : 0.0);
      rz = sums.b;
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
      size = sqrt(add_up(rest, 0.0).a);
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

  // Adds weight (alpha - target / weight)^2 to the energy of the levels from `first` on.
  __device__ __noinline__ void add_priors(int first) {
    if (first > last_) return;
    for_core_of(first, last_ + 1, [&](int l, const Tile& tile) {
      const MattingLevel& at = level(l);
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
    const SolverLevel& coarse = level(l + 1);
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

  // ---- scales of the coarse operators

  // How much more energy each level sees in a smooth function of the next coarser one than that
  // does. Of all levels at once, so that they share the barriers.
  __device__ __noinline__ void find_scales() {
    const int levels = last_ + 1;
    if (last_ == 0) return;
    for_core_of(1, levels, [&](int l, const Tile& tile) {
      const bool unknown = level(l).plane(kInverse)[tile.lane] > 0.0f;
      level(l).plane(kZ)[tile.lane] = unknown ? matting_noise(tile.y, tile.x) : 0.0f;
    });
    barrier();
    static_assert(kMattingScaleSteps % 2 == 0);  // so that the result is in kZ
    for (int step = 0; step < kMattingScaleSteps; ++step) {
      const int from = step % 2 ? kP : kZ, to = step % 2 ? kZ : kP;
      for_core_of(1, levels, [&](int l, const Tile& tile) {
        const MattingLevel& at = level(l);
        const float* v = at.plane(from);
        at.plane(to)[tile.lane] = v[tile.lane] - apply(at, tile, v) * at.plane(kInverse)[tile.lane];
      });
      barrier();
    }
    for_wide_of(1, levels, [&](int l, const Tile& tile) { fit_windows(level(l), tile, kZ); });
    barrier();
    for_wide_of(1, levels, [&](int l, const Tile& tile) { average_windows(level(l), tile); });
    barrier();
    for_core_of(0, last_, [&](int l, const Tile& tile) {  // the solution is not there yet
      float* w = level(l).plane(kSolution);
      evaluate_models(l, tile, [=](std::ptrdiff_t lane, float value) { w[lane] = value; });
    });
    barrier();
    const auto energy = [&](const SolverLevel& at, int v, int start) {
      double sum = 0.0;
      const float* values = at.plane(v);
      for_tiles(at, at.core, at.cores, start, [&](const Tile& tile) {
        sum += double{values[tile.lane] * apply(at, tile, values)};
      });
      return sum;
    };
    for (int l = 0, start = 0; l < last_; ++l) {
      const double coarse = energy(level(l + 1), kZ, start);
      start += level(l + 1).cores;
      const double fine = energy(level(l), kSolution, start);
      start += level(l).cores;
      const Sums sums = add_up_block(coarse, fine);
      if (threadIdx.x == 0) put_part(parts_of(l), sums);
    }
    barrier();
    for (int l = static_cast<int>(blockIdx.x); l < last_; l += static_cast<int>(gridDim.x)) {
      const Sums sums = add_up_parts(parts_of(l));
      const bool positive = sums.a > 0.0 && sums.b > 0.0;
      if (threadIdx.x == 0) *level(l).scale = positive ? static_cast<float>(sums.b / sums.a) : 1.0f;
    }
    barrier();
  }
  // Behind the sums that take turns.
  __device__ double* parts_of(int l) const { return partial_ + (4 + 2 * l) * gridDim.x; }

  const int last_;  // level
  const ListedLevel& listed_;
  double* partial_;
  SolverShared& shared_;
  int smoothing_ = 0, first_alone_ = 0, turn_ = 0, block_turn_ = 0;
  bool alone_ = false, is_listed_ = false;
};

// Sums that each block has room for.
constexpr int sums_of(int levels) {
  return 4 + 2 * levels;
}

__global__ void __launch_bounds__(kTilePixels, 2)
    solve_kernel(const __grid_constant__ MattingLevels levels,
                 const __grid_constant__ ListedLevel listed, MattingSchedule schedule,
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
    const MattingSummary solved =
        Solver(levels, listed, partial, shared).run(schedule, prior_level);
    result.iterations = solved.iterations;
    result.residual = solved.residual;
    result.levels = solved.levels;
  }
  for (int i = blockIdx.x; i < finest.counts[kCoreList]; i += gridDim.x) {
    const Tile tile(finest, finest.core[i]);
    if (tile.y >= finest.height || tile.x >= finest.width) continue;
    if (finest.classes[std::ptrdiff_t{tile.y} * finest.width + tile.x] == kTrimapUnknown)
      alpha.row(tile.y)[tile.x] = solvable ? finest.plane(kSolution)[tile.lane] : constant;
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) *summary = result;
}

}  // namespace
}  // namespace trimatte::cuda

// Closed-form matting on the CPU, on the unknown band only, by full multigrid.
//
// Each level keeps the matting Laplacian of its own image as a symmetric 5x5 stencil (13 floats a
// pixel). A coarse function is carried to the finer level by its local linear model: a and b of
// alpha = a . I + b are fitted in 3x3 windows, averaged, interpolated, and evaluated on the finer
// image (the adjoint of it restricts). Levels are smoothed by Chebyshev polynomials, which need no
// reductions; conjugate gradients wrap the V-cycle. Sums are of double, everything else is float.
// Large images are solved as a whole on a coarse level only, and in tiles on the finer ones.
#define TRIMATTE_THIS_FILE "cpu/matting.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/matting_levels.hpp"
#include "cpu/matting_monitor.hpp"
#include "cpu/matting_prior.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/mask_prior.hpp"
#include "pixel/matting.hpp"
#include "pixel/trimap.hpp"

TRIMATTE_TARGET_BEGIN

#include "cpu/matting_operator-inl.hpp"
#include "cpu/matting_cycle-inl.hpp"

// Blocks, operators and models of all levels; of the finest, what depends on who is known is left.
template <class T>
std::vector<Level> set_up(const ImageView<const T>& image, const Pyramid& pyramid, bool keep_best,
                          std::size_t finest, const Monitor& monitor) {
  std::vector<Level> levels(pyramid.size());
  for (std::size_t l = 0; l < levels.size(); ++l)
    monitor.time(finest + l, [&] {
      Level& level = levels[l];
      lay_out(pyramid[l], level);
      level.arena = Arena(level.lanes(), l == 0 ? Level::kPlanes : Level::kCoarsePlanes);
      if (l == 0) {
        fill_blocks(level, pyramid[l], image);
        build_stencil(level, finest == 0 ? kMattingEpsilon : kMattingCoarseEpsilon);
        if (keep_best) level.best = take_vector(level);
        return;
      }
      fill_blocks(level, pyramid[l], pyramid[l].colors());
      build_stencil(level, kMattingCoarseEpsilon);
      finish_operator(level);
      build_models(level, kMattingModelEpsilon);
      link_levels(levels[l - 1], level);
      find_coarse_scale(levels[l - 1], level);
    });
  return levels;
}

void add_prior(const Prior& prior, Level& level) {
  for_blocks(level.core, [&](auto, std::int32_t b) {
    const auto k = static_cast<std::size_t>(b);
    const std::ptrdiff_t x0 = level.x[k] * std::ptrdiff_t{kLanes};
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(kLanes, level.width - x0));
    for (int i = 0; i < count; ++i) {
      const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes} + i;
      if (level.unknown_mask[at] == 0.0f) continue;
      const std::ptrdiff_t from = level.y[k] * level.width + x0 + i;
      const float weight = prior.weight[from];
      level.stencil[at] += weight;  // the first plane is the diagonal
      level.inverse_diagonal[at] /= 1.0f + weight * level.inverse_diagonal[at];
      level.rhs[at] += prior.target[from];
    }
  });
}

// Adds the priors to their level and the coarser ones, if the pyramid goes down to it; a mask's to
// the finer ones as well, which would tear again what it holds together.
void add_priors(const Pyramid& pyramid, std::size_t at, bool samples,
                const ImageView<const float>& mask, std::vector<Level>& levels, std::size_t finest,
                const Monitor& monitor) {
  if (at >= levels.size() || !(samples || mask.data)) return;
  Prior prior;
  monitor.time(finest + at, [&] {
    prior = no_prior(pyramid[at]);
    if (mask.data) {
      lean_on_mask(pyramid[at], mask, prior);
      float share = 1.0f;
      for (std::size_t l = at; l-- > 0;) {
        share *= kMaskFinerShare;
        add_prior(enlarged(prior, pyramid[at], pyramid[l], share), levels[l]);
      }
    }
    if (samples) add_samples(pyramid[at], prior);
    add_prior(prior, levels[at]);
  });
  for (std::size_t l = at + 1; l < levels.size(); ++l)
    monitor.time(finest + l, [&] {
      prior = halved(prior, pyramid[l - 1], pyramid[l]);
      add_prior(prior, levels[l]);
    });
}

Effort effort_of(const MattingSchedule& schedule, bool is_finest) {
  return is_finest ? Effort{schedule.finest_steps, schedule.finest_smoothing, schedule.tolerance}
                   : Effort{schedule.steps, schedule.smoothing, 0.0};
}

void write_solution(const Level& level, const ImageView<float>& alpha) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const auto k = static_cast<std::size_t>(block);
    float* out = alpha.row(level.y[k]) + level.x[k] * std::ptrdiff_t{kLanes};
    for (int i = 0; i < kLanes; ++i) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes} + i;
      if (level.unknown_mask[at] > 0.0f) out[i] = level.solution[at];
    }
  });
}

// The whole of an image, or of level `finest` of one.
template <class T>
void solve_whole(const ImageView<const T>& image, const Pyramid& pyramid,
                 const ImageView<const float>& mask, std::size_t finest,
                 const MattingOptions& options, double share, const ImageView<float>& alpha,
                 MattingInfo& info) {
  const MattingSchedule schedule = matting_schedule(options.quality);
  const Monitor monitor(options, info, 0.0, share);
  const bool converges = finest == 0 && schedule.converges();
  std::vector<Level> levels = set_up(image, pyramid, converges, finest, monitor);
  finish_operator(levels[0]);
  const auto prior_at = static_cast<std::size_t>(matting_prior_level(image.height, image.width));
  const ImageView<const float> no_mask{};
  add_priors(pyramid, prior_at, schedule.prior, schedule.converges() ? no_mask : mask, levels,
             finest, monitor);
  monitor.report(0.3);
  const std::size_t last = levels.size() - 1;
  monitor.time(finest + last, [&] {
    info.iterations = solve_coarsest(levels[last], levels[last].rhs, levels[last].solution,
                                     kMattingStartSteps, kMattingStartTolerance, info.residual);
    clip_solution(levels[last]);
  });
  for (std::size_t l = last; l-- > 0;)
    monitor.time(finest + l, [&] {
      Level &level = levels[l], &coarse = levels[l + 1];
      start_from(
          coarse,
          [&](std::int32_t b) {
            const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes};
            return load(coarse.known + at) + load(coarse.solution + at);
          },
          level);
      const Effort effort = effort_of(schedule, finest + l == 0);
      solve(levels, l, effort, info, [&](int step) {
        const double done = static_cast<double>(step) / effort.steps;
        monitor.report(1.0 - std::pow(0.5, static_cast<double>(last - l - 1) + done) * 0.7 *
                                 (l == 0 ? 1.0 - done : 1.0));
      });
      clip_solution(level);
    });
  info.levels = static_cast<int>(finest + levels.size());
  write_solution(levels[0], alpha);
  monitor.report(1.0);
}

void hold_edges(Level& level, const MattingTile& tile) {
  constexpr std::ptrdiff_t kHeld = 2;  // pixels, the reach of the stencil
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const auto k = static_cast<std::size_t>(block);
    const std::ptrdiff_t y = level.y[k];
    const bool in_row =
        (tile.cut_top() && y < kHeld) || (tile.cut_bottom() && y >= level.height - kHeld);
    for (int i = 0; i < kLanes; ++i) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes} + i;
      const std::ptrdiff_t x = level.x[k] * std::ptrdiff_t{kLanes} + i;
      const bool held = in_row || (tile.cut_left() && x < kHeld) ||
                        (tile.cut_right() && x >= level.width - kHeld);
      if (!held || level.unknown_mask[at] == 0.0f) continue;
      level.known[at] = level.solution[at];
      level.solution[at] = level.unknown_mask[at] = 0.0f;
    }
  });
}

// Adds the tile's share of the unknown pixels' alpha, held ones included; `alpha` is of the region.
void add_share(const Level& level, const DenseLevel& dense, const MattingTile& tile,
               const ImageView<float>& alpha) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const auto k = static_cast<std::size_t>(block);
    const std::ptrdiff_t y = level.y[k], x0 = level.x[k] * std::ptrdiff_t{kLanes};
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(kLanes, level.width - x0));
    for (int i = 0; i < count; ++i) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes} + i, x = x0 + i;
      if (dense.trimap[y * level.width + x] != kTrimapUnknown) continue;
      const float solved = level.unknown_mask[at] > 0.0f ? level.solution[at] : level.known[at];
      float& out = alpha.row(y)[x];
      out = std::min(1.0f, out + tile.share(tile.region.top + y, tile.region.left + x) * solved);
    }
  });
}

template <class T>
void solve_tile(const ImageView<const T>& image, const Pyramid& pyramid, std::size_t finest,
                const MattingTile& tile, const ImageView<const float>& coarse_alpha,
                const MattingSchedule& schedule, const Monitor& monitor,
                const ImageView<float>& alpha, MattingInfo& info) {
  const bool converges = finest == 0 && schedule.converges();
  std::vector<Level> levels = set_up(image, pyramid, converges, finest, monitor);
  monitor.time(finest, [&] {
    Level &level = levels[0], &coarse = levels[1];
    start_from(
        coarse,
        [&](std::int32_t b) {
          const auto k = static_cast<std::size_t>(b);
          const std::ptrdiff_t y = coarse.y[k], x0 = coarse.x[k] * std::ptrdiff_t{kLanes};
          FloatLanes v{};
          if (y < 0 || x0 < 0) return v;
          const float* row = coarse_alpha.row(y);
          for (int i = 0; i < kLanes; ++i) v[i] = x0 + i < coarse.width ? row[x0 + i] : 0.0f;
          return v;
        },
        level);
    hold_edges(level, tile);
    finish_operator(level);
    MattingSummary reached;
    solve(levels, 0, effort_of(schedule, finest == 0), reached, [](int) {});
    clip_solution(level);
    if (finest == 0) {
      info.iterations = std::max(info.iterations, reached.iterations);
      info.residual = std::max(info.residual, reached.residual);
    }
    add_share(level, pyramid[0], tile, alpha);
  });
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
  dense.trimap = WorkArray<std::uint8_t>(trimap.pixels());
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
      if (dense.trimap[y * alpha.width + x] == kTrimapUnknown) alpha.row(y)[x] = value;
}

// The part of an image that a rectangle covers.
template <class T>
ImageView<T> part_of(const ImageView<T>& image, const Rectangle& at) {
  ImageView<T> part = image;
  part.data = image.row(at.top) + at.left * image.channels;
  part.height = at.bottom - at.top;
  part.width = at.right - at.left;
  return part;
}

bool has_unknown(const ImageView<const std::uint8_t>& classes) {
  for (std::ptrdiff_t y = 0; y < classes.height; ++y)
    if (std::memchr(classes.row(y), kTrimapUnknown, static_cast<std::size_t>(classes.width)))
      return true;
  return false;
}

DenseLevel copy_classes(const ImageView<const std::uint8_t>& classes) {
  DenseLevel dense;
  dense.height = classes.height;
  dense.width = classes.width;
  dense.trimap = WorkArray<std::uint8_t>(dense.pixels());
  for (std::ptrdiff_t y = 0; y < dense.height; ++y)
    std::copy_n(classes.row(y), dense.width, dense.trimap.data() + y * dense.width);
  return dense;
}

// One level of a large image, from the alpha of the next coarser one.
template <class T>
void solve_level(const ImageView<const T>& image, const DenseLevel& dense, std::size_t at,
                 const ImageView<const float>& coarse_alpha, const MattingOptions& options,
                 double from, double to, const ImageView<float>& alpha, MattingInfo& info) {
  const std::ptrdiff_t rows = (dense.height + kMattingTile - 1) / kMattingTile;
  const std::ptrdiff_t columns = (dense.width + kMattingTile - 1) / kMattingTile;
  const MattingSchedule schedule = matting_schedule(options.quality);
  const Monitor monitor(options, info, from, to);
  for (std::ptrdiff_t i = 0; i < rows * columns; ++i) {
    const MattingTile tile(i / columns * kMattingTile, i % columns * kMattingTile, dense.height,
                           dense.width);
    const Rectangle& region = tile.region;
    const ImageView<const std::uint8_t> classes = part_of(dense.classes(), region);
    if (has_unknown(classes)) {
      const ImageView<const T> pixels = part_of(image, region);
      Pyramid pyramid;
      pyramid.push_back(copy_classes(classes));
      add_levels(pixels, pyramid);
      const Rectangle coarse{region.top / 2, region.left / 2, (region.bottom + 1) / 2,
                             (region.right + 1) / 2};
      TRIMATTE_CALL(solve_tile<T>)
      (pixels, pyramid, at, tile, part_of(coarse_alpha, coarse), schedule, monitor,
       part_of(alpha, region), info);
    }
    monitor.report(static_cast<double>(i + 1) / static_cast<double>(rows * columns));
  }
}

// Alpha of a coarse level as an image of its own; known pixels are set.
struct LevelAlpha {
  WorkArray<float> memory;
  ImageView<float> view;

  explicit LevelAlpha(const DenseLevel& dense) : memory(dense.pixels()) {
    view = {memory.data(), dense.height, dense.width, 1, dense.width * 4};
    for (std::ptrdiff_t i = 0; i < dense.pixels(); ++i)
      memory[i] = dense.trimap[i] == kTrimapForeground ? 1.0f : 0.0f;
  }
};

// A level of bounded size is solved as a whole, the finer ones tile by tile.
template <class T>
void solve_large(const ImageView<const T>& image, Pyramid& pyramid,
                 const ImageView<const float>& mask, const ImageView<float>& alpha,
                 const MattingOptions& options, MattingInfo& info) {
  std::size_t whole = 0;
  while (whole + 1 < pyramid.size() && pyramid[whole].pixels() > options.whole_pixels / 2) ++whole;
  const Pyramid rest(std::make_move_iterator(pyramid.begin() + static_cast<std::ptrdiff_t>(whole)),
                     std::make_move_iterator(pyramid.end()));
  LevelAlpha coarse(rest[0]);
  constexpr double kCoarseShare = 0.1;
  TRIMATTE_CALL(solve_whole<float>)
  (rest[0].colors(), rest, mask, whole, options, kCoarseShare, coarse.view, info);
  info.iterations = 0;  // the finest level's are wanted
  info.residual = 0.0;
  double done = kCoarseShare;
  for (std::size_t l = whole; l-- > 0;) {
    const double next = l == 0 ? 1.0 : done + (1.0 - done) * std::pow(0.25, static_cast<double>(l));
    if (l == 0) {
      solve_level(image, pyramid[l], l, coarse.view, options, done, next, alpha, info);
    } else {
      LevelAlpha here(pyramid[l]);
      solve_level(pyramid[l].colors(), pyramid[l], l, coarse.view, options, done, next, here.view,
                  info);
      coarse = std::move(here);
    }
    done = next;
  }
}

// Whether a mask has a say in an image of this size, whose pyramid has so many levels.
bool leans(const ImageView<const float>& mask, std::ptrdiff_t height, std::ptrdiff_t width,
           MattingQuality quality, std::size_t levels) {
  return mask.data && !matting_schedule(quality).converges() &&
         static_cast<std::size_t>(matting_prior_level(height, width)) < levels;
}

// Images thinner than a window are solved with their rows or columns repeated.
template <class T>
void solve_repeated(const ImageView<const T>& image, const ImageView<const std::uint8_t>& trimap,
                    const ImageView<const float>& mask, const ImageView<float>& alpha,
                    const MattingOptions& options, MattingInfo& info) {
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
                                      {classes.data(), height, width, 1, width}, mask,
                                      {solved.data(), height, width, 1, width * 4}, options, &info,
                                      Stream{});
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    for (std::ptrdiff_t x = 0; x < image.width; ++x)
      alpha.row(y)[x] = solved[static_cast<std::size_t>(y * width + x)];
}

}  // namespace

template <DeviceKind D, class T>
void estimate_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                    ImageView<const float> mask, ImageView<float> alpha,
                    const MattingOptions& options, MattingInfo* wanted, Stream) {
  MattingInfo ignored;
  MattingInfo& info = wanted ? *wanted : ignored;
  info = {};
  if (image.empty()) return;
  Pyramid pyramid(1);
  const Classes classes = classify(trimap, alpha, pyramid[0]);
  info.unknown = classes.unknown;
  if (classes.unknown == 0) return;
  const bool is_thin = image.height < 3 || image.width < 3;
  if (!is_thin) add_levels(image, pyramid);
  if ((classes.foreground == 0 || classes.background == 0) &&
      !leans(mask, image.height, image.width, options.quality, pyramid.size())) {
    // Without one of the classes, and a mask in its place, the equations hold for a constant.
    fill_unknown(pyramid[0], alpha, classes.foreground ? 1.0f : classes.background ? 0.0f : 0.5f);
  } else if (is_thin) {
    solve_repeated(image, trimap, mask, alpha, options, info);
    info.unknown = classes.unknown;
  } else if (image.pixels() > options.whole_pixels && pyramid.size() > 1) {
    solve_large(image, pyramid, mask, alpha, options, info);
  } else {
    TRIMATTE_CALL(solve_whole<T>)(image, pyramid, mask, 0, options, 1.0, alpha, info);
  }
}

#define TRIMATTE_INSTANTIATE(T)                                                                    \
  template void estimate_alpha<DeviceKind::kCPU, T>(                                               \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<const float>, ImageView<float>, \
      const MattingOptions&, MattingInfo*, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

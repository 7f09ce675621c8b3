// Foreground colours on the CPU: multi-level, Jacobi sweeps, then the projection onto the
// compositing equation. Planes have a border of one repeated pixel, so that the sweeps have no
// special cases.
#define TRIMATTE_THIS_FILE "cpu/foreground.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/plane.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/foreground.hpp"

#if !defined(TRIMATTE_CPU_FOREGROUND_SHARED)
#define TRIMATTE_CPU_FOREGROUND_SHARED
namespace trimatte {

struct ColorLevel {
  std::ptrdiff_t height, width, stride;
  Arena arena;
  Plane alpha, image[3];
  Plane front[3], back[3];  // F and B
  Plane next_front[3], next_back[3];

  ColorLevel(std::ptrdiff_t h, std::ptrdiff_t w) : height(h), width(w), stride(w + 2) {
    const auto size = static_cast<std::size_t>((height + 2) * stride);
    arena = Arena(size, 16);
    alpha = arena.take(size);
    for (Plane* planes : {image, front, back, next_front, next_back})
      for (int c = 0; c < 3; ++c) planes[c] = arena.take(size);
  }
  // First pixel of row y; y = -1 and y = height are the border.
  float* row(const Plane& p, std::ptrdiff_t y) const { return p.get() + (y + 1) * stride + 1; }
};

}  // namespace trimatte
#endif

TRIMATTE_TARGET_BEGIN

void repeat_border(const ColorLevel& level, const Plane& plane) {
  for (std::ptrdiff_t y = 0; y < level.height; ++y) {
    float* row = level.row(plane, y);
    row[-1] = row[0];
    row[level.width] = row[level.width - 1];
  }
  const std::size_t bytes = static_cast<std::size_t>(level.stride) * sizeof(float);
  std::memcpy(level.row(plane, -1) - 1, level.row(plane, 0) - 1, bytes);
  std::memcpy(level.row(plane, level.height) - 1, level.row(plane, level.height - 1) - 1, bytes);
}

template <class T, class A>
void load_level(ColorLevel& level, const ImageView<const T>& image,
                const ImageView<const A>& alpha) {
  parallel_rows(level.height, level.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const T* __restrict from = image.row(y);
      const A* __restrict a = alpha.row(y);
      float* __restrict to = level.row(level.alpha, y);
      for (std::ptrdiff_t x = 0; x < level.width; ++x) to[x] = clip_unit(to_unit(a[x]));
      for (int c = 0; c < 3; ++c) {
        float* __restrict plane = level.row(level.image[c], y);
        if (image.channels == 3) {
          for (std::ptrdiff_t x = 0; x < level.width; ++x) plane[x] = to_unit(from[3 * x + c]);
        } else {
          for (std::ptrdiff_t x = 0; x < level.width; ++x) plane[x] = to_unit(from[4 * x + c]);
        }
      }
    }
  });
}

void halve(const ColorLevel& fine, const Plane& from, const ColorLevel& coarse, const Plane& to) {
  parallel_rows(coarse.height, coarse.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float* __restrict above = fine.row(from, 2 * y);
      const float* __restrict below = fine.row(from, std::min(2 * y + 1, fine.height - 1));
      float* __restrict out = coarse.row(to, y);
      const std::ptrdiff_t whole = fine.width / 2;
      for (std::ptrdiff_t x = 0; x < whole; ++x)
        out[x] = foreground_halved(above[2 * x], above[2 * x + 1], below[2 * x], below[2 * x + 1]);
      if (whole < coarse.width) {
        const float a = above[2 * whole], b = below[2 * whole];
        out[whole] = foreground_halved(a, a, b, b);
      }
    }
  });
}

constexpr int kPiece = 256;  // pixels of a row at a time: their weights stay in L1

// Weights of the four neighbours, of sum 1, and the gains of the error, for a piece of a row.
struct Systems {
  float left[kPiece], right[kPiece], up[kPiece], down[kPiece];
  float front[kPiece], back[kPiece];
};

void set_up_systems(const float* __restrict a, std::ptrdiff_t stride, int count,
                    Systems& __restrict out) {
  for (int i = 0; i < count; ++i) {
    const ForegroundSystem system =
        foreground_system(a[i], a[i - 1], a[i + 1], a[i - stride], a[i + stride]);
    out.left[i] = system.left;
    out.right[i] = system.right;
    out.up[i] = system.up;
    out.down[i] = system.down;
    out.front[i] = system.gain.front;
    out.back[i] = system.gain.back;
  }
}

// One channel of a Jacobi sweep over a piece of a row.
void sweep_piece(const Systems& __restrict w, const float* __restrict alpha,
                 const float* __restrict image, const float* __restrict f,
                 const float* __restrict b, std::ptrdiff_t stride, int count,
                 float* __restrict next_f, float* __restrict next_b) {
  for (int i = 0; i < count; ++i) {
    const ForegroundSystem system{
        w.left[i], w.right[i], w.up[i], w.down[i], {w.front[i], w.back[i]}};
    const float mean_f = foreground_mean(system, f[i - 1], f[i + 1], f[i - stride], f[i + stride]);
    const float mean_b = foreground_mean(system, b[i - 1], b[i + 1], b[i - stride], b[i + stride]);
    foreground_step(system.gain, alpha[i], image[i], mean_f, mean_b, next_f[i], next_b[i]);
  }
}

// One Jacobi sweep over rows: F, B -> next F, next B.
void sweep_rows(const ColorLevel& level, std::ptrdiff_t begin, std::ptrdiff_t end) {
  Systems systems;
  for (std::ptrdiff_t y = begin; y < end; ++y)
    for (std::ptrdiff_t x = 0; x < level.width; x += kPiece) {
      const int count = static_cast<int>(std::min<std::ptrdiff_t>(kPiece, level.width - x));
      const float* alpha = level.row(level.alpha, y) + x;
      set_up_systems(alpha, level.stride, count, systems);
      for (int c = 0; c < 3; ++c)
        sweep_piece(systems, alpha, level.row(level.image[c], y) + x,
                    level.row(level.front[c], y) + x, level.row(level.back[c], y) + x, level.stride,
                    count, level.row(level.next_front[c], y) + x,
                    level.row(level.next_back[c], y) + x);
    }
}

void sweep(ColorLevel& level) {
  for (int c = 0; c < 3; ++c) {
    repeat_border(level, level.front[c]);
    repeat_border(level, level.back[c]);
  }
  parallel_rows(level.height, level.width,
                [&](std::ptrdiff_t begin, std::ptrdiff_t end) { sweep_rows(level, begin, end); });
  for (int c = 0; c < 3; ++c) {
    std::swap(level.front[c], level.next_front[c]);
    std::swap(level.back[c], level.next_back[c]);
  }
}

// Mean of the image where low <= alpha <= high; false if that is nowhere.
bool mean_color(const ColorLevel& level, float low, float high, float (&mean)[3]) {
  std::vector<double> sums(static_cast<std::size_t>(level.height) * 4);
  parallel_rows(level.height, level.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float* a = level.row(level.alpha, y);
      const float* channel[3] = {level.row(level.image[0], y), level.row(level.image[1], y),
                                 level.row(level.image[2], y)};
      float sum[4] = {};
      for (std::ptrdiff_t x = 0; x < level.width; ++x) {
        const float w = a[x] >= low && a[x] <= high ? 1.0f : 0.0f;
        for (int c = 0; c < 3; ++c) sum[c] += w * channel[c][x];
        sum[3] += w;
      }
      for (int c = 0; c < 4; ++c)
        sums[static_cast<std::size_t>(y * 4 + c)] = static_cast<double>(sum[c]);
    }
  });
  double total[4] = {};
  for (std::size_t i = 0; i < sums.size(); ++i) total[i % 4] += sums[i];
  if (total[3] == 0.0) return false;
  for (int c = 0; c < 3; ++c) mean[c] = static_cast<float>(total[c] / total[3]);
  return true;
}

void fill(const ColorLevel& level, const Plane& plane, float value) {
  std::fill_n(plane.get(), (level.height + 2) * level.stride, value);
}

void upsample(const ColorLevel& coarse, const Plane& from, const ColorLevel& fine,
              const Plane& to) {
  parallel_rows(fine.height, fine.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float* __restrict in = coarse.row(from, y / 2);
      float* __restrict out = fine.row(to, y);
      for (std::ptrdiff_t x = 0; x + 1 < fine.width; x += 2) out[x] = out[x + 1] = in[x / 2];
      if (fine.width % 2) out[fine.width - 1] = in[fine.width / 2];
    }
  });
}

template <class T>
void store_colors(const ColorLevel& level, const ImageView<const T>& image,
                  const ImageView<T>& foreground, const ImageView<T>& background) {
  const int channels = image.channels;
  parallel_rows(level.height, level.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float* a = level.row(level.alpha, y);
      const T* from = image.row(y);
      for (int c = 0; c < 3; ++c) {
        const float* plane = level.row(level.image[c], y);
        const float* pf = level.row(level.front[c], y);
        const float* pb = level.row(level.back[c], y);
        T* f = foreground.row(y) + c;
        T* b = background.data ? background.row(y) + c : nullptr;
        for (std::ptrdiff_t x = 0; x < level.width; ++x) {
          float front = pf[x], back = pb[x];
          project_colors(a[x], plane[x], front, back);
          f[3 * x] = a[x] >= 1.0f ? from[channels * x + c] : from_unit<T>(front);
          if (b) b[3 * x] = a[x] <= 0.0f ? from[channels * x + c] : from_unit<T>(back);
        }
      }
    }
  });
}

template <class T, class A>
void foreground_image(const ImageView<const T>& image, const ImageView<const A>& alpha,
                      const ImageView<T>& foreground, const ImageView<T>& background) {
  std::vector<ColorLevel> levels;
  levels.emplace_back(image.height, image.width);
  load_level(levels[0], image, alpha);
  while (std::max(levels.back().height, levels.back().width) > 1) {
    const std::size_t l = levels.size();
    levels.emplace_back((levels[l - 1].height + 1) / 2, (levels[l - 1].width + 1) / 2);
    halve(levels[l - 1], levels[l - 1].alpha, levels[l], levels[l].alpha);
    for (int c = 0; c < 3; ++c)
      halve(levels[l - 1], levels[l - 1].image[c], levels[l], levels[l].image[c]);
  }
  float front[3], back[3];
  if (!mean_color(levels[0], 1.0f - kForegroundSure, 1.0f, front))
    mean_color(levels[0], 0.0f, 1.0f, front);
  if (!mean_color(levels[0], 0.0f, kForegroundSure, back)) mean_color(levels[0], 0.0f, 1.0f, back);
  for (std::size_t l = levels.size(); l-- > 0;) {
    ColorLevel& level = levels[l];
    repeat_border(level, level.alpha);
    for (int c = 0; c < 3; ++c) {
      if (l + 1 == levels.size()) {
        fill(level, level.front[c], front[c]);
        fill(level, level.back[c], back[c]);
      } else {
        upsample(levels[l + 1], levels[l + 1].front[c], level, level.front[c]);
        upsample(levels[l + 1], levels[l + 1].back[c], level, level.back[c]);
      }
    }
    if (l + 1 < levels.size()) levels.pop_back();  // the coarser level has served
    ColorLevel& here = levels[l];
    const bool small = std::max(here.height, here.width) <= kForegroundSmallSide;
    const int sweeps = small ? kForegroundSmallSweeps : kForegroundSweeps;
    for (int i = 0; i < sweeps; ++i) sweep(here);
  }
  store_colors(levels[0], image, foreground, background);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T, class A>
void estimate_foreground(ImageView<const T> image, ImageView<const A> alpha,
                         ImageView<T> foreground, ImageView<T> background, Stream) {
  if (image.empty()) return;
  TRIMATTE_CALL(foreground_image<T, A>)(image, alpha, foreground, background);
}

#define TRIMATTE_INSTANTIATE(T, A)                           \
  template void estimate_foreground<DeviceKind::kCPU, T, A>( \
      ImageView<const T>, ImageView<const A>, ImageView<T>, ImageView<T>, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

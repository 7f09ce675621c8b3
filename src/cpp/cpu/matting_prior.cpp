#include "cpu/matting_prior.hpp"

#include <algorithm>
#include <cstdint>

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/grid.hpp"
#include "pixel/mask_prior.hpp"
#include "pixel/matting.hpp"
#include "pixel/sampling.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {
namespace {

constexpr std::ptrdiff_t kChunk = 1 << 14;  // pixels

struct Moments {
  float of[kMaskMoments];

  void add(const Moments& other, float sign) {
    for (int m = 0; m < kMaskMoments; ++m) of[m] += sign * other.of[m];
  }
};

// The sums over windows of 2 radius + 1 values along a line; `at(i)` is the i-th value.
template <class At, class Out>
void window_sums(std::ptrdiff_t count, std::ptrdiff_t radius, const At& at, const Out& out) {
  Moments sum{};
  for (std::ptrdiff_t i = 0; i < std::min(radius, count); ++i) sum.add(at(i), 1.0f);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    if (i + radius < count) sum.add(at(i + radius), 1.0f);
    if (i > radius) sum.add(at(i - radius - 1), -1.0f);
    out(i, sum);
  }
}

// Means of the windows around cells of 2 x 2 pixels: a wide window needs no finer ones.
class WindowMeans {
 public:
  WindowMeans(const DenseLevel& level, const WorkArray<float>& mask)
      : height_((level.height + 1) / 2),
        width_((level.width + 1) / 2),
        rows_(height_ * width_),
        sums_(height_ * width_),
        radius_(std::max(1, mask_prior_radius(level.height, level.width) / 2)) {
    parallel_rows(height_, level.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      const WorkArray<Moments> cells(width_);
      for (std::ptrdiff_t y = begin; y < end; ++y) {
        for (std::ptrdiff_t x = 0; x < width_; ++x) cells[x] = cell(level, mask, y, x);
        window_sums(
            width_, radius_, [&](std::ptrdiff_t x) -> const Moments& { return cells[x]; },
            [&](std::ptrdiff_t x, const Moments& sum) { rows_[y * width_ + x] = sum; });
      }
    });
    parallel_rows(width_, height_, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      for (std::ptrdiff_t x = begin; x < end; ++x)
        window_sums(
            height_, radius_,
            [&](std::ptrdiff_t y) -> const Moments& { return rows_[y * width_ + x]; },
            [&](std::ptrdiff_t y, const Moments& sum) { sums_[y * width_ + x] = sum; });
    });
  }

  Moments around(std::ptrdiff_t y, std::ptrdiff_t x) const {
    const std::ptrdiff_t cells =
        mask_window_cells(y / 2, radius_, height_) * mask_window_cells(x / 2, radius_, width_);
    Moments mean = sums_[y / 2 * width_ + x / 2];
    for (float& m : mean.of) m /= static_cast<float>(cells);
    return mean;
  }

 private:
  static Moments cell(const DenseLevel& level, const WorkArray<float>& mask, std::ptrdiff_t y,
                      std::ptrdiff_t x) {
    Moments sum{};
    for (int i = 0; i < 4; ++i) {
      const std::ptrdiff_t at = std::min(2 * y + i / 2, level.height - 1) * level.width +
                                std::min(2 * x + i % 2, level.width - 1);
      const float* color = level.image.data() + 3 * at;
      Moments pixel;
      mask_moments(color[0], color[1], color[2], mask[at], level.trimap[at], pixel.of);
      sum.add(pixel, 0.25f);
    }
    return sum;
  }

  std::ptrdiff_t height_, width_;
  WorkArray<Moments> rows_, sums_;
  std::ptrdiff_t radius_;
};

// out(pixel, place in the grid's rows, place in its columns) of a level over which a grid of that
// size is stretched.
template <class Out>
void over_grid(const DenseLevel& level, std::ptrdiff_t height, std::ptrdiff_t width,
               const Out& out) {
  const auto scale_y = static_cast<float>(grid_scale(height, level.height, 0));
  const auto scale_x = static_cast<float>(grid_scale(width, level.width, 0));
  parallel_rows(level.height, level.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const GridPoint<float> row = grid_point(y, scale_y, height);
      for (std::ptrdiff_t x = 0; x < level.width; ++x)
        out(y * level.width + x, row, grid_point(x, scale_x, width));
    }
  });
}

WorkArray<float> halved(const WorkArray<float>& fine, const DenseLevel& from,
                        const DenseLevel& to) {
  WorkArray<float> out(to.pixels());
  const auto at = [&](std::ptrdiff_t y, std::ptrdiff_t x) {
    return y < from.height && x < from.width ? fine[y * from.width + x] : 0.0f;
  };
  parallel_rows(to.height, to.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y)
      for (std::ptrdiff_t x = 0; x < to.width; ++x)
        out[y * to.width + x] = 0.25f * (at(2 * y, 2 * x) + at(2 * y, 2 * x + 1) +
                                         at(2 * y + 1, 2 * x) + at(2 * y + 1, 2 * x + 1));
  });
  return out;
}

}  // namespace

Prior no_prior(const DenseLevel& level) {
  Prior prior{WorkArray<float>(level.pixels()), WorkArray<float>(level.pixels())};
  std::fill_n(prior.weight.data(), level.pixels(), 0.0f);
  std::fill_n(prior.target.data(), level.pixels(), 0.0f);
  return prior;
}

void add_samples(const DenseLevel& level, Prior& prior) {
  const WorkArray<float> alpha(level.pixels()), confidence(level.pixels());
  const std::ptrdiff_t stride = level.width * std::ptrdiff_t{sizeof(float)};
  sample_alpha<DeviceKind::kCPU, float>(level.colors(), level.classes(),
                                        {alpha.data(), level.height, level.width, 1, stride},
                                        {confidence.data(), level.height, level.width, 1, stride},
                                        SamplingOptions{kMattingPriorSpacing}, Stream{});
  parallel_for(level.pixels(), kChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; ++i) {
      if (level.trimap[i] != kTrimapUnknown) continue;
      const float weight = matting_prior_weight(confidence[i]);
      prior.weight[i] += weight;
      prior.target[i] += weight * alpha[i];
    }
  });
}

void lean_on_mask(const DenseLevel& level, const ImageView<const float>& mask, Prior& prior) {
  const WorkArray<float> stretched(level.pixels());
  over_grid(level, mask.height, mask.width, [&](std::ptrdiff_t at, const auto& y, const auto& x) {
    stretched[at] = sample_plane(mask, y, x);
  });
  const WindowMeans means(level, stretched);
  parallel_rows(level.height, level.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y)
      for (std::ptrdiff_t x = 0; x < level.width; ++x) {
        const std::ptrdiff_t at = y * level.width + x;
        if (level.trimap[at] != kTrimapUnknown) continue;
        const PriorTerm term = mask_prior_term(means.around(y, x).of, stretched[at]);
        prior.weight[at] += term.weight;
        prior.target[at] += term.target;
      }
  });
}

Prior halved(const Prior& prior, const DenseLevel& from, const DenseLevel& to) {
  return {halved(prior.weight, from, to), halved(prior.target, from, to)};
}

Prior enlarged(const Prior& prior, const DenseLevel& from, const DenseLevel& to, float share) {
  Prior out{WorkArray<float>(to.pixels()), WorkArray<float>(to.pixels())};
  const std::ptrdiff_t stride = from.width * std::ptrdiff_t{sizeof(float)};
  const ImageView<const float> weight{prior.weight.data(), from.height, from.width, 1, stride};
  const ImageView<const float> target{prior.target.data(), from.height, from.width, 1, stride};
  over_grid(to, from.height, from.width, [&](std::ptrdiff_t at, const auto& y, const auto& x) {
    out.weight[at] = share * sample_plane(weight, y, x);
    out.target[at] = share * sample_plane(target, y, x);
  });
  return out;
}

}  // namespace trimatte

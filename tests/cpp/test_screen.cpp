// Learning a screen: what it finds, on odd sizes, with any number of threads.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "check.hpp"
#include "core/parallel.hpp"
#include "cpu/screen.hpp"
#include "images.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr double kScreen[] = {0.1, 0.7, 0.2}, kSubject[] = {0.7, 0.3, 0.4};

// A soft disk before an uneven screen, with some noise.
template <class T>
Image<T> before_a_screen(std::ptrdiff_t h, std::ptrdiff_t w, int channels) {
  auto image = noise<T>(h, w, channels, 91);
  const auto full = static_cast<double>(kFullScale<T>);
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      const double alpha = std::clamp(0.5 - outside_disk(h, w, y, x) / 6.0, 0.0, 1.0);
      const double light = 1.0 - 0.2 * static_cast<double>(x) / static_cast<double>(w);
      for (int c = 0; c < 3; ++c) {
        const double grain = 0.01 * (static_cast<double>(image.at(y, x, c)) / full - 0.5);
        const double v = alpha * kSubject[c] + (1.0 - alpha) * light * kScreen[c] + grain;
        image.at(y, x, c) = static_cast<T>(full * v);
      }
    }
  return image;
}

float alpha_at(const ScreenFit& fit, const ImageView<const float>& image, std::ptrdiff_t y,
               std::ptrdiff_t x) {
  const float *m = fit.model.at(y / kCellSide, x / kCellSide), *p = image.row(y) + 3 * x;
  return m[0] * p[0] + m[1] * p[1] + m[2] * p[2] + m[3];
}

bool same(const ScreenFit& a, const ScreenFit& b) {
  return a.key == b.key && a.linear == b.linear && a.noise == b.noise && a.share == b.share &&
         a.model.values == b.model.values && a.plate.values == b.plate.values;
}

}  // namespace

TEST(screen_is_told_from_what_is_before_it) {
  const auto image = before_a_screen<float>(150, 201, 3);
  const ScreenFit fit =
      fit_screen<float>(image.read(), {}, {1, ScreenOptions::Transfer::kSrgb}, {});
  CHECK(fit.key[1] > fit.key[0] + 0.3f && fit.key[1] > fit.key[2] + 0.3f);
  CHECK(fit.share > 0.3 && fit.share < 0.8);
  CHECK(std::abs(alpha_at(fit, image.read(), 75, 100) - 1.0f) < 0.1f);
  CHECK(std::abs(alpha_at(fit, image.read(), 4, 190)) < 0.1f);
}

TEST(screen_is_the_same_with_any_number_of_threads) {
  const auto image = before_a_screen<std::uint8_t>(261, 310, 4);
  const auto with_threads = [&](int count) {
    set_thread_count(count);
    const ScreenFit fit = fit_screen<std::uint8_t>(image.read(), {}, {}, {});
    set_thread_count(0);
    return fit;
  };
  const ScreenFit one = with_threads(1);
  CHECK(!one.model.values.empty());
  CHECK(same(one, with_threads(3)));
}

TEST(screen_of_odd_sizes) {
  for (const auto& [h, w] : kSizes) {
    const auto image = before_a_screen<std::uint16_t>(h, w, 3),
               plate = noise<std::uint16_t>(h, w, 3, 92);
    for (const auto& pixels : {noise<float>(h, w, 3, 93), before_a_screen<float>(h, w, 3)})
      fit_screen<float>(pixels.read(), {}, {}, {});
    fit_screen<std::uint16_t>(image.read(), plate.read(), {}, {});
    const ScreenFit fit = fit_screen<std::uint16_t>(image.read(), {}, {}, {});
    if (fit.plate.values.empty()) continue;
    using Transfer = ScreenOptions::Transfer;
    const ScreenOptions same_space{-1, fit.linear ? Transfer::kLinear : Transfer::kSrgb};
    const ScreenFit next = fit_screen<std::uint16_t>(image.read(), {}, same_space, fit);
    CHECK(next.key == fit.key);
  }
}

// Resizing and a network's two ends on the CPU: every size and type, for the sanitizers. Values are
// the Python suite's task; what is checked here is what needs no second implementation.
#include <algorithm>
#include <limits>

#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/half.hpp"
#include "pixel/resize.hpp"
#include "pixel/tensor.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr DeviceKind kCpu = DeviceKind::kCPU;
constexpr ResizeFilter kFilters[] = {ResizeFilter::kLanczos, ResizeFilter::kBilinear,
                                     ResizeFilter::kBox};

template <class T>
void check_flat(std::ptrdiff_t h, std::ptrdiff_t w, int channels, ResizeFilter filter) {
  const Image<T> image(h, w, channels);
  std::fill(image.begin(), image.end(), static_cast<T>(kFullScale<T>));
  for (const auto& [height, width] : kSizes) {
    const Image<T> out(height, width, channels);
    resize<kCpu, T>(image.read(), out.view(), {filter}, {});
    CHECK(std::all_of(out.begin(), out.end(),
                      [](T v) { return static_cast<float>(v) * 1.00001f >= kFullScale<T>; }));
  }
}

}  // namespace

TEST(white_stays_white_at_every_size) {
  for (const auto& [h, w] : kSizes)
    for (const auto filter : kFilters)
      for (const int channels : {1, 2, 3, 4}) {
        check_flat<std::uint8_t>(h, w, channels, filter);
        check_flat<std::uint16_t>(h, w, channels, filter);
        check_flat<float>(h, w, channels, filter);
      }
}

TEST(channels_that_are_left_out_do_not_matter) {
  for (const auto& [h, w] : kSizes)
    for (const auto& [height, width] : kSizes) {
      const auto rgba = noise<std::uint8_t>(h, w, 4, 21);
      const Image<std::uint8_t> all(height, width, 4), some(height, width, 3);
      resize<kCpu, std::uint8_t>(rgba.read(), all.view(), {}, {});
      resize<kCpu, std::uint8_t>(rgba.read(), some.view(), {}, {});
      bool equal = true;
      for (std::ptrdiff_t y = 0; y < height; ++y)
        for (std::ptrdiff_t x = 0; x < width; ++x)
          for (int c = 0; c < 3; ++c) equal &= some.at(y, x, c) == all.at(y, x, c);
      CHECK(equal);
    }
}

TEST(tensors_are_finite_and_planar) {
  for (const auto& [h, w] : kSizes)
    for (const int channels : {3, 4})
      for (const bool by_maximum : {false, true}) {
        const auto image = noise<std::uint8_t>(h, w, channels, 22);
        const Image<float> tensor(3 * 13, 17);
        const Image<Half> half(3 * 13, 17);
        const PreprocessOptions options{
            ResizeFilter::kLanczos, by_maximum, false, {0.0f, 1.0f, 2.0f}, {1.0f, 1.0f, 0.5f}};
        preprocess<kCpu, std::uint8_t, float>(image.read(), tensor.view(), options, {});
        preprocess<kCpu, std::uint8_t, Half>(image.read(), half.view(), options, {});
        bool good = true;
        for (std::ptrdiff_t y = 0; y < 3 * 13; ++y)
          for (std::ptrdiff_t x = 0; x < 17; ++x) {
            const float v = tensor.at(y, x);
            good &= y < 13   ? v >= 0.0f && v <= 1.0f
                    : y < 26 ? v >= -1.0f && v <= 0.0f
                             : v >= -4.0f && v <= -2.0f;
            good &= half.at(y, x).bits == to_half(v).bits;
          }
        CHECK(good);
      }
}

TEST(predictions_without_difference_have_no_foreground) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float value : {0.0f, 1.0f, -2.0f, kInfinity, -kInfinity, kInfinity - kInfinity}) {
    const Image<float> prediction(5, 6);
    std::fill(prediction.begin(), prediction.end(), value);
    const Image<std::uint8_t> mask(9, 31);
    postprocess<kCpu, float>(prediction.read(), mask.view(), {}, {});
    CHECK(std::all_of(mask.begin(), mask.end(), [](std::uint8_t v) { return v == 0; }));
  }
}

TEST(predictions_reach_both_ends) {
  for (const auto& [h, w] : kSizes) {
    const auto prediction = noise<float>(h, w, 1, 23);
    const Image<std::uint8_t> mask(h, w);
    postprocess<kCpu, float>(prediction.read(), mask.view(), {}, {});
    const auto [low, high] = std::minmax_element(mask.begin(), mask.end());
    CHECK(*low == 0 && *high == (h * w > 1 ? 255 : 0));
  }
}

// Resizing and a network's two ends on the GPU, or on the stand-in for one: bytes are those of the
// CPU to the last bit, floats but for the order of a sum.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "both_devices.hpp"
#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/classes.hpp"
#include "pixel/resize.hpp"
#include "pixel/tensor.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

// Besides odd sizes: rows longer than a block's tile, of whole runs and not. New sizes that keep a
// side, and that shrink or grow one or both.
constexpr std::ptrdiff_t kOld[][2] = {{1, 67}, {67, 1}, {17, 31}, {64, 64}, {3, 4103}};
constexpr std::ptrdiff_t kNew[][2] = {{1, 1}, {5, 129}, {9, 300}, {64, 64}};

template <class T>
constexpr double kResizeTolerance = sizeof(T) == 1             ? 0.0
                                    : std::is_same_v<T, float> ? 2e-6
                                                               : 1.0;

template <class T>
void same_resize(int channels, int out_channels, ResizeFilter filter) {
  for (const auto& [h, w] : kOld)
    for (const auto& [height, width] : kNew)
      same_on_both(
          "resize", kResizeTolerance<T>,
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto out) {
            resize<D, T>(image, out, {filter}, {});
          },
          Image<T>(height, width, out_channels), noise<T>(h, w, channels, 31));
}

// A prediction from -1 to 2, with one sample that is no number.
template <class S>
Image<S> prediction_of(std::ptrdiff_t h, std::ptrdiff_t w) {
  const auto values = noise<float>(h, w, 1, 34);
  Image<S> prediction(h, w);
  for (std::size_t i = 0; i < values.size(); ++i)
    prediction.begin()[i] = to_sample<S>(3.0f * values.begin()[i] - 1.0f);
  if (h * w > 9) prediction.at(h - 1, w - 1) = to_sample<S>(std::nanf(""));
  return prediction;
}

template <class T, class A>
void same_upsample_mask() {
  for (const auto& [h, w] : kOld)
    for (const auto& [height, width] : kNew)
      same_on_both(
          "upsample_mask", 1e-4,
          []<DeviceKind D>(DeviceTag<D>, auto image, auto mask, auto out) {
            upsample_mask<D, T, A>(image, mask, out, {});
          },
          Image<float>(height, width), noise<T>(height, width, sizeof(A) == 1 ? 3 : 4, 35),
          noise<A>(h, w, 1, 36));
}

template <class T, class S>
void same_preprocess(int channels, bool scale_by_maximum) {
  const PreprocessOptions options{ResizeFilter::kLanczos,
                                  scale_by_maximum,
                                  !scale_by_maximum,
                                  {0.4, 0.5, 0.6},
                                  {0.2, 0.3, 0.7}};
  for (const auto& [h, w] : kOld)
    same_on_both(
        "preprocess", 0.0,
        [&]<DeviceKind D>(DeviceTag<D>, auto image, auto tensor) {
          preprocess<D, T, S>(image, tensor, options, {});
        },
        Image<S>(3 * 13, 70), noise<T>(h, w, channels, 33));
}

template <class S>
void same_postprocess(bool min_max) {
  for (const auto& [h, w] : kOld)
    same_on_both(
        "postprocess", 0.0,
        [&]<DeviceKind D>(DeviceTag<D>, auto prediction, auto mask) {
          postprocess<D, S>(prediction, mask, {ResizeFilter::kLanczos, min_max}, {});
        },
        Image<std::uint8_t>(33, 70), prediction_of<S>(h, w));
}

template <class S>
void same_class_probability(std::ptrdiff_t count) {
  ClassSet classes;
  for (int c = 0; c < count; c += 3) classes.add(c);
  for (const auto& [h, w] : kOld)
    same_on_both(
        "class_probability", 1e-6,
        [&]<DeviceKind D>(DeviceTag<D>, auto planes, auto probability) {
          class_probability<D, S>(planes, probability, classes, {});
        },
        Image<float>(h, w), prediction_of<S>(count * h, w));
}

}  // namespace

TEST(cuda_upsample_mask) {
  for_depth_pairs([](auto t, auto a) { same_upsample_mask<decltype(t), decltype(a)>(); });
}

TEST(cuda_resize) {
  for_depths([](auto t) {
    using T = decltype(t);
    same_resize<T>(1, 1, ResizeFilter::kBilinear);
    same_resize<T>(3, 3, ResizeFilter::kBox);
    same_resize<T>(3, 3, ResizeFilter::kLanczos);
    same_resize<T>(4, 3, ResizeFilter::kLanczos);
  });
  same_resize<std::uint8_t>(4, 4, ResizeFilter::kBilinear);
}

TEST(cuda_preprocess) {
  for (const bool scale_by_maximum : {false, true}) {
    same_preprocess<std::uint8_t, float>(scale_by_maximum ? 4 : 3, scale_by_maximum);
    same_preprocess<std::uint8_t, Half>(scale_by_maximum ? 3 : 4, scale_by_maximum);
    same_preprocess<std::uint16_t, float>(3, scale_by_maximum);
  }
}

TEST(cuda_postprocess) {
  for (const bool min_max : {false, true}) {
    same_postprocess<float>(min_max);
    same_postprocess<Half>(min_max);
  }
}

TEST(order_keys_keep_the_order_of_floats) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float values[] = {-kInfinity, -1e30f, -1.0f, -1e-40f, 0.0f, 1e-40f, 1.0f, 1e30f, kInfinity};
  for (const float a : values) {
    CHECK(order_key(a) != 0 && ~order_key(a) != 0);
    CHECK(from_order_key(order_key(a)) == a);
    for (const float b : values) CHECK((a < b) == (order_key(a) < order_key(b)));
  }
}

TEST(cuda_class_probability) {
  for (const std::ptrdiff_t count : {1, 2, 40}) {
    same_class_probability<float>(count);
    same_class_probability<Half>(count);
  }
}

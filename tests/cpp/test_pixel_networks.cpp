// The arithmetic of one sample against its definition: resizing, a network's input and output.
// tools/mutate.py says what these tests miss.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "check.hpp"
#include "pixel/classes.hpp"
#include "pixel/resize.hpp"
#include "pixel/tensor.hpp"

using namespace trimatte;
using trimatte::test::near;

namespace {

using U8 = std::uint8_t;
using U16 = std::uint16_t;
constexpr double kPi = 3.14159265358979323846;

double sinc(double x) {
  return x == 0.0 ? 1.0 : std::sin(kPi * x) / (kPi * x);
}

double wanted_value(ResizeFilter filter, double x) {
  switch (filter) {
    case ResizeFilter::kLanczos: return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
    case ResizeFilter::kBilinear: return std::max(0.0, 1.0 - std::abs(x));
    case ResizeFilter::kBox: break;
  }
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

constexpr ResizeFilter kFilters[] = {ResizeFilter::kLanczos, ResizeFilter::kBilinear,
                                     ResizeFilter::kBox};

}  // namespace

TEST(filters_are_their_formulas) {
  bool good = true;
  for (const ResizeFilter filter : kFilters)
    for (int i = -800; i <= 800; ++i)
      good &= near(filter_value(filter, i / 200.0), wanted_value(filter, i / 200.0), 1e-12);
  CHECK(good);
  CHECK(filter_reach(ResizeFilter::kLanczos) == 3.0 && filter_reach(ResizeFilter::kBox) == 0.5);
  CHECK(filter_reach(ResizeFilter::kBilinear) == 1.0);
}

TEST(weights_of_a_resize_are_the_filter_around_its_centre) {
  bool good = true;
  for (const ResizeFilter filter : kFilters)
    for (const auto& [from, to] :
         {std::pair{10, 4}, {4, 10}, {7, 5}, {1, 3}, {50, 1}, {2, 3}, {11, 10}, {10, 11}}) {
      const ResizeSide side{filter, from, to};
      const int taps = resize_taps(side);
      const double scale = static_cast<double>(from) / to, stretch = std::max(scale, 1.0);
      int most = 0;
      for (int i = 0; i < to; ++i) {
        std::vector<double> weights(static_cast<std::size_t>(taps)), wanted(weights.size());
        const int first = resize_weights(side, i, weights.data(), taps);
        const double center = (i + 0.5) * scale, reach = filter_reach(filter) * stretch;
        double sum = 0.0;
        int used = 0;
        for (int at = 0; at < from; ++at) {
          // Samples from the rounded beginning of the window to its rounded end.
          const bool inside = at >= static_cast<int>(center - reach + 0.5) &&
                              at < static_cast<int>(center + reach + 0.5);
          if (!inside) continue;
          ++used;
          const double value = wanted_value(filter, (at + 0.5 - center) / stretch);
          good &= at >= first && at < first + taps;
          wanted[static_cast<std::size_t>(at - first)] = value;
          sum += value;
        }
        most = std::max(most, used);
        good &= first >= 0 && first + taps <= from;
        for (std::size_t k = 0; k < weights.size(); ++k)
          good &= near(weights[k], wanted[k] / sum, 1e-12);
      }
      good &= most == taps;
    }
  CHECK(good);
  double one = 0.0;
  CHECK(resize_taps({ResizeFilter::kLanczos, 9, 9}) == 1);
  CHECK(resize_weights({ResizeFilter::kLanczos, 9, 9}, 4, &one, 1) == 4 && one == 1.0);
}

TEST(passes_of_a_resize) {
  struct Size {
    int height, width, channels;
  };
  const auto passes = [](Size from, Size to) { return resize_passes(from, to); };
  CHECK(passes({10, 10, 3}, {10, 5, 3}).rows && !passes({10, 10, 3}, {10, 5, 3}).columns);
  CHECK(passes({10, 10, 3}, {5, 10, 3}).columns && !passes({10, 10, 3}, {5, 10, 3}).rows);
  CHECK(passes({10, 10, 4}, {10, 10, 3}).rows);
  CHECK(passes({20, 10, 3}, {5, 8, 3}).columns_first);    // 15 > 2 x 2
  CHECK(!passes({20, 10, 3}, {16, 8, 3}).columns_first);  // 4 = 2 x 2
  CHECK(!passes({20, 10, 3}, {30, 2, 3}).columns_first);
  CHECK(passes({20, 10, 3}, {19, 10, 3}).columns_first);
  CHECK(!passes({20, 10, 3}, {20, 14, 3}).columns_first);
}

TEST(sums_of_a_resize_are_rounded) {
  CHECK(resize_weight<std::int32_t>(0.5) == 1 << 21 &&
        resize_weight<std::int32_t>(-1.0) == -(1 << 22));
  CHECK(resize_weight<std::int32_t>(1.5 / (1 << 22)) == 2);  // halves away from zero
  CHECK(resize_weight<std::int32_t>(-1.5 / (1 << 22)) == -2);
  CHECK(resize_weight<std::int32_t>(1.4 / (1 << 22)) == 1);
  CHECK(resize_weight<std::int32_t>(-1.4 / (1 << 22)) == -1);
  CHECK(resize_weight<float>(0.25) == 0.25f);
  CHECK(kResizeStart<std::int32_t> == 1 << 21 && kResizeStart<float> == 0.0f);
  CHECK((resize_result<U8, true>(77 << 22) == 77 && resize_result<U8, true>(-(5 << 22)) == 0));
  CHECK((resize_result<U8, true>(300 << 22) == 255 && resize_result<U8, true>(255 << 22) == 255));
  CHECK((resize_result<float, false>(1.5f) == 1.5f && resize_result<float, true>(1.5f) == 1.0f));
  CHECK((resize_result<U16, false>(-7.0f) == -7.0f && resize_result<U16, true>(-7.0f) == 0));
  CHECK((resize_result<U16, true>(70000.0f) == 65535 && resize_result<U16, true>(12.5f) == 13));
  CHECK((resize_result<U16, true>(12.4f) == 12));
}

TEST(tensors_are_normalised) {
  PreprocessOptions options;
  options.mean[1] = 0.25;
  options.deviation[1] = 0.5;
  CHECK(near(tensor_sample<float>(options, 255.0, 1, 204), (0.8 - 0.25) / 0.5, 1e-6));
  CHECK(near(tensor_sample<float>(options, 255.0, 0, 51), 0.2, 1e-6));
  CHECK(near(from_sample(tensor_sample<Half>(options, 255.0, 1, 204)), 1.1, 1e-3));
  CHECK(image_channel(options, 0) == 0 && image_channel(options, 2) == 2);
  options.bgr = true;
  CHECK(image_channel(options, 0) == 2 && image_channel(options, 1) == 1);
}

TEST(predictions_become_masks) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(predicted(kInfinity) == 0.0f && predicted(std::nanf("")) == 0.0f &&
        predicted(-2.5f) == -2.5f);
  CHECK(mask_sample(0.5f, {0.0f, 1.0f}) == 127);  // truncated
  CHECK(mask_sample(0.05f, {0.0f, 1.0f}) == 12);
  CHECK(mask_sample(3.0f, {1.0f, 5.0f}) == 127 && mask_sample(5.0f, {1.0f, 5.0f}) == 255);
  CHECK(mask_sample(1.0f, {1.0f, 5.0f}) == 0 && mask_sample(9.0f, {1.0f, 5.0f}) == 255);
  CHECK(mask_sample(0.0f, {1.0f, 5.0f}) == 0 && mask_sample(2.0f, {2.0f, 2.0f}) == 0);
  const float rising[] = {-kInfinity, -3e38f, -1.0f, -1e-40f, 0.0f, 1e-40f, 0.5f, 3e38f, kInfinity};
  for (std::size_t i = 0; i < std::size(rising); ++i) {
    CHECK(from_order_key(order_key(rising[i])) == rising[i] && order_key(rising[i]) != 0);
    if (i) CHECK(order_key(rising[i - 1]) < order_key(rising[i]));
  }
}

TEST(probabilities_of_classes) {
  ClassSet classes;
  classes.add(0);
  classes.add(33);
  classes.add(1023);
  CHECK(classes.has(0) && classes.has(33) && classes.has(1023));
  CHECK(!classes.has(1) && !classes.has(32) && !classes.has(34) && !classes.has(1022));
  bool good = true;
  for (int i = 0; i <= 8700; ++i) {
    const float x = -static_cast<float>(i) / 100.0f;
    const double wanted = std::exp(static_cast<double>(x));
    good &= std::abs(exp_of_negative(x) / wanted - 1.0) < 3e-7;
  }
  CHECK(good);
  CHECK(exp_of_negative(-1000.0f) == exp_of_negative(-87.0f) && exp_of_negative(0.0f) == 1.0f);
  good = true;
  for (int i = -2000; i <= 2000; ++i) {
    const double x = i / 100.0;
    good &= near(sigmoid(static_cast<float>(x)), 1.0 / (1.0 + std::exp(-x)), 2e-7);
  }
  CHECK(good);
}

// An operation's result on the GPU, or on the stand-in for one, against the CPU's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <tuple>
#include <type_traits>

#include "check.hpp"
#include "core/dispatch.hpp"
#include "device_image.hpp"
#include "images.hpp"
#include "orders.hpp"
#include "pixel/half.hpp"

namespace trimatte::test {

// What has several threads, warps and blocks is enough for ThreadSanitizer.
inline constexpr std::ptrdiff_t kFewSizes[][2] = {{5, 129}, {34, 260}, {3, 1025}};
inline constexpr auto& kGpuSizes = []() -> auto& {
  if constexpr (kSlow)
    return kFewSizes;
  else
    return kSizes;
}();

template <class F>
void for_depths(const F& f) {
  f(std::uint8_t{});
  f(std::uint16_t{});
  f(float{});
}
template <class F>
void for_depth_pairs(const F& f) {
  for_depths([&](auto t) { for_depths([&](auto a) { f(t, a); }); });
}

// Where arithmetic in float may differ in its last bit an integer may be one off, from rounding.
template <class T>
inline constexpr double kRounding = std::is_same_v<T, float> ? 1e-6 : 1.0;

template <class T>
double number_of(T sample) {
  return static_cast<double>(sample);
}
inline double number_of(Half sample) {
  return sample.bits;  // neighbours are one apart
}

struct Difference {
  double largest = 0.0, mean = 0.0;
};

// Of a result to the CPU's, in samples; huge where the gaps between rows were written to.
template <class T>
Difference difference(const DeviceImage<T>& result, const Image<T>& wanted) {
  constexpr double kHuge = 1e30;
  const ImageView<const T> view = wanted.read();
  Difference worst;
  const bool intact = result.download([&](std::ptrdiff_t y, const T* row) {
    for (std::ptrdiff_t i = 0; i < view.width * view.channels; ++i) {
      const double d = std::abs(number_of(row[i]) - number_of(view.row(y)[i]));
      worst.largest = std::max(worst.largest, d <= kHuge ? d : kHuge);  // NaN, too
      worst.mean += d / static_cast<double>(wanted.size());
    }
  });
  return intact ? worst : Difference{kHuge, kHuge};
}

struct Tolerance {
  double largest, mean;
  constexpr Tolerance(double most) : Tolerance(most, most) {}
  constexpr Tolerance(double most, double most_mean) : largest(most), mean(most_mean) {}
};

inline std::size_t& turns() {
  static std::size_t count = 0;
  return count;
}

// call(device, inputs..., out) on both devices, where `like` is an image of the result's size.
// Orders of threads and layouts of memory take turns.
template <class Out, class Call, class... In>
void same_on_both(const char* what, const Tolerance& tolerance, const Call& call,
                  const Image<Out>& like, const Image<In>&... inputs) {
  const ImageView<Out>& wanted = like.view();
  call(DeviceTag<DeviceKind::kCPU>{}, inputs.read()..., wanted);
  const std::size_t turn = turns()++;
  const Layout& layout = kLayouts[(turn + turn / kOrderCount) % std::size(kLayouts)];
  in_order(turn, [&] {
    const DeviceImage<Out> out(wanted.height, wanted.width, wanted.channels, layout);
    [&](const DeviceImage<In>&... in) {
      call(DeviceTag<DeviceKind::kCUDA>{}, in.read()..., out.view());
    }(DeviceImage<In>(inputs.read(), layout)...);
    const Difference worst = difference(out, like);
    const bool same = worst.largest <= tolerance.largest && worst.mean <= tolerance.mean;
    if (!same)
      std::printf("%s to %td x %td, padding %td%s: differs by up to %g, on average %g\n", what,
                  wanted.height, wanted.width, layout.padding,
                  layout.upside_down ? ", upside down" : "", worst.largest, worst.mean);
    CHECK(same);
  });
}

// The same at every size; `make(h, w)` gives the inputs as a tuple.
template <class Out, class Make, class Call>
void same_at_all_sizes(const char* what, int out_channels, const Tolerance& tolerance,
                       const Make& make, const Call& call) {
  for (const auto& [h, w] : kGpuSizes)
    std::apply(
        [&, height = h, width = w](const auto&... inputs) {
          same_on_both(what, tolerance, call, Image<Out>(height, width, out_channels), inputs...);
        },
        make(h, w));
  ++turns();  // so that the next time each size meets another order
}

}  // namespace trimatte::test

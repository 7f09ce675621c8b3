// Every operation of the CUDA backend against the CPU's: odd sizes, all depths, rows with gaps and
// upside down; under the shim in several orders of a kernel's threads.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <tuple>
#include <type_traits>

#include "check.hpp"
#include "core/dispatch.hpp"
#include "device_image.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "orders.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

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

// The largest difference of a result to the CPU's, in samples; huge where the gaps were written to.
template <class T>
double difference(const DeviceImage<T>& result, const Image<T>& wanted) {
  double worst = 0.0;
  const ImageView<const T> view = wanted.read();
  const bool intact = result.download([&](std::ptrdiff_t y, const T* row) {
    for (std::ptrdiff_t i = 0; i < view.width * view.channels; ++i) {
      const double d = std::abs(static_cast<double>(row[i]) - static_cast<double>(view.row(y)[i]));
      worst = std::max(worst, d <= 1e30 ? d : 1e30);  // NaN, too
    }
  });
  return intact ? worst : 1e30;
}

// call(device, inputs..., out) on both devices, for every size, layout and order. `make(h, w)` gives
// the inputs as a tuple; `out_channels` are the result's; results may differ by `tolerance` samples.
template <class Out, class Make, class Call>
void same_on_both(const char* what, int out_channels, double tolerance, const Make& make,
                  const Call& call) {
  for (const auto& [h, w] : kSizes) {
    const auto inputs = make(h, w);
    const Image<Out> wanted(h, w, out_channels);
    std::apply(
        [&](const auto&... in) {
          call(DeviceTag<DeviceKind::kCPU>{}, in.read()..., wanted.view());
          for (const Layout& layout : kLayouts) for_orders([&] {
              const std::tuple device(std::make_unique<DeviceImage<
                  std::remove_const_t<std::remove_pointer_t<decltype(in.read().data)>>>>(
                  in.read(), layout)...);
              const DeviceImage<Out> out(h, w, out_channels, layout);
              std::apply(
                  [&](const auto&... there) {
                    call(DeviceTag<DeviceKind::kCUDA>{}, there->read()..., out.view());
                  },
                  device);
              const double worst = difference(out, wanted);
              if (worst > tolerance)
                std::printf("%s %td x %td, padding %td%s: differs by %g\n", what, h, w,
                            layout.padding, layout.upside_down ? ", upside down" : "", worst);
              CHECK(worst <= tolerance);
            });
        },
        inputs);
  }
}

// Arithmetic in float may differ in its last bit, an integer result by one where it is rounded.
template <class T>
constexpr double kRounding = std::is_same_v<T, float> ? 1e-6 : 1.0;

}  // namespace

TEST(cuda_chroma_key) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    for (const int channels : {3, 4})
      for (const KeyOptions& options : {KeyOptions{1, 30.0, 0.0}, KeyOptions{2, 10.0, 60.0}})
        same_on_both<A>(
            "chroma_key", 1, std::is_same_v<T, float> ? kRounding<A> : 0.0,
            [&](auto h, auto w) { return std::tuple(noise<T>(h, w, channels, 1)); },
            [&]<DeviceKind D>(DeviceTag<D>, auto image, auto out) {
              chroma_key<D, T, A>(image, out, options, {});
            });
  });
}

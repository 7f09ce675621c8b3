// Every operation of the CUDA backend against the CPU's: odd sizes, all depths, rows with gaps and
// upside down; under the shim in several orders of a kernel's threads.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
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

// call(device, inputs..., out) on both devices, for every size, layout and order. `make(h, w)`
// gives the inputs as a tuple; `out_channels` are the result's; results may differ by `tolerance`
// samples.
template <class Out, class Make, class Call>
void same_on_both(const char* what, int out_channels, double tolerance, const Make& make,
                  const Call& call) {
  for (const auto& [h, w] : kSizes) {
    const auto inputs = make(h, w);
    const Image<Out> wanted(h, w, out_channels);
    std::apply(
        [&](const auto&... in) {
          call(DeviceTag<DeviceKind::kCPU>{}, in.read()..., wanted.view());
          for (const Layout& layout : kLayouts)
            for_orders([&] {
              const std::tuple device(
                  std::make_unique<DeviceImage<
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

namespace {

// Masks of 0 and full scale, or in between.
enum class Mask { kNone, kAll, kBetween, kBlob, kStripe, kHoles, kDots, kCorners, kNoise };
constexpr Mask kMasks[] = {Mask::kNone,  Mask::kAll,  Mask::kBetween, Mask::kBlob, Mask::kStripe,
                           Mask::kHoles, Mask::kDots, Mask::kCorners, Mask::kNoise};

template <class T>
Image<T> mask_of(Mask kind, std::ptrdiff_t h, std::ptrdiff_t w) {
  auto mask = noise<T>(h, w, 1, 7);
  const auto full = static_cast<double>(kFullScale<T>);
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      T& m = mask.at(y, x);
      const double unit = static_cast<double>(m) / full;
      const double distance =
          std::hypot(static_cast<double>(y - h / 2), static_cast<double>(x - w / 2));
      const bool corner = (y == 0 && x == w - 1) || (y == h - 1 && x == 0);
      const double value = kind == Mask::kNone      ? 0.0
                           : kind == Mask::kAll     ? 1.0
                           : kind == Mask::kBetween ? 0.5
                           : kind == Mask::kBlob    ? distance < static_cast<double>(h) / 3.0
                           : kind == Mask::kStripe  ? 3 * x / w == 1
                           : kind == Mask::kHoles   ? unit > 0.01
                           : kind == Mask::kDots    ? unit < 0.01
                           : kind == Mask::kCorners ? corner
                                                    : unit;
      m = static_cast<T>(value * full);
    }
  return mask;
}

// Exact on both devices, and the radii that were used as well.
template <class T>
void same_trimaps(Mask kind, double outside, double inside, int square) {
  const auto full = static_cast<double>(kFullScale<T>);
  const TrimapOptions options{10.0 / 255.0 * full, 240.0 / 255.0 * full, outside, inside, square};
  TrimapRadii cpu, cuda;
  same_on_both<std::uint8_t>(
      "make_trimap", 1, 0.0, [&](auto h, auto w) { return std::tuple(mask_of<T>(kind, h, w)); },
      [&]<DeviceKind D>(DeviceTag<D>, auto mask, auto out) {
        TrimapRadii& used = D == DeviceKind::kCPU ? cpu : cuda;
        make_trimap<D, T>(mask, out, options, square > 0 ? nullptr : &used, {});
        if (D == DeviceKind::kCUDA) CHECK(cpu.inside == cuda.inside && cpu.outside == cuda.outside);
      });
}

// Masks and sample types take turns.
void same_trimaps(int turn, double outside, double inside, int square) {
  const Mask kind = kMasks[static_cast<std::size_t>(turn) % std::size(kMasks)];
  switch (turn % 4) {
    case 0: same_trimaps<std::uint16_t>(kind, outside, inside, square); break;
    case 1: same_trimaps<float>(kind, outside, inside, square); break;
    default: same_trimaps<std::uint8_t>(kind, outside, inside, square);
  }
}

}  // namespace

TEST(cuda_make_trimap_with_disks) {
  constexpr double kRadii[][2] = {{0.0, 0.0},  {1.0, 1.0},   {2.5, 2.5},    {10.0, 10.0},
                                  {7.0, 2.0},  {40.0, 40.0}, {64.0, 64.0},  {65.0, 65.0},
                                  {3.0, 80.0}, {1e9, 5.5},   {200.0, 200.0}};
  int turn = 0;
  for (const auto& [outside, inside] : kRadii) same_trimaps(turn++, outside, inside, 0);
}

TEST(cuda_make_trimap_reduces_disks) {
  for (const Mask kind : {Mask::kStripe, Mask::kCorners})
    for (const double radius : {20.0, 300.0}) same_trimaps<std::uint8_t>(kind, radius, radius, 0);
}

TEST(cuda_make_trimap_with_squares) {
  for (const int n : {1, 2, 3, 4, 5, 8, 10, 15, 16, 200}) same_trimaps(n, 0.0, 0.0, n);
}

namespace {

// Alpha with a share of sure background and foreground; with none if `soft`.
template <class A>
Image<A> alpha_of(bool soft, std::ptrdiff_t h, std::ptrdiff_t w) {
  auto alpha = noise<A>(h, w, 1, 9);
  const auto full = static_cast<double>(kFullScale<A>);
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      A& a = alpha.at(y, x);
      const double unit = static_cast<double>(a) / full;
      const std::ptrdiff_t third = 3 * x / w;
      a = static_cast<A>(full * (soft         ? 0.3 + 0.4 * unit
                                 : third == 0 ? 0.0
                                 : third == 2 ? 1.0
                                              : unit));
    }
  return alpha;
}

// Foreground, and background beside it where wanted.
template <class T, class A>
void same_colors(int channels, bool soft, bool background) {
  // The order of float operations differs; one step in 8 bits, 2e-5 in float.
  const double tolerance = std::is_same_v<T, float> ? 2e-5 : sizeof(T) == 1 ? 1.0 : 2.0;
  same_on_both<T>(
      "estimate_foreground", background ? 6 : 3, tolerance,
      [&](auto h, auto w) {
        return std::tuple(noise<T>(h, w, channels, 8), alpha_of<A>(soft, h, w));
      },
      [&]<DeviceKind D>(DeviceTag<D>, auto image, auto alpha, auto out) {
        auto front = out, back = out;
        front.channels = back.channels = 3;
        back.data = background ? out.data + 3 * out.width : nullptr;
        estimate_foreground<D, T, A>(image, alpha, front, back, {});
      });
}

}  // namespace

TEST(cuda_estimate_foreground) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    constexpr bool kSame = std::is_same_v<T, A>;
    same_colors<T, A>(kSame ? 4 : 3, false, kSame);
    if constexpr (kSame) same_colors<T, A>(3, true, true);
  });
}

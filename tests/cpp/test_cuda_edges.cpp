// What is done to alpha's edges, to colours at them, and over time, on the GPU, or on the stand-in
// for one, against the CPU's.
#include <algorithm>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "both_devices.hpp"
#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/choke.hpp"
#include "pixel/despill.hpp"
#include "pixel/feather.hpp"
#include "pixel/foreground.hpp"
#include "pixel/stabilize.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

// A frame of a video in which nothing but its noise moves.
template <class T>
Image<T> still(std::ptrdiff_t h, std::ptrdiff_t w, int channels, unsigned seed) {
  auto frame = noise<T>(h, w, channels, seed);
  const T half = kFullScale<T> / T(2);
  for (T& v : frame) v = static_cast<T>(half + v / T(32));
  return frame;
}

// A disk with a soft border.
template <class T>
Image<T> soft_disk(std::ptrdiff_t h, std::ptrdiff_t w) {
  Image<T> disk(h, w);
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      const double inside = 0.5 - outside_disk(h, w, y, x) / 8.0;
      disk.at(y, x) = static_cast<T>(std::clamp(inside, 0.0, 1.0) * double{kFullScale<T>});
    }
  return disk;
}

}  // namespace

TEST(cuda_choke) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const double radius : {0.0, 0.4, 1.0, 2.5, -3.0, -7.3, 64.0})
      if (!kSlow || radius < 10.0)
        same_at_all_sizes<T>(
            "choke", 1, kRounding<T>,
            [](auto h, auto w) { return std::tuple(noise<T>(h, w, 1, 71)); },
            [&]<DeviceKind D>(DeviceTag<D>, auto alpha, auto out) {
              choke<D, T>(alpha, out, {radius}, {});
            });
  });
}

TEST(cuda_feather) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const double radius : {0.0, 0.3, 2.0, 64.0})
      if (!kSlow || radius < 10.0)
        same_at_all_sizes<T>(
            "feather", 1, kRounding<T>,
            [](auto h, auto w) { return std::tuple(noise<T>(h, w, 1, 72)); },
            [&]<DeviceKind D>(DeviceTag<D>, auto alpha, auto out) {
              feather<D, T>(alpha, out, {radius}, {});
            });
  });
}

TEST(cuda_hold_mattes) {
  for_depth_pairs([](auto a, auto m) {
    using A = decltype(a);
    using M = decltype(m);
    for (const int mattes : {1, 2, 3})
      same_at_all_sizes<A>(
          "hold_mattes", 1, kRounding<A>,
          [](auto h, auto w) {
            return std::tuple(noise<A>(h, w, 1, 73), noise<M>(h, w, 1, 74), noise<M>(h, w, 1, 75));
          },
          [&]<DeviceKind D>(DeviceTag<D>, auto alpha, auto garbage, auto core, auto out) {
            if (!(mattes & 1)) garbage = {};
            if (!(mattes & 2)) core = {};
            hold_mattes<D, A, M>(alpha, garbage, core, out, {});
          });
  });
}

TEST(cuda_sure_mattes) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const int reach : {0, 1, 9}) {
      for (const int every : {1, 2})  // rows of the mask; two: the mattes are resized
        same_at_all_sizes<std::uint8_t>(
            "sure_mattes", 1, 0.0, [](auto h, auto w) { return std::tuple(soft_disk<T>(h, w)); },
            [&]<DeviceKind D>(DeviceTag<D>, auto mask, auto out) {
              mask.height = (mask.height + every - 1) / every;
              const SureOptions options{0.4 * kFullScale<T>, 0.6 * kFullScale<T>, reach};
              sure_mattes<D, T>(mask, out, out, options, {});  // the core matte is what stays
            });
    }
  });
}

TEST(cuda_subtract_plate) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    for (const bool with_plate : {false, true}) {
      const int channels = with_plate ? 3 : 4;
      same_at_all_sizes<T>(
          "subtract_plate", channels, kRounding<T>,
          [&](auto h, auto w) {
            return std::tuple(noise<T>(h, w, channels, 76), noise<A>(h, w, 1, 77),
                              noise<T>(h, w, with_plate ? 4 : 3, 78));
          },
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto alpha, auto plate, auto out) {
            if (!with_plate) plate = {};
            subtract_plate<D, T, A>(image, alpha, plate, out, {{0.1f, 0.7f, 0.2f}}, {});
          });
    }
  });
}

TEST(cuda_despill_of_what_is_not_kept) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const int channels : {3, 4})
      for (const bool with_kept : {false, true})
        same_at_all_sizes<T>(
            "despill of what is not kept", channels, kRounding<T>,
            [&](auto h, auto w) {
              return std::tuple(noise<T>(h, w, channels, 79), noise<std::uint8_t>(h, w, 1, 80));
            },
            [&]<DeviceKind D>(DeviceTag<D>, auto image, auto kept, auto out) {
              if (!with_kept) kept = {};
              despill<D, T>(image, kept, out, {1, DespillMethod::kAverage, 0.8, 0.5}, {});
            });
  });
}

TEST(cuda_limit_alpha) {
  for_depths([](auto t) {
    using T = decltype(t);
    same_at_all_sizes<float>(
        "limit_alpha", 1, kRounding<float>,
        [](auto h, auto w) { return std::tuple(noise<float>(h, w, 1, 81), noise<T>(h, w, 4, 82)); },
        []<DeviceKind D>(DeviceTag<D>, auto alpha, auto rgba, auto out) {
          limit_alpha<D, T>(alpha, rgba, out, {});
        });
  });
}

TEST(cuda_stabilize_alpha) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    if (kSlow && !std::is_same_v<T, A>) return;
    for (const int channels : {3, 4})
      for (const bool cut : {false, true})
        same_at_all_sizes<A>(
            "stabilize_alpha", 1, kRounding<A>,
            [&](auto h, auto w) {
              return std::tuple(still<T>(h, w, channels, 83), noise<A>(h, w, 1, 84),
                                cut ? noise<T>(h, w, channels, 85) : still<T>(h, w, channels, 86),
                                noise<A>(h, w, 1, 87));
            },
            []<DeviceKind D>(DeviceTag<D>, auto image, auto alpha, auto before, auto before_alpha,
                             auto out) {
              stabilize_alpha<D, T, A>(image, alpha, before, before_alpha, out, {}, {});
            });
  });
}

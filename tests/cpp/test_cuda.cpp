// Every operation of the CUDA backend against the CPU's: odd sizes, all depths, rows with gaps and
// upside down; under the shim in several orders of a kernel's threads. Resizing and the alpha
// solver have files of their own.
#include <cmath>
#include <cstdint>
#include <iterator>
#include <tuple>
#include <type_traits>
#include <utility>

#include "both_devices.hpp"
#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/despill.hpp"
#include "pixel/foreground.hpp"
#include "pixel/key.hpp"
#include "pixel/trimap.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr KeyOptions kKeys[] = {{1, 30.0, 0.0}, {2, 10.0, 60.0}};  // the hard rule, and a ramp

// Integers are exact, but for a ramp into floats.
template <class T, class A>
constexpr double kKeyTolerance = std::is_same_v<T, float>   ? kRounding<A>
                                 : std::is_same_v<A, float> ? 1e-6
                                                            : 0.0;

}  // namespace

TEST(cuda_chroma_key) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    for (const KeyOptions& options : kKeys)
      same_at_all_sizes<A>(
          "chroma_key", 1, kKeyTolerance<T, A>,
          [&](auto h, auto w) { return std::tuple(noise<T>(h, w, 2 + options.channel, 1)); },
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto out) {
            chroma_key<D, T, A>(image, out, options, {});
          });
  });
}

TEST(cuda_key_cutout) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const bool premultiplied : {false, true})
      same_at_all_sizes<T>(
          "key_cutout", 4, kRounding<T>,
          [&](auto h, auto w) { return std::tuple(noise<T>(h, w, premultiplied ? 3 : 4, 2)); },
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto out) {
            const KeyOptions& key = kKeys[premultiplied];
            key_cutout<D, T>(image, out, key, {.channel = key.channel}, premultiplied, {});
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
void same_trimaps(Mask kind, double outside, double inside, int square, double network_pixel = 0) {
  const auto full = static_cast<double>(kFullScale<T>);
  const TrimapOptions options{10.0 / 255.0 * full, 240.0 / 255.0 * full, outside, inside, square,
                              network_pixel};
  TrimapRadii cpu, cuda;
  same_at_all_sizes<std::uint8_t>(
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
  for (int turn = 0; turn < static_cast<int>(std::size(kRadii)); turn += kSlow ? 3 : 1)
    same_trimaps(turn, kRadii[turn][0], kRadii[turn][1], 0);
}

TEST(cuda_make_trimap_finds_the_radii) {
  for (const Mask kind : kMasks)
    for (const double network_pixel : {0.3, 2.0, 11.0, 40.0})  // the last ones by columns
      if (!kSlow || kind == Mask::kNoise || network_pixel == 2.0)
        same_trimaps<std::uint8_t>(kind, 0.0, 0.0, 0, network_pixel);
}

TEST(cuda_make_trimap_reduces_disks) {
  for (const Mask kind : {Mask::kStripe, Mask::kCorners})
    for (const double radius : {20.0, 300.0})
      if (!kSlow || (kind == Mask::kStripe) == (radius < 100.0))
        same_trimaps<std::uint8_t>(kind, radius, radius, 0);
}

TEST(cuda_make_trimap_with_squares) {
  for (const int n : {1, 2, 3, 4, 5, 8, 10, 15, 16, 200})
    if (!kSlow || n % 5 == 0) same_trimaps(n, 0.0, 0.0, n);
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

// Foreground, and background beside it where wanted. A known background without a plate is a
// colour.
template <class T, class A>
void same_colors(int channels, bool soft, bool background, ForegroundOptions options = {},
                 bool with_plate = false) {
  // The order of float operations differs; one step in 8 bits, 2e-5 in float.
  const double tolerance = std::is_same_v<T, float> ? 2e-5 : sizeof(T) == 1 ? 1.0 : 2.0;
  same_at_all_sizes<T>(
      "estimate_foreground", background ? 6 : 3, tolerance,
      [&](auto h, auto w) {
        return std::tuple(noise<T>(h, w, channels, 8), alpha_of<A>(soft, h, w),
                          noise<T>(h, w, channels, 12));
      },
      [&]<DeviceKind D>(DeviceTag<D>, auto image, auto alpha, auto plate, auto out) {
        auto front = out, back = out;
        front.channels = back.channels = 3;
        back.data = background ? out.data + 3 * out.width : nullptr;
        if (!with_plate) plate = {};
        estimate_foreground<D, T, A>(image, alpha, plate, front, back, options, {});
      });
  if (std::exchange(options.direct_tiles, 0) == 0) return;
  same_colors<T, A>(channels, soft, background, options, with_plate);  // by lists of soft tiles
}

}  // namespace

TEST(cuda_estimate_foreground) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    constexpr bool kSame = std::is_same_v<T, A>;
    if (kSlow && !(kSame && sizeof(T) == 1)) return;  // one kernel for all depths
    same_colors<T, A>(kSame ? 4 : 3, false, kSame);
    if constexpr (kSame) {
      same_colors<T, A>(3, true, true, {ForegroundQuality::kFast});
      same_colors<T, A>(3, false, true, {ForegroundQuality::kBalanced, true, {0.1f, 0.5f, 0.9f}});
      same_colors<T, A>(4, false, true, {ForegroundQuality::kBalanced, true}, true);
    }
  });
}

TEST(cuda_despill) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const auto& options : {DespillOptions{1, DespillMethod::kAverage, 1.0},
                                DespillOptions{0, DespillMethod::kDoubleAverage, 0.4},
                                DespillOptions{2, DespillMethod::kMaxLimit, 0.7}}) {
      const int channels = options.channel == 0 ? 4 : 3;
      same_at_all_sizes<T>(
          "despill", channels, kRounding<T>,
          [&](auto h, auto w) { return std::tuple(noise<T>(h, w, channels, 10)); },
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto out) {
            despill<D, T>(image, {}, out, options, {});
          });
    }
  });
}

TEST(cuda_premultiply_and_back) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const bool forward : {true, false})
      same_at_all_sizes<T>(
          forward ? "premultiply" : "unpremultiply", 4, kRounding<T>,
          [](auto h, auto w) { return std::tuple(noise<T>(h, w, 4, 11)); },
          [&]<DeviceKind D>(DeviceTag<D>, auto rgba, auto out) {
            forward ? premultiply<D, T>(rgba, out, {}) : unpremultiply<D, T>(rgba, out, {});
          });
  });
}

TEST(cuda_cutout) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    same_at_all_sizes<T>(
        "cutout", 4, kRounding<T>,
        [](auto h, auto w) {
          return std::tuple(noise<T>(h, w, std::is_same_v<T, A> ? 4 : 3, 12),
                            alpha_of<A>(false, h, w));
        },
        []<DeviceKind D>(DeviceTag<D>, auto image, auto alpha, auto out) {
          cutout<D, T, A>(image, alpha, out, {});
        });
  });
}

TEST(cuda_composite_over_an_image) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    constexpr bool kSame = std::is_same_v<T, A>;
    for (const bool linear : {false, true})
      same_at_all_sizes<T>(
          "composite over an image", 3, linear && kRounding<T> < 1.0 ? 1e-5 : kRounding<T>,
          [&](auto h, auto w) {
            return std::tuple(noise<T>(h, w, kSame ? 4 : 3, 13), alpha_of<A>(true, h, w),
                              noise<T>(h, w, kSame == linear ? 4 : 3, 14));
          },
          [&]<DeviceKind D>(DeviceTag<D>, auto front, auto alpha, auto back, auto out) {
            composite<D, T, A>(front, alpha, back, out, {{}, linear}, {});
          });
  });
}

TEST(cuda_composite_over_a_colour) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const bool linear : {false, true})
      same_at_all_sizes<T>(
          "composite over a colour", 3, linear && kRounding<T> < 1.0 ? 1e-5 : kRounding<T>,
          [](auto h, auto w) {
            return std::tuple(noise<T>(h, w, 3, 15), alpha_of<T>(false, h, w));
          },
          [&]<DeviceKind D>(DeviceTag<D>, auto front, auto alpha, auto out) {
            composite<D, T, T>(front, alpha, {}, out, {{1.0f, 0.5f, 0.0f}, linear}, {});
          });
  });
}

namespace {

// (planes, height, width) as (height, width, planes): what a permuted tensor needs.
template <class T>
void check_pack(std::ptrdiff_t planes, std::ptrdiff_t h, std::ptrdiff_t w) {
  const auto tensor = noise<T>(planes * h, w, 1, 16);
  const DeviceImage<T> from(tensor.read(), {}), to(h, w, static_cast<int>(planes), {});
  constexpr auto kItem = static_cast<std::ptrdiff_t>(sizeof(T));
  cuda::pack(to.view().data, from.view().data, {h, w, planes}, {w * kItem, kItem, h * w * kItem},
             kItem, {});
  bool same = true;
  to.download([&](std::ptrdiff_t y, const T* row) {
    for (std::ptrdiff_t i = 0; i < w * planes; ++i)
      same &= row[i] == tensor.at(i % planes * h + y, i / planes);
  });
  CHECK(same);
}

}  // namespace

TEST(cuda_pack) {
  for_orders([] {
    for (const auto& [h, w] : kGpuSizes)
      for_depths([&, height = h, width = w](auto t) { check_pack<decltype(t)>(3, height, width); });
  });
}

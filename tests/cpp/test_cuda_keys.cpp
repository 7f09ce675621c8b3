// Soft keys, linear light and what is made of a screen's plate on the GPU, or on the stand-in for
// one, against the CPU's.
#include <algorithm>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "both_devices.hpp"
#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/despill.hpp"
#include "pixel/key_soft.hpp"
#include "pixel/project.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

// A plate of 3 channels, green and uneven; or models of 4 around 0.
Image<float> grid_of(int channels) {
  auto grid = noise<float>(5, 7, channels, 61);
  for (std::size_t i = 0; i < grid.size(); ++i) {
    float& v = grid.begin()[i];
    v = channels == 4 ? v - 0.4f : i % 3 == 1 ? 0.6f + 0.4f * v : 0.3f * v;
  }
  return grid;
}

struct SoftKey {
  SoftKeyOptions options;
  bool with_grid;
};
constexpr SoftKey kSoftKeys[] = {
    {{.method = SoftKeyMethod::kFfmpeg, .tolerance = 0.1, .softness = 0.5}, false},
    {{.method = SoftKeyMethod::kObs, .tolerance = 0.1, .softness = 0.5, .linear = true}, false},
    {{.channel = 2, .color = {0.1, 0.2, 0.9}, .black = 0.02, .white = 0.97}, false},
    {{.linear = true}, true},
    {{.method = SoftKeyMethod::kPlate, .cell = 16}, true}};

ImageView<const float> grid_for(const SoftKey& key, const ImageView<const float>& grid) {
  return key.with_grid ? grid : ImageView<const float>{};
}
int grid_channels(const SoftKey& key) {
  return key.options.method == SoftKeyMethod::kPlate ? 4 : 3;
}

// Errors of floats, times what the keys multiply them by.
template <class T>
constexpr double kSoftTolerance = std::max(kRounding<T>, 4e-5 * static_cast<double>(kFullScale<T>));

}  // namespace

TEST(cuda_soft_key) {
  for_depth_pairs([](auto t, auto a) {
    using T = decltype(t);
    using A = decltype(a);
    if (kSlow && !std::is_same_v<T, A>) return;
    for (const SoftKey& key : kSoftKeys)
      same_at_all_sizes<A>(
          "soft_key", 1, kSoftTolerance<A>,
          [&](auto h, auto w) {
            return std::tuple(noise<T>(h, w, std::is_same_v<T, A> ? 3 : 4, 62),
                              grid_of(grid_channels(key)));
          },
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto grid, auto out) {
            soft_key<D, T, A>(image, out, grid_for(key, grid), key.options, {});
          });
  });
}

TEST(cuda_soft_key_cutout) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const SoftKey& key : kSoftKeys)
      for (const bool premultiplied : {false, true}) {
        // A colour that is hidden by an alpha of 0 may be shown by the least above it.
        const double least = kSoftTolerance<T>;
        const Tolerance hidden(static_cast<double>(kFullScale<T>), least);
        same_at_all_sizes<T>(
            "soft_key_cutout", 4, premultiplied ? Tolerance(least) : hidden,
            [&](auto h, auto w) {
              return std::tuple(noise<T>(h, w, premultiplied ? 3 : 4, 63),
                                grid_of(grid_channels(key)));
            },
            [&]<DeviceKind D>(DeviceTag<D>, auto image, auto grid, auto out) {
              soft_key_cutout<D, T>(image, out, grid_for(key, grid), key.options, {}, premultiplied,
                                    {});
            });
      }
  });
}

TEST(cuda_decode) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const bool linear : {false, true})
      same_at_all_sizes<float>(
          "decode", 3, kRounding<float>,
          [&](auto h, auto w) { return std::tuple(noise<T>(h, w, linear ? 4 : 3, 64)); },
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto out) {
            decode<D, T>(image, out, linear, {});
          });
  });
}

TEST(cuda_to_linear_and_back) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const int channels : {3, 4}) {
      same_at_all_sizes<float>(
          "to_linear", channels, kRounding<float>,
          [&](auto h, auto w) { return std::tuple(noise<T>(h, w, channels, 65)); },
          []<DeviceKind D>(DeviceTag<D>, auto image, auto out) {
            to_linear<D, T>(image, out, {});
          });
      same_at_all_sizes<T>(
          "to_srgb", channels, kRounding<T>,
          [&](auto h, auto w) { return std::tuple(noise<float>(h, w, channels, 66)); },
          []<DeviceKind D>(DeviceTag<D>, auto light, auto out) { to_srgb<D, T>(light, out, {}); });
    }
  });
}

TEST(cuda_project_alpha) {
  // Where foreground and background are near to each other little moves alpha far.
  constexpr Tolerance kTolerance(0.01, 1e-5);
  for_depths([&](auto t) {
    using T = decltype(t);
    for (const int cell : {0, 16})
      same_at_all_sizes<float>(
          "project_alpha", 1, kTolerance,
          [&](auto h, auto w) {
            return std::tuple(noise<T>(h, w, cell ? 3 : 4, 67), noise<T>(h, w, cell ? 4 : 3, 68),
                              grid_of(3), trimap_of_disk(h, w, 20.0), noise<float>(h, w, 1, 69));
          },
          [&]<DeviceKind D>(DeviceTag<D>, auto image, auto foreground, auto plate, auto trimap,
                            auto alpha, auto out) {
            project_alpha<D, T>(image, foreground, plate, trimap, alpha, out, {0.05f, cell}, {});
          });
  });
}

TEST(cuda_plate_image) {
  for_depths([](auto t) {
    using T = decltype(t);
    for (const int cell : {0, 1, 16})
      same_at_all_sizes<T>(
          "plate_image", 3, std::max(kRounding<T>, 3e-6),
          [](auto, auto) { return std::tuple(grid_of(3)); },
          [&]<DeviceKind D>(DeviceTag<D>, auto plate, auto out) {
            plate_image<D, T>(plate, out, cell, {});
          });
  });
}

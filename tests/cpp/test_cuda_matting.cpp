// The alpha solver on the GPU, or on the stand-in for one, against the CPU's: the same method, but
// sums in another order.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "both_devices.hpp"
#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/matting.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr Tolerance kTolerance{2e-3, 1e-4};

// A soft disk over a background, both of slowly changing colours, and some grain.
template <class T>
Image<T> photo(std::ptrdiff_t h, std::ptrdiff_t w) {
  Image<T> image(h, w, 3);
  const auto grain = noise<float>(h, w, 3, 41);
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      const double u = static_cast<double>(x) / static_cast<double>(w);
      const double v = static_cast<double>(y) / static_cast<double>(h);
      const double alpha = std::clamp(0.5 - outside_disk(h, w, y, x) / 6.0, 0.0, 1.0);
      const double front[] = {0.8, 0.4 + 0.3 * u, 0.2 + 0.2 * v};
      const double back[] = {0.1 + 0.3 * v, 0.3, 0.8 - 0.4 * u};
      for (int c = 0; c < 3; ++c) {
        const double value =
            alpha * front[c] + (1.0 - alpha) * back[c] + 0.04 * double{grain.at(y, x, c)};
        image.at(y, x, c) = static_cast<T>(value * double{kFullScale<T>});
      }
    }
  return image;
}

template <class T>
void same_alpha(const MattingOptions& options, const Image<T>& image,
                const Image<std::uint8_t>& trimap, const Image<float>& mask = Image<float>(1, 1)) {
  MattingInfo cpu, cuda;
  same_on_both(
      "estimate_alpha", kTolerance,
      [&]<DeviceKind D>(DeviceTag<D>, auto pixels, auto classes, auto rough, auto out) {
        MattingInfo& info = D == DeviceKind::kCPU ? cpu : cuda;
        const auto used = rough.pixels() > 1 ? rough : ImageView<const float>{};
        estimate_alpha<D, T>(pixels, classes, used, out, options, &info, {});
      },
      Image<float>(image.view().height, image.view().width), image, trimap, mask);
  CHECK(cuda.unknown == cpu.unknown && cuda.levels == cpu.levels);
  // Of one level these are the conjugate gradients' that run until they converge: rounding may cost
  // or save some of them.
  const int apart = std::abs(cuda.iterations - cpu.iterations);
  CHECK(apart <= (cpu.levels > 1 ? 0 : 2 + cpu.iterations / 4));
  CHECK(std::abs(cuda.residual - cpu.residual) < 0.01);
}

template <class T>
void same_alpha(MattingQuality quality, const Image<T>& image, const Image<std::uint8_t>& trimap,
                const Image<float>& mask = Image<float>(1, 1)) {
  MattingOptions options;
  options.quality = quality;
  same_alpha(options, image, trimap, mask);
}

template <class T>
void same_alpha(MattingQuality quality, std::ptrdiff_t h, std::ptrdiff_t w, double band) {
  same_alpha(quality, photo<T>(h, w), trimap_of_disk(h, w, band));
}

}  // namespace

TEST(cuda_estimate_alpha_of_one_level) {
  same_alpha<float>(MattingQuality::kBalanced, 31, 17, 2.0);
  same_alpha<std::uint8_t>(MattingQuality::kFast, 20, 90, 2.0);
}

TEST(cuda_estimate_alpha_of_two_levels) {
  same_alpha<float>(MattingQuality::kFast, 51, 97, 2.0);
  same_alpha<std::uint8_t>(MattingQuality::kBalanced, 51, 97, 2.0);
}

// The coarsest level is so small that one block solves it; then all go on together.
TEST(cuda_estimate_alpha_by_one_block_and_by_all) {
  same_alpha<std::uint16_t>(MattingQuality::kFast, 57, 64, 2.0);
  same_alpha<std::uint8_t>(MattingQuality::kBalanced, 57, 64, 2.0);
}

// Or it is too wide for the one block's shared memory, or has too many unknown pixels.
TEST(cuda_estimate_alpha_by_all_on_the_coarsest_level_too) {
  same_alpha<std::uint8_t>(MattingQuality::kFast, 45, 133, 2.0);
  if (kSlow) return;
  same_alpha<float>(MattingQuality::kBalanced, 44, 265, 3.0);
  const Image<std::uint8_t> trimap(47, 57);
  for (std::size_t i = 0; i < trimap.size(); ++i)
    trimap.begin()[i] = i % 57 < 4    ? kTrimapForeground
                        : i % 57 > 52 ? kTrimapBackground
                                      : kTrimapUnknown;
  same_alpha(MattingQuality::kBalanced, photo<std::uint8_t>(47, 57), trimap);
}

TEST(cuda_estimate_alpha_makes_room_for_what_is_unknown) {
  MattingOptions options;
  options.unasked_bytes = 0;
  for (const auto& [h, w] : {std::pair{31, 17}, {57, 64}, {130, 101}})
    same_alpha(options, photo<std::uint8_t>(h, w), trimap_of_disk(h, w, 2.0));
  const Image<std::uint8_t> known(70, 60);  // nothing is
  same_alpha(options, photo<std::uint8_t>(70, 60), known);
}

TEST(cuda_estimate_alpha_of_wide_bands) {
  if (kSlow) return;
  same_alpha<std::uint8_t>(MattingQuality::kBalanced, 70, 97, 6.0);
  same_alpha<std::uint16_t>(MattingQuality::kFast, 150, 130, 8.0);
  same_alpha<float>(MattingQuality::kBalanced, 150, 130, 8.0);
}

TEST(cuda_estimate_alpha_leans_on_the_same_masks) {
  const auto rough = noise<float>(20, 33, 1, 43);
  same_alpha(MattingQuality::kBalanced, photo<std::uint8_t>(57, 64), trimap_of_disk(57, 64, 4.0),
             rough);
  same_alpha(MattingQuality::kFast, photo<float>(51, 97), trimap_of_disk(51, 97, 3.0), rough);
  if (kSlow) return;
  same_alpha(MattingQuality::kFast, photo<std::uint16_t>(150, 131), trimap_of_disk(150, 131, 8.0),
             noise<float>(7, 1, 1, 44));
}

TEST(cuda_estimate_alpha_by_a_mask_without_one_of_the_classes) {
  const auto rough = noise<float>(20, 33, 1, 45);
  for (const unsigned char known : {kTrimapForeground, kTrimapUnknown}) {
    const Image<std::uint8_t> trimap(57, 64);
    for (std::size_t i = 0; i < trimap.size(); ++i)
      trimap.begin()[i] = i % 64 < 20 ? known : kTrimapUnknown;
    same_alpha(MattingQuality::kFast, photo<std::uint8_t>(57, 64), trimap, rough);
  }
}

TEST(cuda_estimate_alpha_of_thin_images) {
  for (const auto& [h, w] : {std::pair{2, 9}, {9, 2}, {1, 1}}) {
    const Image<std::uint8_t> trimap(h, w);
    const std::size_t size = trimap.size();
    for (std::size_t i = 0; i < size; ++i)
      trimap.begin()[i] = 3 * i < size       ? kTrimapForeground
                          : 3 * i > 2 * size ? kTrimapBackground
                                             : kTrimapUnknown;
    same_alpha(MattingQuality::kBalanced, photo<std::uint8_t>(h, w), trimap);
  }
}

TEST(cuda_estimate_alpha_without_one_of_the_classes) {
  for (const unsigned char known : {kTrimapForeground, kTrimapBackground, kTrimapUnknown})
    for (const unsigned char rest : {known, kTrimapUnknown}) {
      const Image<std::uint8_t> trimap(30, 60);
      for (std::size_t i = 0; i < trimap.size(); ++i)
        trimap.begin()[i] = i % 60 < 40 ? known : rest;
      same_alpha(MattingQuality::kBalanced, photo<std::uint8_t>(30, 60), trimap);
    }
}

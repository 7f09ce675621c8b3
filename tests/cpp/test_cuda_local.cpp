// Shared sampling and the guided filter on the GPU, or on the stand-in for one, against the CPU's.
// Both choose the same samples, so that no pixel is far off.
#include <cstddef>
#include <cstdint>

#include "both_devices.hpp"
#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/sampling.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr Tolerance kTolerance{1e-4};

template <class T>
void same_alpha(const Image<T>& image, const Image<std::uint8_t>& trimap) {
  const Image<float> alpha(image.view().height, image.view().width);
  same_on_both(
      "sample_alpha", kTolerance,
      []<DeviceKind D>(DeviceTag<D>, auto pixels, auto classes, auto out) {
        sample_alpha<D, T>(pixels, classes, out, {}, {}, {});
      },
      alpha, image, trimap);
  same_on_both(
      "guide_alpha", kTolerance,
      []<DeviceKind D>(DeviceTag<D>, auto pixels, auto classes, auto out) {
        guide_alpha<D, T>(pixels, classes, out, {});
      },
      alpha, image, trimap);
}

template <class T>
void same_alpha(std::ptrdiff_t h, std::ptrdiff_t w, double band) {
  same_alpha(noise<T>(h, w, 3, 51), trimap_of_disk(h, w, band));
  same_alpha(noise<T>(h, w, 4, 52), trimap_of_disk(h, w, band));
}

}  // namespace

TEST(cuda_local_alpha_of_bands) {
  same_alpha<std::uint8_t>(33, 65, 4.0);
  same_alpha<std::uint16_t>(31, 70, 6.0);
  same_alpha<float>(50, 34, 5.0);
}

TEST(cuda_local_alpha_of_lines) {
  same_alpha<std::uint8_t>(1, 130, 10.0);
  same_alpha<float>(70, 1, 10.0);
  same_alpha<std::uint16_t>(1, 1, 10.0);
}

TEST(cuda_local_alpha_of_cells_of_several_pixels) {
  if (kSlow) return;
  same_alpha<std::uint8_t>(40, 230, 6.0);
  same_alpha<float>(201, 13, 6.0);
}

TEST(cuda_local_alpha_without_one_of_the_classes) {
  for (const unsigned char known : {kTrimapForeground, kTrimapBackground, kTrimapUnknown}) {
    const Image<std::uint8_t> trimap(12, 40);
    for (std::size_t i = 0; i < trimap.size(); ++i)
      trimap.begin()[i] = i % 40 < 5 ? known : kTrimapUnknown;
    same_alpha(noise<std::uint8_t>(12, 40, 3, 53), trimap);
  }
}

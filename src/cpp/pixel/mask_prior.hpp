// How far alpha leans on the rough mask that its trimap was made of.
//
// In a window around each pixel the colours of what the mask holds for foreground and for
// background say how well matting can tell the two apart. Where it cannot, a mask that is decided
// is the better judge; where it can, matting is, and it is at hair and fur. Two kinds of places the
// mask decides alone: those where it is half-sure over a wide area, which is no edge, and those
// without known pixels of both sides nearby, as thin and small things are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/host_device.hpp"
#include "core/image_view.hpp"
#include "pixel/depth.hpp"
#include "pixel/grid.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {

// Fitted to the masks of U2-NetP on photographs with drawn masks and with true alpha.
inline constexpr float kMaskDecidedWeight = 0.6f;  // of a mask that is surely 0 or 1
inline constexpr float kMaskUnsureWeight = 0.3f;   // of any mask amid a wide unsure area
inline constexpr float kMaskUnsureFrom = 0.3f, kMaskUnsureTo = 0.6f;  // mean 1 - |2 mask - 1|
inline constexpr float kMaskAlikeTo = 1.5f, kMaskApartFrom = 3.5f;    // in standard deviations
inline constexpr float kMaskApartShare = 0.01f;   // of the weight, where colours are far apart
inline constexpr float kMaskLeastKnown = 0.02f;   // of a window, for matting to have a say
inline constexpr float kMaskGain = 1.3f;          // of the mask around one half
inline constexpr float kMaskVariance = 1e-3f;     // of colours in [0, 1], added to any other
inline constexpr float kMaskLeastSeen = 1e-4f;    // of a window
inline constexpr float kMaskFinerShare = 0.125f;  // of the weight, on each finer level

// Pixels to each side of a window's middle: a tenth of the image's side across.
inline int mask_prior_radius(std::ptrdiff_t height, std::ptrdiff_t width) {
  const double side = std::sqrt(static_cast<double>(height) * static_cast<double>(width));
  return std::max(1, static_cast<int>(side / 20.0 + 0.5));
}

// What is averaged over a window: for the foreground and the background the share, and of the three
// colour axes the sum and the sum of squares; unsureness; what the trimap knows of both.
inline constexpr int kMaskSideMoments = 7, kMaskMoments = 2 * kMaskSideMoments + 3;

TRIMATTE_HD float unit_step(float value, float from, float to) {
  return clip_unit((value - from) / (to - from));
}

TRIMATTE_HD void mask_moments(float r, float g, float b, float mask, std::uint8_t known,
                              float (&moments)[kMaskMoments]) {
  // Axes along which the colours of photographs vary independently: lightness, and two hues.
  const float axis[3] = {0.577350f * (r + g + b), 0.707107f * (r - g),
                         0.408248f * (r + g - 2.0f * b)};
  const float sure = 2.0f * mask - 1.0f;
  const float share[2] = {sure > 0.0f ? sure * sure : 0.0f, sure < 0.0f ? sure * sure : 0.0f};
  for (int side = 0; side < 2; ++side) {
    float* of = moments + side * kMaskSideMoments;
    of[0] = share[side];
    for (int c = 0; c < 3; ++c) {
      of[1 + c] = share[side] * axis[c];
      of[4 + c] = share[side] * axis[c] * axis[c];
    }
  }
  float* rest = moments + 2 * kMaskSideMoments;
  rest[0] = 1.0f - (sure < 0.0f ? -sure : sure);
  rest[1] = known == kTrimapForeground ? 1.0f : 0.0f;
  rest[2] = known == kTrimapBackground ? 1.0f : 0.0f;
}

// The term weight (alpha - target / weight)^2 of the energy.
struct PriorTerm {
  float weight = 0.0f, target = 0.0f;
};

// Of a pixel whose mask is `mask` and whose window has these means.
TRIMATTE_HD PriorTerm mask_prior_term(const float (&mean)[kMaskMoments], float mask) {
  const float *front = mean, *back = mean + kMaskSideMoments, *rest = back + kMaskSideMoments;
  const float per_front = 1.0f / (front[0] + kMaskLeastSeen);
  const float per_back = 1.0f / (back[0] + kMaskLeastSeen);
  float apart = 0.0f;  // squared
  for (int c = 0; c < 3; ++c) {
    const float f = front[1 + c] * per_front, b = back[1 + c] * per_back;
    const float front_variance = front[4 + c] * per_front - f * f;
    const float back_variance = back[4 + c] * per_back - b * b;
    const float variance = (front_variance > 0.0f ? front_variance : 0.0f) +
                           (back_variance > 0.0f ? back_variance : 0.0f) + kMaskVariance;
    apart += (f - b) * (f - b) / variance;
  }
  const float alike = 1.0f - unit_step(std::sqrt(apart), kMaskAlikeTo, kMaskApartFrom);
  float lean = kMaskApartShare + (1.0f - kMaskApartShare) * alike;
  const float least = rest[1] < rest[2] ? rest[1] : rest[2];
  const float lost = 1.0f - unit_step(least, 0.0f, kMaskLeastKnown);
  lean = lost > lean ? lost : lean;
  const float decided = mask < 0.5f ? 1.0f - 2.0f * mask : 2.0f * mask - 1.0f;
  const float unsure = unit_step(rest[0], kMaskUnsureFrom, kMaskUnsureTo);
  const float weight = kMaskDecidedWeight * decided * lean + kMaskUnsureWeight * unsure;
  return {weight, weight * clip_unit((mask - 0.5f) * kMaskGain + 0.5f)};
}

// How many of a line's cells the window around one of them has.
TRIMATTE_HD std::ptrdiff_t mask_window_cells(std::ptrdiff_t at, std::ptrdiff_t radius,
                                             std::ptrdiff_t cells) {
  const std::ptrdiff_t first = at > radius ? at - radius : 0;
  const std::ptrdiff_t last = at + radius < cells ? at + radius : cells - 1;
  return last - first + 1;
}

// A plane that is stretched over an image, between two of its rows and two of its columns.
TRIMATTE_HD float sample_plane(const ImageView<const float>& plane, const GridPoint<float>& y,
                               const GridPoint<float>& x) {
  const float *low = plane.row(y.low), *high = plane.row(y.high);
  return mix(mix(low[x.low], low[x.high], x.t), mix(high[x.low], high[x.high], x.t), y.t);
}

}  // namespace trimatte

// Alpha as a local linear function of colour, fitted to the known pixels of large windows: a guided
// filter whose input counts where it is known only.
//
// He, Sun: Fast Guided Filter, arXiv 1505.00996. The image is reduced to cells; the model of a
// window of cells is the linear regression of 1 on the foreground's and 0 on the background's
// colours; a pixel takes the mean model of the windows around it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"
#include "pixel/matting.hpp"
#include "pixel/sampling.hpp"

namespace trimatte {

inline constexpr std::ptrdiff_t kGuideCells = 100;  // along the longer side, at most
inline constexpr int kGuideRadius = 10;             // of a window, in cells
inline constexpr int kGuideMeanRadius = 5;          // models are averaged over
inline constexpr double kGuideEpsilon = 3e-5;
inline constexpr double kGuideOneSided = 1e-3;  // weight of a window that knows one class only
inline constexpr double kGuideBlind = 1e-9;     // and of one that knows none

struct GuideGrid {
  std::ptrdiff_t side, rows, columns;  // pixels of a cell's side, cells

  GuideGrid(std::ptrdiff_t height, std::ptrdiff_t width) {
    const std::ptrdiff_t longer = height > width ? height : width;
    side = (longer + kGuideCells - 1) / kGuideCells;
    rows = (height + side - 1) / side;
    columns = (width + side - 1) / side;
  }
  TRIMATTE_HD std::ptrdiff_t cells() const { return rows * columns; }
};

// Of the foreground, then of the background: pixels, and sums of their colours of ten bits. Whole
// numbers, and so exact.
inline constexpr int kGuideCounts = 8;

// Of each class: number, sums of colours, sums of their products.
inline constexpr int kGuideClassMoments = 10, kGuideMoments = 2 * kGuideClassMoments;

// A cell's colours count as their mean.
TRIMATTE_HD void guide_moments(const std::int32_t (&counts)[kGuideCounts],
                               double* __restrict moments) {
  constexpr double unit = 1.0 / kSamplingScale;
  for (int k = 0; k < 2; ++k) {
    const std::int32_t* from = counts + 4 * k;
    double* to = moments + kGuideClassMoments * k;
    const double n = from[0], r = from[1] * unit, g = from[2] * unit, b = from[3] * unit;
    const double inverse = n > 0.0 ? 1.0 / n : 0.0;
    to[0] = n, to[1] = r, to[2] = g, to[3] = b;
    to[4] = r * r * inverse, to[5] = r * g * inverse, to[6] = r * b * inverse;
    to[7] = g * g * inverse, to[8] = g * b * inverse, to[9] = b * b * inverse;
  }
}

// alpha = a . I + b, times a weight, and the weight.
inline constexpr int kGuideModel = 5;

// The regression of a window; where it knows nothing, that of the whole image.
TRIMATTE_HD void guide_model(const double* __restrict window, const double* __restrict whole,
                             double* __restrict model) {
  const auto knows = [](const double* m) { return m[0] > 0.0 || m[kGuideClassMoments] > 0.0; };
  const double* moments = knows(window) ? window : whole;
  const double *front = moments, *back = moments + kGuideClassMoments;
  const double nf = front[0], nb = back[0];
  const double weight = moments == whole       ? kGuideBlind
                        : nf > 0.0 && nb > 0.0 ? 1.0
                                               : kGuideOneSided;
  model[0] = model[1] = model[2] = 0.0;
  model[3] = 0.5 * weight;
  model[4] = weight;
  if (!knows(moments)) return;
  // The larger class counts for less than its number.
  const double p = std::sqrt(nf) / (std::sqrt(nf) + std::sqrt(nb)), q = 1.0 - p;
  const double inverse_f = nf > 0.0 ? 1.0 / nf : 0.0, inverse_b = nb > 0.0 ? 1.0 / nb : 0.0;
  const double pf = p * inverse_f, pb = q * inverse_b;
  double mean[3], a[3], products[6];
  for (int c = 0; c < 3; ++c) {
    mean[c] = pf * front[1 + c] + pb * back[1 + c];
    a[c] = p * q * (front[1 + c] * inverse_f - back[1 + c] * inverse_b);
  }
  for (int i = 0; i < 6; ++i) products[i] = pf * front[4 + i] + pb * back[4 + i];
  const ColorFactor<double> factor = factor_covariance(
      products[0] - mean[0] * mean[0], products[1] - mean[0] * mean[1],
      products[2] - mean[0] * mean[2], products[3] - mean[1] * mean[1],
      products[4] - mean[1] * mean[2], products[5] - mean[2] * mean[2], kGuideEpsilon);
  solve_factored(factor, a[0], a[1], a[2]);
  for (int c = 0; c < 3; ++c) model[c] = weight * a[c];
  model[3] = weight * (p - a[0] * mean[0] - a[1] * mean[1] - a[2] * mean[2]);
}

// The two cells that a pixel lies between along an axis, and how far it is from the first.
struct GuidePlace {
  std::ptrdiff_t first, second;
  float part;

  TRIMATTE_HD GuidePlace(std::ptrdiff_t at, std::ptrdiff_t side, std::ptrdiff_t cells) {
    // In halves of a pixel, so that there is no rounding.
    const std::ptrdiff_t from = 2 * at + 1 - side, whole = from < 0 ? -1 : from / (2 * side);
    part = static_cast<float>(from - whole * 2 * side) / static_cast<float>(2 * side);
    first = whole < 0 ? 0 : whole;
    second = whole + 1 < cells ? whole + 1 : cells - 1;
  }
};

TRIMATTE_HD float guide_between(float first, float second, float part) {
  return first + part * (second - first);
}

// A pixel of an image of any depth, by the model of its place.
TRIMATTE_HD float guided_alpha(float r, float g, float b, const float (&model)[4]) {
  return clip_unit(model[0] * r + model[1] * g + model[2] * b + model[3]);
}

}  // namespace trimatte

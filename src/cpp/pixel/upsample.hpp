// A mask carried to a larger image, along the image's edges: around each sample of the mask the
// regression of 3x3 samples on the colours of as many cells of the image, evaluated at the image's
// own pixels, within the range of those samples.
//
// He, Sun: Fast Guided Filter, arXiv 1505.00996, with the mask's own grid as the small one, and
// without the mean over windows, which would blur more than edges gain by it.
#pragma once

#include <cstddef>

#include "core/host_device.hpp"
#include "core/image_view.hpp"
#include "pixel/depth.hpp"
#include "pixel/grid.hpp"
#include "pixel/matting.hpp"

namespace trimatte {

// The variance of colours in [0, 1] that counts as none.
inline constexpr float kUpsampleEpsilon = 1e-5f;

// mask = a . I + b, within [low, high].
struct MaskModel {
  float a0, a1, a2, b, low, high;
};

TRIMATTE_HD std::ptrdiff_t upsample_neighbour(std::ptrdiff_t at, int offset, std::ptrdiff_t count) {
  const std::ptrdiff_t place = at + offset;
  return place < 0 ? 0 : place < count ? place : count - 1;
}

// The model around a sample; `cells` is the image in the mask's size, and beyond a border its last
// samples repeat.
template <class T, class A>
TRIMATTE_HD MaskModel mask_model(const ImageView<const T>& cells, const ImageView<const A>& mask,
                                 std::ptrdiff_t y, std::ptrdiff_t x) {
  constexpr float kNinth = 1.0f / 9.0f;
  float color[9][3], alpha[9], mean[3] = {}, level = 0.0f;
  MaskModel model{0.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f};
  for (int q = 0; q < 9; ++q) {
    const std::ptrdiff_t row = upsample_neighbour(y, q / 3 - 1, cells.height);
    const std::ptrdiff_t column = upsample_neighbour(x, q % 3 - 1, cells.width);
    const T* pixel = cells.row(row) + cells.channels * column;
    for (int c = 0; c < 3; ++c) mean[c] += color[q][c] = to_unit(pixel[c]);
    alpha[q] = to_unit(mask.row(row)[column]);
    level += alpha[q];
    model.low = alpha[q] < model.low ? alpha[q] : model.low;
    model.high = alpha[q] > model.high ? alpha[q] : model.high;
  }
  level *= kNinth;
  for (int c = 0; c < 3; ++c) mean[c] *= kNinth;
  for (int q = 0; q < 9; ++q) {
    for (int c = 0; c < 3; ++c) color[q][c] -= mean[c];
    alpha[q] -= level;
    model.a0 += kNinth * color[q][0] * alpha[q];
    model.a1 += kNinth * color[q][1] * alpha[q];
    model.a2 += kNinth * color[q][2] * alpha[q];
  }
  solve_factored(factor_window(color, kUpsampleEpsilon), model.a0, model.a1, model.a2);
  model.b = level - model.a0 * mean[0] - model.a1 * mean[1] - model.a2 * mean[2];
  return model;
}

// The two samples that a pixel lies between along an axis, and how far it is from the first.
struct UpsamplePlace {
  std::ptrdiff_t first, second;
  float part;

  TRIMATTE_HD UpsamplePlace(std::ptrdiff_t at, std::ptrdiff_t pixels, std::ptrdiff_t samples) {
    // In halves of a sample and a pixel, so that there is no rounding.
    const std::ptrdiff_t from = (2 * at + 1) * samples - pixels;
    const std::ptrdiff_t whole = from < 0 ? -1 : from / (2 * pixels);
    part = static_cast<float>(from - whole * 2 * pixels) / static_cast<float>(2 * pixels);
    first = whole < 0 ? 0 : whole;
    second = whole + 1 < samples ? whole + 1 : samples - 1;
  }
};

TRIMATTE_HD MaskModel between_models(const MaskModel& first, const MaskModel& second, float part) {
  return {mix(first.a0, second.a0, part),   mix(first.a1, second.a1, part),
          mix(first.a2, second.a2, part),   mix(first.b, second.b, part),
          mix(first.low, second.low, part), mix(first.high, second.high, part)};
}

// The mask at a pixel of this colour, by the model of its place.
TRIMATTE_HD float upsampled_mask(float r, float g, float b, const MaskModel& model) {
  float alpha = model.a0 * r + model.a1 * g + model.a2 * b + model.b;
  alpha = alpha > model.low ? alpha : model.low;
  return clip_unit(alpha < model.high ? alpha : model.high);
}

}  // namespace trimatte

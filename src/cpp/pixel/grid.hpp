// Bilinear samples of a coarse grid over an image.
#pragma once

#include <cmath>
#include <cstddef>

#include "core/host_device.hpp"

namespace trimatte {

// Two neighbours of a grid's side, and how far from the first to the second a pixel lies. Beyond
// the middles of the outermost cells both are the outermost.
template <class Real>
struct GridPoint {
  std::ptrdiff_t low, high;
  Real t;
};

// Pixel x of a side on which there are `scale` cells a pixel: u = (x + 0.5) * scale - 0.5.
template <class Real>
TRIMATTE_HD GridPoint<Real> grid_point(std::ptrdiff_t x, Real scale, std::ptrdiff_t cells) {
  const Real u = (static_cast<Real>(x) + Real(0.5)) * scale - Real(0.5);
  const Real whole = std::floor(u);
  const auto held = [cells](std::ptrdiff_t i) { return i < 0 ? 0 : i < cells ? i : cells - 1; };
  const auto i = static_cast<std::ptrdiff_t>(whole);
  return {held(i), held(i + 1), u - whole};
}

// Cells a pixel: a grid of square cells, or one that spans the image.
inline double grid_scale(std::ptrdiff_t cells, std::ptrdiff_t pixels, int cell) {
  return cell > 0 ? 1.0 / cell : static_cast<double>(cells) / static_cast<double>(pixels);
}

template <class Real>
TRIMATTE_HD Real mix(Real from, Real to, Real t) {
  return from + t * (to - from);
}

}  // namespace trimatte

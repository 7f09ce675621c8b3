// Erosion and dilation of alpha by a disk: minima, or maxima, over the pixels within a radius.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {

inline constexpr int kLargestChoke = 64;  // pixels

struct ChokeOptions {
  double radius = 0.0;  // > 0: erosion, < 0: dilation
};

// The two disks of whole radii around a radius, and how much of the larger one's result counts.
struct ChokeDisks {
  int lower, upper;
  float part;
};
inline ChokeDisks choke_disks(const ChokeOptions& options) {
  const double radius = std::fabs(options.radius), lower = std::floor(radius);
  return {static_cast<int>(lower), static_cast<int>(std::ceil(radius)),
          static_cast<float>(radius - lower)};
}

// A disk is made of rows of pixels. Its minimum is taken from the middle row outwards: minima of
// what there is so far over as many pixels as the next rows are shorter, then with these rows,
//   rows 0, then for i = 1 ... radius: spread by choke_step(i), min with rows -i and +i.
TRIMATTE_HD int choke_step(int radius, int row) {
  const std::int64_t square = std::int64_t{radius} * radius;
  return disk_half_width(square, row - 1) - disk_half_width(square, row);
}

// A spread by n pixels to both sides is made of spreads by one shift: with what spans `covered`
// pixels to both sides, shifts by up to twice that and one leave no gap.
TRIMATTE_HD int choke_shift(int wanted, int covered) {
  return wanted - covered < 2 * covered + 1 ? wanted - covered : 2 * covered + 1;
}

// Minima, and what is above all samples; or maxima, and what is below them.
template <bool Spread, class T>
TRIMATTE_HD T choke_pick(T a, T b) {
  return (Spread ? b < a : a < b) ? a : b;
}
template <bool Spread, class T>
TRIMATTE_HD T choke_outside() {
  return Spread ? T(0) : sizeof(T) == 4 ? T(1) : static_cast<T>(~0u);
}

// Between the results of two disks; integers round half up.
template <class T>
TRIMATTE_HD T choke_between(T lower, T upper, float part) {
  const float first = static_cast<float>(lower);
  const float v = first + part * (static_cast<float>(upper) - first);
  return sizeof(T) == 4 ? static_cast<T>(v) : static_cast<T>(static_cast<int>(v + 0.5f));
}

}  // namespace trimatte

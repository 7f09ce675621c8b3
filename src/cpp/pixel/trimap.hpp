// Trimap of a mask: sure foreground and sure background are what survives an erosion.
#pragma once

#include <cmath>

#include "core/host_device.hpp"

namespace trimatte {

inline constexpr unsigned char kTrimapBackground = 0;
inline constexpr unsigned char kTrimapUnknown = 128;
inline constexpr unsigned char kTrimapForeground = 255;

// Known as PyMatting knows it: below 0.1 of full scale background, above 0.9 foreground.
TRIMATTE_HD bool trimap_is_background(unsigned char t) {
  return t < 26;
}
TRIMATTE_HD bool trimap_is_foreground(unsigned char t) {
  return t > 229;
}

struct TrimapOptions {
  double low = 10.0;      // in units of the mask's samples: mask < low is background
  double high = 240.0;    // mask > high is foreground
  double outside = 10.0;  // radius of the disk that eats into the background, pixels
  double inside = 10.0;   // and into the foreground
  int square = 0;         // > 0: rembg's n x n square instead of the disks
};

struct TrimapRadii {
  double outside = 0.0, inside = 0.0;
};

// How far a disk reaches to each side, dy rows above or below its centre; -1: not at all. The
// square of a radius that is the root of a whole number counts as that number.
TRIMATTE_HD int disk_half_width(double radius, int dy) {
  double square = radius * radius;
  const double whole = std::floor(square + 0.5);
  if (std::fabs(square - whole) < 1e-9 * (whole + 1.0)) square = whole;
  const double rest = square - static_cast<double>(dy) * dy;
  return rest < 0.0 ? -1 : static_cast<int>(std::sqrt(rest));
}

}  // namespace trimatte

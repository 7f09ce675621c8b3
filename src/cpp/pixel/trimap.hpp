// Trimap of a mask: sure foreground and sure background are what survives an erosion.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

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
  // > 0: the side of a network's pixel; both radii are auto_radius instead.
  double network_pixel = 0.0;
};

// The mattes of what a mask is sure of: the same bounds, and how far what they hold reaches beyond
// each pixel to every side, in pixels of the mask.
struct SureOptions {
  double low = 10.0, high = 240.0;
  int reach = 0;
};

struct TrimapRadii {
  double outside = 0.0, inside = 0.0;
  bool lost_background = false, lost_foreground = false;  // so that they had to be reduced
};

// What tells how soft a mask is.
struct MaskContour {
  std::int64_t between = 0;  // pixels of neither class
  std::int64_t sides = 0;    // of pixels, between a class and what is not of it; of both classes
};

// The radius of a band that follows the softness of a network's mask, on both sides; all in pixels
// of the network. A soft edge says by its width how far from it the true one may be, and the band
// is a share of that. An edge harder than networks make them has been cut out of a softer one: the
// less is left of that, the wider the band.
struct AutoBand {
  static constexpr double kShare = 0.75;  // of the width of the mask's transition
  static constexpr double kAtHardEdges = 3.0, kLessBySoftness = 1.25;
  static constexpr double kWidest = 4.0;
};

// Never less than a pixel of the image.
TRIMATTE_HD double auto_radius(double width, double network_pixel) {
  const double soft = AutoBand::kShare * width;
  const double hard = AutoBand::kAtHardEdges - AutoBand::kLessBySoftness * width;
  const double wanted = soft > hard ? soft : hard;
  const double radius = network_pixel * (wanted < AutoBand::kWidest ? wanted : AutoBand::kWidest);
  return radius > 1.0 ? radius : 1.0;
}

// The mean width of the transition between the classes is its area by the mean length of their two
// contours. A side makes pi / 4 of a contour's length, on average over all directions.
TRIMATTE_HD double auto_radius(const MaskContour& contour, double network_pixel) {
  constexpr double kLength = 0.785398163397448310 / 2;
  const double length = kLength * static_cast<double>(contour.sides) * network_pixel;
  const double width = length > 0 ? static_cast<double>(contour.between) / length : 0.0;
  return auto_radius(width, network_pixel);
}

struct Disks {  // by the squares of their radii, see disk_square
  std::int64_t outside, inside;
};

// The bounds as samples compare with them. On integers m < low  <=>  m < ceil(low) and m > high
// <=>  m > floor(high); a bound that is a whole number but for rounding counts as one.
template <class T>
struct MaskBounds {
  T low, high;

  MaskBounds(double lower, double upper)
      : low(of(lower, [](double v) { return std::ceil(v); })),
        high(of(upper, [](double v) { return std::floor(v); })) {}
  TRIMATTE_HD bool is_foreground(T m) const { return m > high; }
  TRIMATTE_HD bool is_background(T m) const { return m < low; }

 private:
  template <class Round>
  static T of(double bound, const Round& round) {
    constexpr bool kInteger = static_cast<T>(0.5f) == T(0);
    if constexpr (kInteger) {
      const double near = std::nearbyint(bound);
      bound = std::fabs(bound - near) < 1e-6 ? near : round(bound);
    }
    return static_cast<T>(static_cast<float>(bound));
  }
};

// A sample of a matte that was resized.
TRIMATTE_HD unsigned char sure_sample(unsigned char m) {
  return m > 127 ? 255 : 0;
}

// A square that covers the mask from everywhere need not be larger.
inline int sure_reach(const SureOptions& options, std::ptrdiff_t height, std::ptrdiff_t width) {
  const std::ptrdiff_t side = height > width ? height : width;
  return options.reach < side ? options.reach : static_cast<int>(side);
}

// A disk holds the pixels whose squared distance from its centre is at most this. The square of a
// radius that is the root of a whole number counts as that number. No pixel of an image is farther
// away than its diagonal.
TRIMATTE_HD std::int64_t disk_square(double radius, std::ptrdiff_t height, std::ptrdiff_t width) {
  const double diagonal = std::hypot(static_cast<double>(height), static_cast<double>(width));
  radius = radius < diagonal ? radius : diagonal;
  const double square = radius * radius, whole = std::floor(square + 0.5);
  const bool is_whole = std::fabs(square - whole) < 1e-9 * (whole + 1.0);
  return static_cast<std::int64_t>(is_whole ? whole : square);
}

TRIMATTE_HD Disks disks_of(const TrimapRadii& radii, std::ptrdiff_t height, std::ptrdiff_t width) {
  return {disk_square(radii.outside, height, width), disk_square(radii.inside, height, width)};
}

// How far a disk reaches to each side, dy rows above or below its centre; -1: not at all.
TRIMATTE_HD int disk_half_width(std::int64_t square, std::int64_t dy) {
  const std::int64_t rest = square - dy * dy;
  return rest < 0 ? -1 : static_cast<int>(std::sqrt(static_cast<double>(rest)));
}

}  // namespace trimatte

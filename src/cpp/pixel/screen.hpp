// A screen: what a keyer has to know of the background that it removes, and how that is told from
// the foreground, pixel by pixel.
#pragma once

#include <cmath>

#include "core/host_device.hpp"

namespace trimatte {

struct ScreenOptions {
  // The kind that is looked for: -1 any that is not too common; 0 red, 1 green, 2 blue, 3 magenta,
  // 4 cyan, 5 yellow, 6 white, 7 gray, 8 black.
  int channel = -1;
  // Values are compared as they are encoded, in linear light, or as explains the image better.
  enum class Transfer { kSrgb, kLinear, kAuto } transfer = Transfer::kAuto;
};

// How much of an image's size what it does not show of a screen may be away from it.
inline constexpr float kScreenReach = 0.10f;   // farther away than that nothing is screen
inline constexpr float kScreenFringe = 0.01f;  // and beyond that nothing smooth is

// The colour without its brightness.
struct ChromaDirection {
  float r, g, b;
};
TRIMATTE_HD ChromaDirection chroma_direction(float r, float g, float b) {
  const float mean = (r + g + b) * (1.0f / 3.0f);
  return {r - mean, g - mean, b - mean};
}
TRIMATTE_HD float length(const ChromaDirection& c) {
  return std::sqrt(c.r * c.r + c.g * c.g + c.b * c.b);
}

}  // namespace trimatte

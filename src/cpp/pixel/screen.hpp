// A screen: what a keyer has to know of the background that it removes, and how that is told from
// the foreground, pixel by pixel.
#pragma once

#include <cmath>

#include "core/host_device.hpp"

namespace trimatte {

struct ScreenOptions {
  int channel = -1;  // that the screen is to light most: 0 red, 1 green, 2 blue; -1 any
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

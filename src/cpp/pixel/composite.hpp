// Compositing of one sample. Porter and Duff, Compositing Digital Images, 1984: the "over"
// operator.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"

namespace trimatte {

struct CompositeOptions {
  float color[3] = {0.0f, 0.0f, 0.0f};  // background where no image is given, in [0, 1]
  bool linear = false;                  // blend in linear light; the default blends encoded values
};

// v / 255 rounded to nearest, for v in [0, 65025]. All in 16 bits, which the terms just fit: that
// puts 32 lanes into one vector.
TRIMATTE_HD std::uint8_t divide_255(int v) {
  const auto raised = static_cast<std::uint16_t>(v + 128);
  return static_cast<std::uint8_t>(static_cast<std::uint16_t>(raised + (raised >> 8)) >> 8);
}

// v / 65535 rounded to nearest, for v up to 65535^2.
TRIMATTE_HD unsigned divide_65535(unsigned v) {
  // 64-bit: the rounding term would overflow
  const unsigned long long w = static_cast<unsigned long long>(v) + 32768ull;
  return static_cast<unsigned>((w + (w >> 16)) >> 16);
}

// IEC 61966-2-1.
TRIMATTE_HD float srgb_to_linear(float v) {
  return v <= 0.04045f ? v * (1.0f / 12.92f) : std::pow((v + 0.055f) * (1.0f / 1.055f), 2.4f);
}
TRIMATTE_HD float linear_to_srgb(float v) {
  return v <= 0.0031308f ? 12.92f * v : 1.055f * std::pow(v, 1.0f / 2.4f) - 0.055f;
}

TRIMATTE_HD float over(float foreground, float alpha, float background) {
  return background + alpha * (foreground - background);
}

}  // namespace trimatte

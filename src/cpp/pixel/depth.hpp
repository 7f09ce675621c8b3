// Sample types at the ends (uint8, uint16, float32), float in [0, 1] inside.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"

namespace trimatte {

TRIMATTE_HD float clip_unit(float v) {
  v = v < 0.0f ? 0.0f : v;
  return v > 1.0f ? 1.0f : v;
}

template <class T>
TRIMATTE_HD T from_unit(float v) {  // rounds half up, clips
  constexpr float scale = sizeof(T) == 1 ? 255.0f : 65535.0f;
  v = v * scale + 0.5f;
  v = v < 0.0f ? 0.0f : v;
  v = v > scale ? scale : v;
  return static_cast<T>(static_cast<int>(v));
}
template <>
TRIMATTE_HD float from_unit<float>(float v) {
  return clip_unit(v);
}

template <class T>
TRIMATTE_HD float to_unit(T v) {
  constexpr float scale = sizeof(T) == 1 ? 1.0f / 255.0f : 1.0f / 65535.0f;
  return static_cast<float>(v) * scale;
}
template <>
TRIMATTE_HD float to_unit<float>(float v) {
  return v;
}

// A sample in 8 bits, as networks are fed.
template <class T>
TRIMATTE_HD std::uint8_t to_byte(T v) {
  if constexpr (sizeof(T) == 1) return v;
  return from_unit<std::uint8_t>(to_unit(v));
}

}  // namespace trimatte

// Compositing of one sample. Porter and Duff, Compositing Digital Images, 1984: the "over"
// operator.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"

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

TRIMATTE_HD float over(float foreground, float alpha, float background) {
  return background + alpha * (foreground - background);
}

// Alpha in the samples of an image of another depth.
template <class T, class A>
TRIMATTE_HD T convert_alpha(A a) {
  if constexpr (std::is_same_v<T, A>) {
    return a;
  } else if constexpr (sizeof(T) == 1 && sizeof(A) == 2) {
    return static_cast<T>((unsigned(a) * 255u + 32767u) / 65535u);
  } else if constexpr (sizeof(T) == 2 && sizeof(A) == 1) {
    return static_cast<T>(a * 257);
  } else {
    return from_unit<T>(to_unit(a));
  }
}

// Premultiplied and straight colour; integers are rounded to nearest.
template <class T>
TRIMATTE_HD T multiply_sample(T v, T alpha) {
  if constexpr (sizeof(T) == 1) {
    return divide_255(v * alpha);
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(divide_65535(unsigned(v) * alpha));
  } else {
    return v * alpha;
  }
}
template <class T>
TRIMATTE_HD T divide_sample(T v, T alpha) {
  // Real: exact enough that the rounded quotient is right (16-bit quotients need double).
  using Real = std::conditional_t<sizeof(T) == 2, double, float>;
  constexpr Real full = sizeof(T) == 1 ? 255 : sizeof(T) == 2 ? 65535 : 1;
  const Real a = static_cast<Real>(alpha);
  Real quotient = a > Real(0) ? static_cast<Real>(v) * full / a : Real(0);
  quotient = quotient < full ? quotient : full;
  return std::is_same_v<T, float> ? static_cast<T>(quotient)
                                  : static_cast<T>(static_cast<int>(quotient + Real(0.5)));
}

template <class T, class A>
TRIMATTE_HD T over_sample(T f, A a, T b) {
  if constexpr (std::is_same_v<T, std::uint8_t> && std::is_same_v<A, std::uint8_t>) {
    return divide_255(f * a + b * (255 - a));
  } else if constexpr (std::is_same_v<T, std::uint16_t> && std::is_same_v<A, std::uint16_t>) {
    return static_cast<T>(divide_65535(unsigned(f) * a + unsigned(b) * (65535u - a)));
  } else if constexpr (std::is_same_v<T, float>) {
    return over(f, to_unit(a), b);
  } else {
    return static_cast<T>(
        static_cast<int>(over(static_cast<float>(f), to_unit(a), static_cast<float>(b)) + 0.5f));
  }
}

}  // namespace trimatte

// IEEE 754 binary16 as storage: the same bits from every compiler and on every device.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/host_device.hpp"

namespace trimatte {

struct Half {
  std::uint16_t bits;
};

// Round to nearest, ties to even; too large becomes infinity.
TRIMATTE_HD Half to_half(float value) {
  std::uint32_t f;
  memcpy(&f, &value, 4);
  const std::uint32_t sign = f >> 16 & 0x8000u, magnitude = f & 0x7fffffffu;
  std::uint32_t bits;
  if (magnitude >= 0x7f800000u) {  // infinity, or NaN made quiet
    bits = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  } else if (magnitude >= 0x477ff000u) {  // rounds to 65536 or more
    bits = 0x7c00u;
  } else if (magnitude >= 0x38800000u) {  // normal
    bits = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  } else if (magnitude <= 0x33000000u) {  // 2^-25 and less round to zero
    bits = 0;
  } else {  // subnormal
    const std::uint32_t shift = 126u - (magnitude >> 23);
    const std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    const std::uint32_t rest = mantissa & ((1u << shift) - 1u), half = 1u << (shift - 1u);
    bits = mantissa >> shift;
    bits += rest > half || (rest == half && (bits & 1u));
  }
  return {static_cast<std::uint16_t>(sign | bits)};
}

TRIMATTE_HD float from_half(Half value) {
  const std::uint32_t sign = (value.bits & 0x8000u) << 16;
  const std::uint32_t exponent = value.bits >> 10 & 0x1fu, mantissa = value.bits & 0x3ffu;
  float f;
  if (exponent == 0) {
    f = static_cast<float>(mantissa) * (1.0f / 16777216.0f);
    return sign ? -f : f;
  }
  const std::uint32_t bits =
      sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | mantissa << 13;
  memcpy(&f, &bits, 4);
  return f;
}

}  // namespace trimatte

// The transfer curve of sRGB, IEC 61966-2-1, of one sample.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/host_device.hpp"

namespace trimatte {

// v to the power e as compilers make vectors of it, for v from 1e-3 to 1 and e from 0 to 3: good to
// 2e-6 of the result, and exact at 1. v is 2^n (1 + s) / (1 - s) with |s| < 0.172; polynomials in s
// and in what of the exponent is no integer are minimax fits.
TRIMATTE_HD float quick_power(float v, float e) {
  constexpr std::uint32_t kSqrtHalf = 0x3f3504f3u;  // its bits
  std::uint32_t bits;
  std::memcpy(&bits, &v, sizeof(bits));
  const std::uint32_t above = bits - kSqrtHalf;
  bits = (above & 0x7fffffu) + kSqrtHalf;
  float m;
  std::memcpy(&m, &bits, sizeof(m));
  const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
  const float log2 = static_cast<float>(static_cast<std::int32_t>(above) >> 23) +
                     s * (2.88539008f + z * (0.961798854f + z * (0.576713839f + z * 0.431748249f)));

  const float power = e * log2;
  const auto whole = static_cast<std::int32_t>(power - 0.5f);  // to nearest, for power <= 0
  const float f = power - static_cast<float>(whole);
  const float fraction =
      1.0f +
      f * (0.693146978f +
           f * (0.240222421f + f * (0.0555073360f + f * (0.00967151156f + f * 0.00132647665f))));
  std::memcpy(&bits, &fraction, sizeof(bits));
  bits += static_cast<std::uint32_t>(whole) << 23;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// Both sides of the curve are worked out for every sample, and chosen by a product: compilers would
// make a branch of a choice, and no vectors. Of what lies below 0 the power is a number, though a
// wrong one.
TRIMATTE_HD float by_side(bool above, float curve, float line) {
  const float share = above ? 1.0f : 0.0f;
  return share * curve + (1.0f - share) * line;
}
TRIMATTE_HD float srgb_to_linear(float v) {
  const float curve = quick_power(v * (1.0f / 1.055f) + 0.055f / 1.055f, 2.4f);
  return by_side(v > 0.04045f, curve, v * (1.0f / 12.92f));
}
TRIMATTE_HD float linear_to_srgb(float v) {
  const float power = quick_power(v, 1.0f / 2.4f);
  const float curve = power + 0.055f * (power - 1.0f);  // 1 at 1
  return by_side(v > 0.0031308f, curve, 12.92f * v);
}

// srgb_to_linear for the keys, which linearise every pixel on their way and need no more
// than 2.5e-5 of it: one polynomial for the power, at a third of the work.
TRIMATTE_HD float quick_srgb_to_linear(float v) {
  const float w = (v + 0.055f) * (1.0f / 1.055f);
  float p = -1.0808461f;
  p = p * w + 4.6046075f;
  p = p * w - 8.1627678f;
  p = p * w + 7.8781762f;
  p = p * w - 4.6664635f;
  p = p * w + 2.2089945f;
  p = p * w + 0.21828745f;
  return v <= 0.04045f ? v * (1.0f / 12.92f) : p * w * w;
}

}  // namespace trimatte

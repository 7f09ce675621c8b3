// What a network that tells classes apart says of some of them: its logits as a probability.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/host_device.hpp"
#include "pixel/tensor.hpp"

namespace trimatte {

inline constexpr int kMostClasses = 1024;

// Which of a network's planes count.
struct ClassSet {
  std::uint32_t words[kMostClasses / 32] = {};

  TRIMATTE_HD bool has(int c) const { return words[c / 32] >> (c % 32) & 1u; }
  void add(int c) { words[c / 32] |= 1u << (c % 32); }
};

// e^x of x <= 0, to 2 units in the last place; below -87 it stays at e^-87, as good as 0. The same
// steps on every device: x is n ln 2 + r with |r| <= ln 2 / 2, e^r its Taylor polynomial.
TRIMATTE_HD float exp_of_negative(float x) {
  const float held = x < -87.0f ? -87.0f : x;
  const float n = static_cast<float>(static_cast<int>(held * 1.44269504f - 0.5f));
  const float r = (held - n * 0.693145752f) - n * 1.42860677e-6f;
  float e = 1.0f / 5040.0f;
  e = e * r + 1.0f / 720.0f;
  e = e * r + 1.0f / 120.0f;
  e = e * r + 1.0f / 24.0f;
  e = e * r + 1.0f / 6.0f;
  e = e * r + 0.5f;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
  float power;
  memcpy(&power, &bits, 4);
  return e * power;
}

// Of one logit: 1 / (1 + e^-p), from the side on which e does not overflow.
TRIMATTE_HD float sigmoid(float p) {
  const float e = exp_of_negative(p < 0.0f ? p : -p);
  return (p < 0.0f ? e : 1.0f) / (1.0f + e);
}

}  // namespace trimatte

// De-spill of one pixel: the key channel k may not rise above a limit drawn from the other two.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/host_device.hpp"

namespace trimatte {

enum class DespillMethod { kAverage, kDoubleAverage, kMaxLimit };

struct DespillOptions {
  int channel = 1;  // 0 red, 1 green, 2 blue
  DespillMethod method = DespillMethod::kAverage;
  double strength = 1.0;  // 0 leaves the pixel, 1 takes all of the spill
  double restore = 0.0;   // of the luminance that went with the spill, given back
};

// Rec. 709: what a channel adds to the luminance of encoded values.
inline double luminance_weight(int channel) {
  return channel == 0 ? 0.2126 : channel == 1 ? 0.7152 : 0.0722;
}

// The limit is (light * a + heavy * b) / divisor, or max(a, b); b is the heavy channel.
struct DespillWeights {
  int divisor;
  int light;
  int heavy;
};
TRIMATTE_HD DespillWeights despill_weights(DespillMethod method) {
  return method == DespillMethod::kAverage         ? DespillWeights{2, 1, 1}
         : method == DespillMethod::kDoubleAverage ? DespillWeights{3, 1, 2}
                                                   : DespillWeights{1, 0, 0};
}

// The spill, times the divisor of the weights: exact on integers.
template <class N>
TRIMATTE_HD N scaled_spill(N k, N a, N b, const DespillWeights& w, bool max_limit) {
  const N excess =
      max_limit ? k - (a > b ? a : b) : N(w.divisor) * k - N(w.light) * a - N(w.heavy) * b;
  return excess > N(0) ? excess : N(0);
}

// The options as arithmetic wants them.
struct DespillRule {
  int k, a, b;  // channels: key, light and heavy
  bool max_limit;
  DespillWeights weights;
  double fraction;       // strength / divisor
  std::uint32_t factor;  // the same in units of 2^-22, rounded down
  float light;           // to every channel, of the spill taken
};
inline DespillRule despill_rule(const DespillOptions& options) {
  const DespillWeights weights = despill_weights(options.method);
  // The heavy channel: blue beside a red or green key, green beside a blue one.
  const int heavy = options.channel == 2 ? 1 : 2;
  const double fraction = options.strength / weights.divisor;
  return {options.channel,
          3 - options.channel - heavy,
          heavy,
          options.method == DespillMethod::kMaxLimit,
          weights,
          fraction,
          static_cast<std::uint32_t>(fraction * (1u << 22)),
          static_cast<float>(options.restore * luminance_weight(options.channel))};
}

// The key channel without spill; integers round half up. uint8 is exact in 32-bit integers: 765 *
// 2^22 fits.
TRIMATTE_HD std::uint8_t despill_sample(std::uint8_t k, std::uint8_t a, std::uint8_t b,
                                        const DespillRule& rule) {
  constexpr std::uint32_t kHalf = 1u << 21;
  const auto spill =
      static_cast<std::uint32_t>(scaled_spill<int>(k, a, b, rule.weights, rule.max_limit));
  return static_cast<std::uint8_t>(k - ((spill * rule.factor + kHalf - 1) >> 22));
}
TRIMATTE_HD std::uint16_t despill_sample(std::uint16_t k, std::uint16_t a, std::uint16_t b,
                                         const DespillRule& rule) {
  const int spill = scaled_spill<int>(k, a, b, rule.weights, rule.max_limit);
  return static_cast<std::uint16_t>(static_cast<int>(k + 0.5 - spill * rule.fraction));
}
TRIMATTE_HD float despill_sample(float k, float a, float b, const DespillRule& rule) {
  const float clean = k - static_cast<float>(rule.fraction) *
                              scaled_spill<float>(k, a, b, rule.weights, rule.max_limit);
  return clean > 0.0f ? clean : 0.0f;  // a third of 3 k is not always k
}

// The same with a part of the spill only, and with light given back:
//   s = amount (k - k'),  k'' = k - s + light s,  a'' = a + light s,  b'' = b + light s.
template <class T>
struct Despilled {
  T k, a, b;
};
template <class T>
TRIMATTE_HD Despilled<T> despill_pixel(T k, T a, T b, const DespillRule& rule, float amount) {
  using Number = std::conditional_t<std::is_same_v<T, float>, float, int>;
  constexpr float kHalf = sizeof(T) == 4 ? 0.0f : 0.5f;
  constexpr float kFull = sizeof(T) == 1 ? 255.0f : sizeof(T) == 2 ? 65535.0f : 1.0f;
  const float spill =
      amount * static_cast<float>(rule.fraction) *
      static_cast<float>(scaled_spill<Number>(k, a, b, rule.weights, rule.max_limit));
  const float light = rule.light * spill;
  const auto sample = [](float v) {
    v = (v > 0.0f ? v : 0.0f) + kHalf;
    return static_cast<T>(static_cast<Number>(v < kFull + kHalf ? v : kFull));
  };
  return {sample(static_cast<float>(k) - spill + light), sample(static_cast<float>(a) + light),
          sample(static_cast<float>(b) + light)};
}

// How much of the spill goes where `kept` of 255 of the colour is.
TRIMATTE_HD float despill_amount(std::uint8_t kept) {
  return static_cast<float>(255 - kept) * (1.0f / 255.0f);
}

}  // namespace trimatte

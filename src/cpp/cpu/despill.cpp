// De-spill on the CPU. uint8 is exact in 32-bit integers; uint16 in double; float in float.
#define TRIMATTE_THIS_FILE "cpu/despill.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <utility>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/despill.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"

struct DespillRule {
  int k, a, b;
  bool max_limit;
  DespillWeights weights;
  double fraction;  // strength / divisor
};

inline void despill_strip(const DespillRule& rule, int count, std::uint8_t* __restrict k,
                          const std::uint8_t* __restrict a, const std::uint8_t* __restrict b) {
  if (rule.fraction == 0.5 && rule.weights.divisor == 2) {  // full average: min(k, (a + b) / 2)
    for (int i = 0; i < count; ++i) {
      const auto limit = static_cast<std::uint8_t>((a[i] + b[i] + 1) >> 1);
      k[i] = k[i] < limit ? k[i] : limit;
    }
    return;
  }
  // Rounds k - spill half up, exactly: 765 * 2^22 fits 32 bits, the factor is rounded down.
  constexpr std::uint32_t kHalf = 1u << 21;
  const auto factor = static_cast<std::uint32_t>(rule.fraction * (1u << 22));
  const DespillWeights w = rule.weights;
  const auto take_out = [&](auto max_limit) {  // a loop without the choice inside
    for (int i = 0; i < count; ++i) {
      const auto spill =
          static_cast<std::uint32_t>(scaled_spill<int>(k[i], a[i], b[i], w, max_limit));
      k[i] = static_cast<std::uint8_t>(k[i] - ((spill * factor + kHalf - 1) >> 22));
    }
  };
  rule.max_limit ? take_out(std::true_type{}) : take_out(std::false_type{});
}

inline void despill_strip(const DespillRule& rule, int count, std::uint16_t* __restrict k,
                          const std::uint16_t* __restrict a, const std::uint16_t* __restrict b) {
  for (int i = 0; i < count; ++i) {
    const int spill = scaled_spill<int>(k[i], a[i], b[i], rule.weights, rule.max_limit);
    k[i] = static_cast<std::uint16_t>(static_cast<int>(k[i] + 0.5 - spill * rule.fraction));
  }
}

inline void despill_strip(const DespillRule& rule, int count, float* __restrict k,
                          const float* __restrict a, const float* __restrict b) {
  const auto fraction = static_cast<float>(rule.fraction);
  for (int i = 0; i < count; ++i)
    k[i] -= fraction * scaled_spill<float>(k[i], a[i], b[i], rule.weights, rule.max_limit);
}

template <class T>
void despill_image(const ImageView<const T>& image, const ImageView<T>& out,
                   const DespillOptions& options) {
  const DespillWeights weights = despill_weights(options.method);
  // The heavy channel: blue beside a red or green key, green beside a blue one.
  const int heavy = options.channel == 2 ? 1 : 2;
  const DespillRule rule{options.channel, 3 - options.channel - heavy,
                         heavy,           options.method == DespillMethod::kMaxLimit,
                         weights,         options.strength / weights.divisor};
  const auto work = [&](auto, auto, int count, T(*planes)[kStrip]) {
    despill_strip(rule, count, planes[rule.k], planes[rule.a], planes[rule.b]);
  };
  image.channels == 3 ? map_strips<3, 3>(image, out, work) : map_strips<4, 4>(image, out, work);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void despill(ImageView<const T> image, ImageView<T> out, const DespillOptions& options, Stream) {
  TRIMATTE_CALL(despill_image<T>)(image, out, options);
}

#define TRIMATTE_INSTANTIATE(T)                                                \
  template void despill<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, \
                                             const DespillOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

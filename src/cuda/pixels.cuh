// What key, de-spill and their fused form do to the samples of one pixel in registers. Channels are
// chosen by selects: registers cannot be indexed.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/image_view.hpp"
#include "launch.cuh"
#include "pixel/depth.hpp"
#include "pixel/despill.hpp"
#include "pixel/key.hpp"

namespace trimatte::cuda {

template <class T>
__device__ inline T channel(const T* pixel, int c) {
  return c == 0 ? pixel[0] : c == 1 ? pixel[1] : pixel[2];
}

template <class T>
__device__ inline void despill_pixel(T* pixel, const DespillRule& rule) {
  const T clean =
      despill_sample(channel(pixel, rule.k), channel(pixel, rule.a), channel(pixel, rule.b), rule);
#pragma unroll
  for (int c = 0; c < 3; ++c) pixel[c] = c == rule.k ? clean : pixel[c];
}

// Alpha of one pixel. On integers the hard rule is a compare of integers, and the ramp goes through
// double: its rounding is that of the CPU's table.
template <class T, class A>
class KeyRule {
 public:
  explicit KeyRule(const KeyOptions& options)
      : k_(options.channel),
        hard_(options.softness <= 0.0),
        // integer d > t  <=>  d > floor(t)
        threshold_(static_cast<int>(options.tolerance * kUnit)),
        tolerance_(options.tolerance),
        softness_(options.softness) {}

  __device__ A operator()(const T* pixel) const {
    using Number = std::conditional_t<std::is_same_v<T, float>, float, int>;
    const Number key = channel(pixel, k_);
    const Number other =
        larger(Number(k_ == 0 ? pixel[1] : pixel[0]), Number(k_ == 2 ? pixel[1] : pixel[2]));
    const Number difference = key - other;
    if constexpr (std::is_same_v<T, float>) {
      return from_unit<A>(key_alpha(255.0f * difference, static_cast<float>(tolerance_),
                                    static_cast<float>(softness_)));
    } else {
      constexpr A kOne = static_cast<A>(kFullScale<A>);
      if (hard_) return difference > threshold_ ? A(0) : kOne;
      const double v = key_alpha(difference / kUnit, tolerance_, softness_);
      return std::is_same_v<A, float> ? static_cast<A>(v)
                                      : static_cast<A>(v * double{kFullScale<A>} + 0.5);
    }
  }

 private:
  static constexpr double kUnit = double{kFullScale<T>} / 255.0;

  int k_;
  bool hard_;
  int threshold_;
  double tolerance_, softness_;
};

}  // namespace trimatte::cuda

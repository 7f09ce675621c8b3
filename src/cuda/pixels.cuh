// What key, de-spill and their fused form do to one pixel in registers. Channels are chosen by
// selects: registers cannot be indexed.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/image_view.hpp"
#include "launch.cuh"
#include "pixel/depth.hpp"
#include "pixel/despill.hpp"
#include "pixel/key.hpp"
#include "quads.cuh"

namespace trimatte::cuda {

// Hides that a choice is the same for all pixels of a run: compilers would make a copy of the run's
// code for every combination of choices.
__device__ inline int runtime_choice(int choice) {
  asm volatile("" : "+r"(choice));
  return choice;
}

template <class T>
struct Pixel {
  T r, g, b;

  __device__ explicit Pixel(const T* samples) : Pixel(samples[0], samples[1], samples[2]) {}
  __device__ Pixel(T red, T green, T blue) : r(red), g(green), b(blue) {}

  __device__ T operator[](int channel) const {
    const int c = runtime_choice(channel);
    return c == 0 ? r : c == 1 ? g : b;
  }
};

template <class T>
__device__ inline Pixel<T> despilled(const Pixel<T>& p, const DespillRule& rule) {
  DespillRule fresh = rule;
  fresh.max_limit = runtime_choice(rule.max_limit);
  const T clean = despill_sample(p[rule.k], p[rule.a], p[rule.b], fresh);
  const int k = runtime_choice(rule.k);
  return {k == 0 ? clean : p.r, k == 1 ? clean : p.g, k == 2 ? clean : p.b};
}

// Alpha of a pixel, and of a quad. On integers the hard rule is a compare and the ramp a table for
// uint8, in shared memory; for uint16, where it would be long, arithmetic in double that is worth
// no copy a pixel.
template <class T, class A>
class KeyRule {
 public:
  static constexpr int kLevels = sizeof(T) == 1 ? 256 : 1;
  using Table = A[kLevels];

  explicit KeyRule(const KeyOptions& options)
      : options_(options),
        // integer d > t  <=>  d > floor(t)
        threshold_(static_cast<int>(options.tolerance * kUnit)),
        lanes_(static_cast<std::uint32_t>(threshold_ < 255 ? threshold_ : 255) * 0x10001u),
        hard_(!(options.softness > 0.0)) {
    if constexpr (kLevels > 1)
      for (int d = 0; d < kLevels; ++d) table_[d] = key_level<A>(d, kUnit, options);
  }

  bool hard() const { return hard_; }

  // All threads of the block; a barrier, where there is a ramp.
  __device__ void load(Table& table) const {
    if constexpr (kLevels > 1) {
      if (hard_) return;
      for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < kLevels;
           i += blockDim.x * blockDim.y)
        table[i] = table_[i];
      __syncthreads();
    }
  }

  __device__ A operator()(const Pixel<T>& p, const Table& table) const {
    const int c = runtime_choice(options_.channel);
    const T key = p[c], other = larger(c == 0 ? p.g : p.r, c == 2 ? p.g : p.b);
    if constexpr (std::is_same_v<T, float>) {
      return from_unit<A>(key_alpha(255.0f * (key - other), static_cast<float>(options_.tolerance),
                                    static_cast<float>(options_.softness)));
    } else {
      const int difference = key > other ? key - other : 0;
      if (!runtime_choice(hard_)) {
        if constexpr (kLevels > 1) {
          return table[difference];
        } else {
          return soft(difference);
        }
      }
      return difference > threshold_ ? A(0) : static_cast<A>(kFullScale<A>);
    }
  }

  // Of four pixels, by the hard rule or by the ramp; channels: of the key's channel.
  template <bool kHard>
  __device__ std::uint32_t alphas(const Quad<3>& p, const QuadChannels& channels,
                                  const Table& table) const {
    if constexpr (kHard) return hard_alpha(p, channels, lanes_);
    const Pairs d = differences(p, channels);
    return table[d.low & 0xffffu] | std::uint32_t{table[d.low >> 16]} << 8 |
           std::uint32_t{table[d.high & 0xffffu]} << 16 | std::uint32_t{table[d.high >> 16]} << 24;
  }

 private:
  static constexpr double kUnit = double{kFullScale<T>} / 255.0;

  __device__ __noinline__ A soft(int difference) const {
    return key_level<A>(difference, kUnit, options_);
  }

  KeyOptions options_;
  int threshold_;
  std::uint32_t lanes_;  // the threshold in each
  bool hard_;
  Table table_{};
};

}  // namespace trimatte::cuda

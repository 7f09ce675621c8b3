// Four pixels of uint8 at a time, in the words that they lie in, for map_runs: arithmetic on two
// samples of 16 bits or on four of 8 in one register. All of it is exact: it equals pixel/*.hpp.
//
// After the SIMD-within-a-register methods of Lamport, "Multiple byte processing with full-word
// instructions", CACM 18(8), 1975. Bytes are picked by PRMT, whose selectors are made on the host:
// one kernel then serves every key channel without a choice.
#pragma once

#include <cstdint>

#include "core/image_view.hpp"
#include "launch.cuh"
#include "pixel/despill.hpp"
#include "pixel/key.hpp"

namespace trimatte::cuda {

// Pixels of C channels, in the order of memory.
template <int C>
struct Quad {
  std::uint32_t w[C];
};

// ---- Instructions, and what they do on the CPU

// Bytes of b:a by the selector's nibbles; a nibble's high bit: the sign of the byte, eight times.
__host__ __device__ inline std::uint32_t permute(std::uint32_t a, std::uint32_t b,
                                                 std::uint32_t selector) {
#ifdef __CUDA_ARCH__
  std::uint32_t result;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(selector));
  return result;
#else
  const std::uint64_t bytes = std::uint64_t{b} << 32 | a;
  std::uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t nibble = selector >> (4 * i) & 15u;
    std::uint32_t byte = static_cast<std::uint32_t>(bytes >> (8 * (nibble & 7u))) & 255u;
    if (nibble & 8u) byte = byte & 128u ? 255u : 0u;
    result |= byte << (8 * i);
  }
  return result;
#endif
}

// The larger of each two 16-bit lanes.
__device__ inline std::uint32_t larger_lanes(std::uint32_t a, std::uint32_t b) {
#ifdef __CUDA_ARCH__
  return __vmaxu2(a, b);
#else
  const std::uint32_t low = larger(a & 0xffffu, b & 0xffffu), high = larger(a >> 16, b >> 16);
  return low | high << 16;
#endif
}

// c + lanes of a times bytes of b: the lower two, or the upper two.
template <bool kUpper>
__device__ inline std::uint32_t dot(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
#ifdef __CUDA_ARCH__
  return kUpper ? __dp2a_hi(a, b, c) : __dp2a_lo(a, b, c);
#else
  if constexpr (kUpper) b >>= 16;
  return c + (a & 0xffffu) * (b & 255u) + (a >> 16) * (b >> 8 & 255u);
#endif
}

// The upper half of a product.
__device__ inline std::uint32_t high_product(std::uint32_t a, std::uint32_t b) {
#ifdef __CUDA_ARCH__
  return __umulhi(a, b);
#else
  return static_cast<std::uint32_t>(std::uint64_t{a} * b >> 32);
#endif
}

// 1 / x within an ulp.
__device__ inline float reciprocal(float x) {
#ifdef __CUDA_ARCH__
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return 1.0f / x;
#endif
}

// ---- Keys and de-spill of three channels

// Where the samples of three channels are in the words of a quad.
struct QuadChannels {
  std::uint32_t first[3];   // of pixels 0 and 1, out of the words 0 and 1
  std::uint32_t second[3];  // of pixels 2 and 3, out of the words 1 and 2
  std::uint32_t put[3];     // four samples of channel 0 of these into each word

  QuadChannels(int k, int a, int b) {
    const int channels[3] = {k, a, b};
    for (int i = 0; i < 3; ++i) {
      const auto c = static_cast<std::uint32_t>(channels[i]);
      first[i] = c | (3 + c) << 8;
      second[i] = (2 + c) | (5 + c) << 8;
    }
    for (int word = 0; word < 3; ++word) {
      put[word] = 0;
      for (int i = 0; i < 4; ++i) {
        const int byte = 4 * word + i, taken = byte % 3 == k ? 4 + byte / 3 : i;
        put[word] |= static_cast<std::uint32_t>(taken) << (4 * i);
      }
    }
  }
};

inline constexpr std::uint32_t kLanes = 0x00ff00ffu;

// A channel of all four pixels, two to a word.
struct Pairs {
  std::uint32_t low, high;
};
__device__ inline Pairs channel_of(const Quad<3>& p, const QuadChannels& channels, int i) {
  return {permute(p.w[0], p.w[1], channels.first[i]) & kLanes,
          permute(p.w[1], p.w[2], channels.second[i]) & kLanes};
}

// 255 where the key channel stands above the others by no more than the threshold, 0..255, of each
// lane; else 0.
__device__ inline std::uint32_t hard_alpha(const Quad<3>& p, const QuadChannels& channels,
                                           std::uint32_t threshold) {
  const Pairs k = channel_of(p, channels, 0), a = channel_of(p, channels, 1),
              b = channel_of(p, channels, 2);
  // A lane's highest bit says that it is kept: max(a, b) + threshold - k is not negative.
  const std::uint32_t bias = threshold + 0x80008000u;
  const std::uint32_t low = larger_lanes(a.low, b.low) + bias - k.low;
  const std::uint32_t high = larger_lanes(a.high, b.high) + bias - k.high;
  return permute(low, high, 0xfdb9u);
}

// How far the key channel stands above the others, at least 0, two to a word.
__device__ inline Pairs differences(const Quad<3>& p, const QuadChannels& channels) {
  const Pairs k = channel_of(p, channels, 0), a = channel_of(p, channels, 1),
              b = channel_of(p, channels, 2);
  const std::uint32_t low = larger_lanes(a.low, b.low), high = larger_lanes(a.high, b.high);
  return {larger_lanes(k.low, low) - low, larger_lanes(k.high, high) - high};
}

// DespillRule, as lanes want it: the limit is a sum of a, b and the larger of both, by weights.
struct QuadSpill {
  std::uint32_t divisor, light, heavy, larger, factor;

  explicit QuadSpill(const DespillRule& rule)
      : divisor(static_cast<std::uint32_t>(rule.weights.divisor)),
        light(static_cast<std::uint32_t>(rule.weights.light)),
        heavy(static_cast<std::uint32_t>(rule.weights.heavy)),
        larger(rule.max_limit ? 1 : 0),
        factor(rule.factor) {}
};

// despill_sample of two lanes.
__device__ inline std::uint32_t despilled_lanes(std::uint32_t k, std::uint32_t a, std::uint32_t b,
                                                const QuadSpill& rule) {
  constexpr std::uint32_t kBias = 0x04000400u, kHalf = (1u << 21) - 1;  // lanes stay positive
  const std::uint32_t limit = rule.light * a + rule.heavy * b + rule.larger * larger_lanes(a, b);
  const std::uint32_t excess = rule.divisor * k + kBias - limit;
  const std::uint32_t spill = larger_lanes(excess, kBias) - kBias;
  const std::uint32_t low = ((spill & 0xffffu) * rule.factor + kHalf) >> 22;
  const std::uint32_t high = ((spill >> 16) * rule.factor + kHalf) >> 22;
  return k - (low | high << 16);
}

__device__ inline Quad<3> despilled(const Quad<3>& p, const QuadChannels& channels,
                                    const QuadSpill& rule) {
  const Pairs k = channel_of(p, channels, 0), a = channel_of(p, channels, 1),
              b = channel_of(p, channels, 2);
  const std::uint32_t clean = permute(despilled_lanes(k.low, a.low, b.low, rule),
                                      despilled_lanes(k.high, a.high, b.high, rule), 0x6420u);
  return {permute(p.w[0], clean, channels.put[0]), permute(p.w[1], clean, channels.put[1]),
          permute(p.w[2], clean, channels.put[2])};
}

// ---- Alpha and colours

// RGBA of colours and alphas; no colour where alpha is 0.
__device__ inline Quad<4> with_alpha(const Quad<3>& p, std::uint32_t alphas) {
  constexpr std::uint32_t kBelow = 0x7f7f7f7fu;
  const std::uint32_t shown = ((alphas & kBelow) + kBelow) | alphas;  // by each byte's sign
  return {permute(p.w[0], alphas, 0x4210u) & permute(shown, 0, 0x8888u),
          permute(permute(p.w[0], p.w[1], 0x0543u), alphas, 0x5210u) & permute(shown, 0, 0x9999u),
          permute(permute(p.w[1], p.w[2], 0x0432u), alphas, 0x6210u) & permute(shown, 0, 0xaaaau),
          permute(p.w[2] >> 8, alphas, 0x7210u) & permute(shown, 0, 0xbbbbu)};
}

// The same of alphas that are 0 or 255.
__device__ inline Quad<4> with_hard_alpha(const Quad<3>& p, std::uint32_t alphas) {
  constexpr std::uint32_t kOpaque = 0xff000000u;
  return {(p.w[0] | kOpaque) & permute(alphas, 0, 0x0000u),
          (permute(p.w[0], p.w[1], 0x0543u) | kOpaque) & permute(alphas, 0, 0x1111u),
          (permute(p.w[1], p.w[2], 0x0432u) | kOpaque) & permute(alphas, 0, 0x2222u),
          (p.w[2] >> 8 | kOpaque) & permute(alphas, 0, 0x3333u)};
}

// The weights alpha and 255 - alpha of pixel i, one a lane.
__device__ inline std::uint32_t weights_of(std::uint32_t alphas, int i) {
  return permute(alphas, ~alphas, 0x0400u + 0x0101u * static_cast<unsigned>(i)) & kLanes;
}

// Four samples over four: byte i by its pixel's weights. divide_255 leaves its result in the second
// byte.
__device__ inline std::uint32_t over_word(std::uint32_t front, std::uint32_t back,
                                          const std::uint32_t (&weights)[4]) {
  const std::uint32_t low = permute(front, back, 0x5140u), high = permute(front, back, 0x7362u);
  std::uint32_t sums[4] = {dot<false>(weights[0], low, 128), dot<true>(weights[1], low, 128),
                           dot<false>(weights[2], high, 128), dot<true>(weights[3], high, 128)};
#pragma unroll
  for (std::uint32_t& sum : sums) sum += sum >> 8;
  return permute(permute(sums[0], sums[1], 0x0051u), permute(sums[2], sums[3], 0x0051u), 0x5410u);
}

__device__ inline Quad<3> over(const Quad<3>& front, std::uint32_t alphas, const Quad<3>& back) {
  const std::uint32_t a[4] = {weights_of(alphas, 0), weights_of(alphas, 1), weights_of(alphas, 2),
                              weights_of(alphas, 3)};
  return {over_word(front.w[0], back.w[0], {a[0], a[0], a[0], a[1]}),
          over_word(front.w[1], back.w[1], {a[1], a[1], a[2], a[2]}),
          over_word(front.w[2], back.w[2], {a[2], a[3], a[3], a[3]})};
}

// multiply_sample of the colours, in place of them.
__device__ inline Quad<4> premultiplied(const Quad<4>& p) {
  Quad<4> result;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t a = p.w[i] >> 24;
    result.w[i] = permute(over_word(p.w[i], 0, {a, a, a, a}), p.w[i], 0x7210u);
  }
  return result;
}

// divide_sample of the colours: 255 v / a rounded is (510 v + a) / 2 a rounded down. The divisor's
// reciprocal is wanted to 17 bits only, as 510 v + a < 2^17, and may be too large by no more.
__device__ inline Quad<4> straight(const Quad<4>& p) {
  constexpr float kScale = 2147483648.0f * (1.0f + 1.0f / (1 << 21));  // 2^32 / 2, a little above
  Quad<4> result;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t a = p.w[i] >> 24;
    const std::uint32_t inverse =
        a ? static_cast<std::uint32_t>(kScale * reciprocal(static_cast<float>(a))) : 0;
    std::uint32_t color[3];
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      const std::uint32_t v = p.w[i] >> (8 * c) & 255u;
      const std::uint32_t quotient = high_product(510 * v + a, inverse);
      color[c] = quotient < 255 ? quotient : 255;
    }
    result.w[i] = color[0] | color[1] << 8 | color[2] << 16 | a << 24;
  }
  return result;
}

}  // namespace trimatte::cuda

// Shared sampling: a foreground and a background colour for each unknown pixel, and alpha from
// them.
//
// Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting, Eurographics 2010. Every choice
// between samples compares numbers that are exact, or rounded once, in any order of evaluation: on
// colours of ten bits scalar products fit into a float, their products into a double. So the same
// samples win on every device, and only smooth arithmetic differs in its last bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {

inline constexpr int kSamplingScale = 1020;  // full scale of ten bits; whole steps of uint8
inline constexpr int kExpansionRadius = 10;  // pixels
inline constexpr int kNearColor = 40 * 40;   // squared: 10 / 255, where the paper has 5 / 256
inline constexpr int kSamplingRays = 4;      // a quarter turn apart
inline constexpr int kSamplingPairs = kSamplingRays * kSamplingRays;
inline constexpr int kSamplingReach = 4096;  // how far a ray goes, pixels along its longer axis
inline constexpr int kSharingRadius = 5;     // the pairs of 11 x 11 pixels are tried ...
inline constexpr int kSharedPairs = 3;       // ... and so many averaged
inline constexpr int kShareScale = 6;        // averages of 1, 2, 3 whole numbers, whole again
inline constexpr int kSmoothingRadius = 5;
inline constexpr float kSmoothingSpread = 4.28f;  // sigma^2 of 11 x 11 pixels, 11^2 / (9 pi)
inline constexpr float kConfidenceDecay = 4.0f;   // a fit that is off by 1 / 4 has confidence 1 / e

// Only every `spacing`-th pixel of every `spacing`-th row looks for samples; all share them. What
// a prior for alpha needs (pixel/matting.hpp) costs a fraction then.
struct SamplingOptions {
  int spacing = 1;  // at most kSharingRadius
};

// The pixel whose samples stand for those of the pixels around it, along an axis.
TRIMATTE_HD std::ptrdiff_t gathering_place(std::ptrdiff_t at, int spacing) {
  return at / spacing * spacing;
}

enum SamplingClass : std::uint32_t { kSampleBackground, kSampleUnknown, kSampleForeground };

// ---- Colours -----------------------------------------------------------------------------------

TRIMATTE_HD std::uint32_t ten_bits(std::uint8_t v) {
  return std::uint32_t{v} * 4;
}
TRIMATTE_HD std::uint32_t ten_bits(std::uint16_t v) {
  return (std::uint32_t{v} * kSamplingScale + 32767) / 65535;
}
TRIMATTE_HD std::uint32_t ten_bits(float v) {
  return static_cast<std::uint32_t>(std::lrint(clip_unit(v) * float{kSamplingScale}));
}

// Colour and class of a pixel in 32 bits.
struct SamplingPixel {
  std::uint32_t bits;

  TRIMATTE_HD int r() const { return static_cast<int>(bits & 1023u); }
  TRIMATTE_HD int g() const { return static_cast<int>(bits >> 10 & 1023u); }
  TRIMATTE_HD int b() const { return static_cast<int>(bits >> 20 & 1023u); }
  TRIMATTE_HD std::uint32_t kind() const { return bits >> 30; }
  TRIMATTE_HD SamplingPixel with_kind(std::uint32_t kind) const {
    return {(bits & 0x3fffffffu) | kind << 30};
  }
};

TRIMATTE_HD std::uint32_t sampling_class(std::uint8_t trimap) {
  return trimap_is_background(trimap)   ? kSampleBackground
         : trimap_is_foreground(trimap) ? kSampleForeground
                                        : kSampleUnknown;
}

template <class T>
TRIMATTE_HD SamplingPixel sampling_pixel(T r, T g, T b, std::uint32_t kind) {
  return {ten_bits(r) | ten_bits(g) << 10 | ten_bits(b) << 20 | kind << 30};
}

TRIMATTE_HD int color_distance(SamplingPixel p, SamplingPixel q) {  // squared
  const int r = p.r() - q.r(), g = p.g() - q.g(), b = p.b() - q.b();
  return r * r + g * g + b * b;
}

// ---- Gathering ---------------------------------------------------------------------------------

// A ray's way from its pixel: whole pixels along one axis, sixteenths along the other. The rays of
// 4 x 4 pixels have all of 16 slopes, neighbours' far apart.
struct SamplingRay {
  int x, y;  // in sixteenths, a step

  TRIMATTE_HD SamplingRay(std::ptrdiff_t pixel_y, std::ptrdiff_t pixel_x, int quarter) {
    const int start = static_cast<int>(7 * pixel_x + 12 * pixel_y) & 15;
    const int along = start < 8 ? 16 : 31 - 2 * start, across = start < 8 ? 2 * start + 1 : 16;
    const int turned_x = quarter & 1 ? -across : along, turned_y = quarter & 1 ? along : across;
    x = quarter & 2 ? -turned_x : turned_x;
    y = quarter & 2 ? -turned_y : turned_y;
  }
  TRIMATTE_HD int dx(int step) const { return (step * x + 8) >> 4; }
  TRIMATTE_HD int dy(int step) const { return (step * y + 8) >> 4; }
};

// |I - alpha F - (1 - alpha) B|^2 for the best alpha in [0, 1], of n = (I - B).(F - B), d = |F -
// B|^2, e = |I - B|^2.
TRIMATTE_HD float fit_error(float n, float d, float e) {
  if (n <= 0.0f) return e;
  if (n >= d) return e - 2.0f * n + d;
  const double rest = static_cast<double>(e) * d - static_cast<double>(n) * n;
  return static_cast<float>(rest) / d;
}

// The nearest known pixel of a class on a ray; none where the distance is 0.
struct RaySample {
  SamplingPixel pixel;
  int square = 0;  // of the distance
};

// What the four rays of a pixel found, and the least energy of the ways there.
struct RaySamples {
  RaySample of[kSamplingRays];
  std::int64_t energy = INT64_MAX;

  TRIMATTE_HD void add(int ray, SamplingPixel pixel, int dy, int dx, std::int64_t its_energy) {
    of[ray] = {pixel, dy * dy + dx * dx};
    energy = its_energy < energy ? its_energy : energy;
  }
  // Where no ray met the class, its mean stands for it.
  TRIMATTE_HD void or_mean(SamplingPixel mean) {
    if (energy == INT64_MAX) add(0, mean, 0, 1, 0);
  }
};

// A pixel's pair of colours.
struct SamplingPair {
  SamplingPixel front, back;
};

// The line between a pair's colours.
struct PairLine {
  float r, g, b, back_r, back_g, back_b, square;

  TRIMATTE_HD explicit PairLine(const SamplingPair& pair)
      : r(static_cast<float>(pair.front.r() - pair.back.r())),
        g(static_cast<float>(pair.front.g() - pair.back.g())),
        b(static_cast<float>(pair.front.b() - pair.back.b())),
        back_r(static_cast<float>(pair.back.r())),
        back_g(static_cast<float>(pair.back.g())),
        back_b(static_cast<float>(pair.back.b())),
        square(r * r + g * g + b * b) {}

  // along: (I - B).(F - B)
  TRIMATTE_HD float error(SamplingPixel pixel, float& along) const {
    const float ir = static_cast<float>(pixel.r()) - back_r;
    const float ig = static_cast<float>(pixel.g()) - back_g;
    const float ib = static_cast<float>(pixel.b()) - back_b;
    along = ir * r + ig * g + ib * b;
    return fit_error(along, square, ir * ir + ig * ig + ib * ib);
  }
  TRIMATTE_HD float alpha(float along) const {
    return square > 0.0f ? clip_unit(along / square) : 0.5f;
  }
};

// Number of the pixels of a class, and the sums of their colours.
struct ClassSums {
  std::int64_t count = 0, r = 0, g = 0, b = 0;

  TRIMATTE_HD ClassSums& operator+=(const ClassSums& other) {
    count += other.count, r += other.r, g += other.g, b += other.b;
    return *this;
  }
  // Rounds half up; black if there is none.
  TRIMATTE_HD SamplingPixel mean() const {
    const auto of = [this](std::int64_t sum) {
      return count > 0 ? static_cast<std::uint32_t>((2 * sum + count) / (2 * count)) : 0u;
    };
    return {of(r) | of(g) << 10 | of(b) << 20};
  }
};

struct Gathered {
  RaySamples fronts, backs;
  double front_likely;

  // at(y, x) is a pixel.
  template <class At>
  TRIMATTE_HD Gathered(const At& at, std::ptrdiff_t height, std::ptrdiff_t width, std::ptrdiff_t y,
                       std::ptrdiff_t x, int spacing, const SamplingPair& means) {
    TRIMATTE_UNROLL
    for (int i = 0; i < kSamplingRays; ++i)
      follow_ray(at, height, width, y, x, i, SamplingRay(y / spacing, x / spacing, i));
    fronts.or_mean(means.front);
    backs.or_mean(means.back);
    const double front = static_cast<double>(fronts.energy);
    const double back = static_cast<double>(backs.energy);
    front_likely = front + back > 0.0 ? back / (front + back) : 0.5;
  }

  // The paper's objective: how badly a pair explains the 3 x 3 pixels (the sum of their errors),
  // how unlikely its alpha is for the pixel itself, and how far away the samples are.
  TRIMATTE_HD double cost(const RaySample& front, const RaySample& back, float errors,
                          float alpha) const {
    const double error = errors, far = back.square;
    const double unlikely = front_likely + (1.0 - 2.0 * front_likely) * alpha;
    return error * error * error * (unlikely * unlikely) *
           std::sqrt(static_cast<double>(front.square)) * (far * far);
  }

 private:
  // Goes until both classes are met, or the image ends. Steps grow with the distance, which bounds
  // their number: 175 to kSamplingReach.
  template <class At>
  TRIMATTE_HD void follow_ray(const At& at, std::ptrdiff_t height, std::ptrdiff_t width,
                              std::ptrdiff_t y, std::ptrdiff_t x, int number,
                              const SamplingRay& ray) {
    bool front = false, back = false;
    std::int64_t energy = 0;
    SamplingPixel last = at(y, x);
    for (int step = 1; step <= kSamplingReach && !(front && back); step += 1 + step / 32) {
      const int dx = ray.dx(step), dy = ray.dy(step);
      const std::ptrdiff_t qx = x + dx, qy = y + dy;
      if (qx < 0 || qy < 0 || qx >= width || qy >= height) return;
      const SamplingPixel q = at(qy, qx);
      energy += color_distance(last, q);
      last = q;
      if (!front && q.kind() == kSampleForeground) {
        front = true;
        fronts.add(number, q, dy, dx, energy);
      }
      if (!back && q.kind() == kSampleBackground) {
        back = true;
        backs.add(number, q, dy, dx, energy);
      }
    }
  }
};

// ---- Expansion ---------------------------------------------------------------------------------

// An unknown pixel is what the nearest known pixel of nearly its colour is.
struct ExpansionOffset {
  std::int16_t y, x;
};
inline constexpr int kExpansionOffsets = 316;  // pixels of a disk but for its centre
struct ExpansionDisk {
  ExpansionOffset offset[kExpansionOffsets];  // nearest first, then by rows
};
inline ExpansionDisk expansion_disk() {
  ExpansionDisk disk;
  int count = 0;
  for (int square = 1; square <= kExpansionRadius * kExpansionRadius; ++square)
    for (int dy = -kExpansionRadius; dy <= kExpansionRadius; ++dy)
      for (int dx = -kExpansionRadius; dx <= kExpansionRadius; ++dx)
        if (dy * dy + dx * dx == square)
          disk.offset[count++] = {static_cast<std::int16_t>(dy), static_cast<std::int16_t>(dx)};
  return disk;
}

// ---- Sharing -----------------------------------------------------------------------------------

// A pixel's mean pair after sharing, in steps of 1 / (kSamplingScale kShareScale), its alpha and
// its confidence, both of full scale 65535.
struct SharedPair {
  std::uint16_t front[3], back[3];
  std::uint16_t alpha, confidence;
};

// alpha of a colour between two others, all in [0, 1], and how far from their line it lies. Colours
// less than half a step apart are one, and tell no alpha.
struct LineFit {
  static constexpr float kLeastLength = 0.5f / kSamplingScale;

  float alpha, error, length;

  TRIMATTE_HD LineFit(const float (&i)[3], const float (&f)[3], const float (&b)[3]) {
    float n = 0.0f, d = 0.0f;
    for (int c = 0; c < 3; ++c) {
      n += (i[c] - b[c]) * (f[c] - b[c]);
      d += (f[c] - b[c]) * (f[c] - b[c]);
    }
    length = std::sqrt(d);
    alpha = is_line() ? clip_unit(n / d) : 0.5f;
    float square = 0.0f;
    for (int c = 0; c < 3; ++c) {
      const float off = i[c] - b[c] - alpha * (f[c] - b[c]);
      square += off * off;
    }
    error = std::sqrt(square);
  }
  TRIMATTE_HD bool is_line() const { return length > kLeastLength; }
};

TRIMATTE_HD float fit_confidence(float error) {
  return std::exp(-kConfidenceDecay * error);
}

struct PairMean {
  int front[3] = {}, back[3] = {}, count = 0;

  TRIMATTE_HD void add(const SamplingPair& pair) {
    front[0] += pair.front.r(), front[1] += pair.front.g(), front[2] += pair.front.b();
    back[0] += pair.back.r(), back[1] += pair.back.g(), back[2] += pair.back.b();
    ++count;
  }
  TRIMATTE_HD SharedPair shared(SamplingPixel pixel) const {
    if (count == 0) return {{}, {}, 32768, 1};
    constexpr float unit = 1.0f / (kSamplingScale * kShareScale);
    const int scale = kShareScale / count;
    const int own[3] = {pixel.r(), pixel.g(), pixel.b()};
    SharedPair result;
    float i[3], f[3], b[3];
    for (int c = 0; c < 3; ++c) {
      result.front[c] = static_cast<std::uint16_t>(front[c] * scale);
      result.back[c] = static_cast<std::uint16_t>(back[c] * scale);
      i[c] = static_cast<float>(own[c] * kShareScale) * unit;
      f[c] = static_cast<float>(front[c] * scale) * unit;
      b[c] = static_cast<float>(back[c] * scale) * unit;
    }
    const LineFit fit(i, f, b);
    result.alpha = from_unit<std::uint16_t>(fit.alpha);
    const std::uint16_t confidence = from_unit<std::uint16_t>(fit_confidence(fit.error));
    result.confidence = confidence > 0 ? confidence : 1;
    return result;
  }
};

// ---- Smoothing ---------------------------------------------------------------------------------

enum SmoothingPlane {
  kSmoothFront,
  kSmoothBack = 3,
  kSmoothAlpha = 6,
  kSmoothConfidence,
  kSmoothKnown,
  kSmoothPairs,
  kSmoothLengths,
  kSmoothingInputs
};

// What a pixel says to its neighbours; outside of the image it would be all zeros.
struct SmoothingInput {
  float value[kSmoothingInputs] = {};

  TRIMATTE_HD SmoothingInput(SamplingPixel pixel, const SharedPair& pair) {
    if (pixel.kind() != kSampleUnknown) {
      value[kSmoothAlpha] = pixel.kind() == kSampleForeground ? 1.0f : 0.0f;
      value[kSmoothKnown] = 1.0f;
      return;
    }
    constexpr float unit = 1.0f / (kSamplingScale * kShareScale);
    float square = 0.0f;
    for (int c = 0; c < 3; ++c) {
      const float f = static_cast<float>(pair.front[c]) * unit;
      const float b = static_cast<float>(pair.back[c]) * unit;
      value[kSmoothFront + c] = f;
      value[kSmoothBack + c] = b;
      square += (f - b) * (f - b);
    }
    const float alpha = to_unit(pair.alpha), confidence = to_unit(pair.confidence);
    value[kSmoothAlpha] = alpha;
    value[kSmoothConfidence] = confidence;
    value[kSmoothPairs] = confidence * alpha * (1.0f - alpha);
    value[kSmoothLengths] = value[kSmoothPairs] * std::sqrt(square);
  }
};

enum SmoothingSum {
  kSumFront,
  kSumBack = 3,
  kSumFrontWeight = 6,
  kSumBackWeight,
  kSumPairs,
  kSumLengths,
  kSumAlpha,
  kSumAlphaWeight,
  kSmoothingSums
};

// near: the weight of the distance; same: 1 for the pixel itself, else 0.
TRIMATTE_HD void add_smoothing(float own_alpha, const float (&q)[kSmoothingInputs], float near,
                               float same, float (&sum)[kSmoothingSums]) {
  constexpr float kLeast = 1e-5f;  // so that the weights do not vanish where all alphas are one
  const float alpha = q[kSmoothAlpha];
  const float weight = near * q[kSmoothConfidence];
  const float unlike = weight * (std::fabs(own_alpha - alpha) + same);
  const float front = unlike * alpha + kLeast * weight;
  const float back = unlike * (1.0f - alpha) + kLeast * weight;
  for (int c = 0; c < 3; ++c) {
    sum[kSumFront + c] += front * q[kSmoothFront + c];
    sum[kSumBack + c] += back * q[kSmoothBack + c];
  }
  sum[kSumFrontWeight] += front;
  sum[kSumBackWeight] += back;
  sum[kSumPairs] += q[kSmoothPairs];
  sum[kSumLengths] += q[kSmoothLengths];
  const float low = weight + q[kSmoothKnown] * (near + 1.0f);
  sum[kSumAlpha] += low * alpha;
  sum[kSumAlphaWeight] += low;
}

struct SmoothedAlpha {
  float alpha, confidence;
};

TRIMATTE_HD SmoothedAlpha smoothed_alpha(SamplingPixel pixel, const float (&sum)[kSmoothingSums]) {
  constexpr float unit = 1.0f / kSamplingScale;
  const float i[3] = {static_cast<float>(pixel.r()) * unit, static_cast<float>(pixel.g()) * unit,
                      static_cast<float>(pixel.b()) * unit};
  float f[3], b[3];
  for (int c = 0; c < 3; ++c) {
    f[c] = sum[kSumFront + c] / sum[kSumFrontWeight];
    b[c] = sum[kSumBack + c] / sum[kSumBackWeight];
  }
  const LineFit fit(i, f, b);
  const float length = fit.length * sum[kSumPairs];
  const float apart = length < sum[kSumLengths] ? length / sum[kSumLengths] : 1.0f;
  const float confidence = fit.is_line() ? apart * fit_confidence(fit.error) : 0.0f;
  const float low = sum[kSumAlpha] / sum[kSumAlphaWeight];
  return {clip_unit(confidence * fit.alpha + (1.0f - confidence) * low), confidence};
}

struct SmoothingWeights {
  float near[(2 * kSmoothingRadius + 1) * (2 * kSmoothingRadius + 1)];
};
inline SmoothingWeights smoothing_weights() {
  SmoothingWeights weights;
  constexpr int side = 2 * kSmoothingRadius + 1;
  for (int i = 0; i < side * side; ++i) {
    const int dy = i / side - kSmoothingRadius, dx = i % side - kSmoothingRadius;
    weights.near[i] = std::exp(-static_cast<float>(dy * dy + dx * dx) / kSmoothingSpread);
  }
  return weights;
}

// The unknown pixels of a trimap that lacks a class are all of the other; of one that lacks both,
// nothing is known.
struct OneSided {
  float alpha, confidence;

  TRIMATTE_HD OneSided(bool has_foreground, bool has_background)
      : alpha(has_foreground   ? 1.0f
              : has_background ? 0.0f
                               : 0.5f),
        confidence(has_foreground || has_background ? 1.0f : 0.0f) {}
};

}  // namespace trimatte

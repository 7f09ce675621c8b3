// Shared sampling: a foreground and a background colour for each unknown pixel, and alpha from them.
//
// Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting, Eurographics 2010. Every choice
// between samples compares numbers that are exact, or rounded once, in any order of evaluation: on
// colours of ten bits scalar products fit into a float, their products into a double. So the same
// samples win on every device, and only smooth arithmetic differs in its last bits.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {

inline constexpr int kSamplingScale = 1020;      // ten bits; whole steps of uint8
inline constexpr int kExpansionRadius = 10;      // pixels
inline constexpr int kExpansionDistance = 20;    // of colours: 5 / 255
inline constexpr int kSamplingRays = 4;          // a quarter turn apart
inline constexpr int kSamplingPairs = kSamplingRays * kSamplingRays;
inline constexpr int kSamplingSteps = 1024;      // of a ray, at most
inline constexpr int kSharingRadius = 5;         // a square: 121 neighbours' pairs are tried ...
inline constexpr int kSharedPairs = 3;           // ... and so many averaged
inline constexpr int kShareScale = 6;            // averages of 1, 2, 3 whole numbers, whole again
inline constexpr int kSmoothingRadius = 5;
inline constexpr float kSmoothingSpread = 4.28f;  // sigma^2 of 11 x 11 pixels, (11^2) / (9 pi)
inline constexpr float kConfidenceDecay = 10.0f;

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

// What a ray saw: the nearest known pixel of a class, where, and the energy of the way there.
struct Sample {
  SamplingPixel pixel;
  double distance, energy;
};
struct Samples {
  Sample of[kSamplingRays];
  int count = 0;

  TRIMATTE_HD void add(SamplingPixel pixel, int dy, int dx, std::int64_t energy) {
    of[count++] = {pixel, std::sqrt(static_cast<double>(dy * dy + dx * dx)),
                   static_cast<double>(energy)};
  }
  TRIMATTE_HD double least_energy() const {
    double least = of[0].energy;
    for (int i = 1; i < count; ++i) least = of[i].energy < least ? of[i].energy : least;
    return least;
  }
};

// A pixel's pair of colours.
struct SamplingPair {
  SamplingPixel front, back;
};

// Follows a ray until it has met both classes, or leaves the image. at(y, x) is a pixel.
template <class At>
TRIMATTE_HD void follow_ray(const At& at, std::ptrdiff_t height, std::ptrdiff_t width,
                            std::ptrdiff_t y, std::ptrdiff_t x, const SamplingRay& ray,
                            Samples& fronts, Samples& backs) {
  bool front = false, back = false;
  std::int64_t energy = 0;
  SamplingPixel last = at(y, x);
  for (int step = 1; step <= kSamplingSteps && !(front && back); step += 1 + (step >> STEPSH)) {
    const int dx = ray.dx(step), dy = ray.dy(step);
    const std::ptrdiff_t qx = x + dx, qy = y + dy;
    if (qx < 0 || qy < 0 || qx >= width || qy >= height) return;
    const SamplingPixel q = at(qy, qx);
    energy += color_distance(last, q);
    last = q;
    if (!front && q.kind() == kSampleForeground) {
      front = true;
      fronts.add(q, dy, dx, energy);
    }
    if (!back && q.kind() == kSampleBackground) {
      back = true;
      backs.add(q, dy, dx, energy);
    }
  }
}

// What the four rays of a pixel found. A class that none of them met is stood for by its mean.
struct Gathered {
  Samples fronts, backs;
  double front_likely;

  template <class At>
  TRIMATTE_HD Gathered(const At& at, std::ptrdiff_t height, std::ptrdiff_t width, std::ptrdiff_t y,
                       std::ptrdiff_t x, const SamplingPair& means) {
    for (int quarter = 0; quarter < kSamplingRays; ++quarter)
      follow_ray(at, height, width, y, x, SamplingRay(y, x, quarter), fronts, backs);
    if (fronts.count == 0) fronts.add(means.front, 0, 1, 0);
    if (backs.count == 0) backs.add(means.back, 0, 1, 0);
    const double front = fronts.least_energy(), back = backs.least_energy();
    front_likely = front + back > 0.0 ? back / (front + back) : 0.5;
  }

  // The paper's objective: how badly the pair explains the 3 x 3 pixels, how unlikely its alpha for
  // the pixel itself is, and how far away the samples are.
  TRIMATTE_HD double cost(const Sample& front, const Sample& back, float fit, float alpha) const {
    const double unlikely = front_likely + (1.0 - 2.0 * front_likely) * alpha;
    const double error = fit, near = back.distance * back.distance;
    return error * error * error * (unlikely * unlikely) * front.distance * (near * near);
  }
};

// ---- Expansion ---------------------------------------------------------------------------------

struct ExpansionOffset {
  int y, x;
  float distance;  // how far apart the colours may be, squared
};

// ---- Sharing -----------------------------------------------------------------------------------

// A pixel's mean pair after sharing, in steps of 1 / (kSamplingScale kShareScale), its alpha and
// its confidence, both of full scale 65535.
struct SharedPair {
  std::uint16_t front[3], back[3];
  std::uint16_t alpha, confidence;
};

// alpha of a colour between two others, and how far from their line it lies. All of one unit.
struct LineFit {
  float alpha, error, length;

  TRIMATTE_HD LineFit(const float (&i)[3], const float (&f)[3], const float (&b)[3]) {
    float n = 0.0f, d = 0.0f;
    for (int c = 0; c < 3; ++c) {
      n += (i[c] - b[c]) * (f[c] - b[c]);
      d += (f[c] - b[c]) * (f[c] - b[c]);
    }
    alpha = d > 0.0f ? clip_unit(n / d) : 0.5f;
    float square = 0.0f;
    for (int c = 0; c < 3; ++c) {
      const float off = i[c] - b[c] - alpha * (f[c] - b[c]);
      square += off * off;
    }
    error = std::sqrt(square);
    length = std::sqrt(d);
  }
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
  const float confidence = apart * fit_confidence(fit.error);
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

}  // namespace trimatte

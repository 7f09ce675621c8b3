// Soft chroma keys of one pixel, in float: colours in [0, 1], in light or as they are encoded.
#pragma once

#include <cmath>

#include "core/host_device.hpp"
#include "pixel/composite.hpp"
#include "pixel/depth.hpp"
#include "pixel/key.hpp"
#include "pixel/transfer.hpp"

namespace trimatte {

enum class SoftKeyMethod { kFfmpeg, kObs, kVlahos, kPlate };

struct SoftKeyOptions {
  SoftKeyMethod method = SoftKeyMethod::kVlahos;
  int channel = 1;                    // the key colour's dominant one
  double color[3] = {0.0, 1.0, 0.0};  // the key colour, encoded
  double tolerance = 0.0;             // kFfmpeg and kObs: fractions of the key's own chroma
  double softness = 1.0;
  bool linear = false;              // compare in linear light
  double black = 0.0, white = 1.0;  // alphas that become 0 and 1
  int cell = 0;                     // pixels a side of the grid's cells; 0: it spans the image
};

// A chroma: two weighted sums of r, g, b and 1.
struct ChromaWeights {
  float u[4], v[4];
};
struct Chroma {
  float u, v;
};
TRIMATTE_HD Chroma chroma_of(float r, float g, float b, const ChromaWeights& w) {
  return {w.u[0] * r + w.u[1] * g + w.u[2] * b + w.u[3],
          w.v[0] * r + w.v[1] * g + w.v[2] * b + w.v[3]};
}
TRIMATTE_HD float length_of(Chroma c) {
  return std::sqrt(c.u * c.u + c.v * c.v);
}

// The options as arithmetic wants them.
struct SoftKeyRule {
  bool linear;
  int k, a, b;           // channels: key and the two others
  float inverse;         // 1 / the key colour's own difference
  ChromaWeights chroma;  // of a pixel less the key's, in units of the key's
  float tolerance, steepness;
  float gain, offset;  // alpha's levels
};

// A screen whose difference is below this is none.
inline constexpr float kLeastDifference = 1.0f / 255.0f;

// 1 / the difference of a screen's colour.
TRIMATTE_HD float inverse_difference(float k, float a, float b) {
  return 1.0f / larger(k - larger(a, b), kLeastDifference);
}

inline SoftKeyRule soft_key_rule(const SoftKeyOptions& options) {
  // FFmpeg: U and V of full-range BT.601. OBS: BT.709 of limited range.
  constexpr double kWeights[2][2][3] = {
      {{-0.16874, -0.33126, 0.5}, {0.5, -0.41869, -0.08131}},
      {{-0.100644, -0.338572, 0.439216}, {0.439216, -0.398942, -0.040274}}};
  const auto& weights = kWeights[options.method == SoftKeyMethod::kObs];
  double key[3], chroma[2] = {0.0, 0.0};
  for (int c = 0; c < 3; ++c) {
    const double v = options.color[c];
    key[c] = !options.linear ? v : v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    for (int axis = 0; axis < 2; ++axis) chroma[axis] += weights[axis][c] * key[c];
  }
  const double unit = 1.0 / std::hypot(chroma[0], chroma[1]);
  SoftKeyRule rule{};
  rule.linear = options.linear;
  rule.k = options.channel;
  rule.a = (options.channel + 1) % 3;
  rule.b = (options.channel + 2) % 3;
  rule.inverse =
      inverse_difference(static_cast<float>(key[rule.k]), static_cast<float>(key[rule.a]),
                         static_cast<float>(key[rule.b]));
  for (int c = 0; c < 3; ++c) {
    rule.chroma.u[c] = static_cast<float>(weights[0][c] * unit);
    rule.chroma.v[c] = static_cast<float>(weights[1][c] * unit);
  }
  rule.chroma.u[3] = static_cast<float>(-chroma[0] * unit);
  rule.chroma.v[3] = static_cast<float>(-chroma[1] * unit);
  rule.tolerance = static_cast<float>(options.tolerance);
  // As good as a step: the least distance above the tolerance is some 1e-8 of it.
  constexpr double kLeastSoftness = 1e-20;
  rule.steepness = static_cast<float>(
      1.0 / (options.softness > kLeastSoftness ? options.softness : kLeastSoftness));
  rule.gain = static_cast<float>(1.0 / (options.white - options.black));
  rule.offset = static_cast<float>(-options.black / (options.white - options.black));
  return rule;
}

// clip_unit as compilers have one instruction for each side of.
TRIMATTE_HD float held_to_unit(float v) {
  v = larger(v, 0.0f);
  return v < 1.0f ? v : 1.0f;
}

TRIMATTE_HD float leveled(float alpha, const SoftKeyRule& rule) {
  return held_to_unit(alpha * rule.gain + rule.offset);
}

// Vlahos' colour difference k - max(a, b), as a part of the screen's own.
TRIMATTE_HD float vlahos_alpha(float k, float a, float b, float inverse, const SoftKeyRule& rule) {
  return leveled(1.0f - (k - larger(a, b)) * inverse, rule);
}

TRIMATTE_HD float plate_alpha(float r, float g, float b, float m0, float m1, float m2, float m3,
                              const SoftKeyRule& rule) {
  return leveled(m0 * r + m1 * g + m2 * b + m3, rule);
}

// FFmpeg's chromakey: the mean of nine distances, of which here is the sum.
TRIMATTE_HD float ffmpeg_alpha(float distances, const SoftKeyRule& rule) {
  const float mean = distances * (1.0f / 9.0f);
  return leveled(held_to_unit((mean - rule.tolerance) * rule.steepness), rule);
}

// The distance of a tap half-way between two pixels, as a texture unit reads it.
TRIMATTE_HD float tap_distance(Chroma one, Chroma other) {
  return length_of({0.5f * (one.u + other.u), 0.5f * (one.v + other.v)});
}

// OBS Studio's chroma key: four taps weigh two each, the pixel itself one.
TRIMATTE_HD float obs_alpha(float taps, float own, const SoftKeyRule& rule) {
  const float mean = (2.0f * taps + own) * (1.0f / 9.0f);
  const float part = held_to_unit((mean - rule.tolerance) * rule.steepness);
  return leveled(part * std::sqrt(part), rule);
}

}  // namespace trimatte

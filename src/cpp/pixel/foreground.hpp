// Foreground and background colour of one pixel.
//
// Germer, Uelwer, Conrad, Harmeling: Fast Multi-Level Foreground Estimation, ICPR 2020.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"

namespace trimatte {

inline constexpr float kForegroundRegularization = 1e-5f;
inline constexpr int kForegroundSmallSide = 32;  // levels up to this size take ...
inline constexpr int kForegroundSmallSweeps = 10;
inline constexpr int kForegroundSweeps = 4;
inline constexpr int kForegroundFastSweeps = 2;  // on the finest level, where they cost most
// The finest levels have no planes in the CPU's memory, so that there are always more.
inline constexpr int kForegroundFewestLevels = 3;
// Below this alpha a subtracted background divides the image's rounding by too little.
inline constexpr float kForegroundSureAlpha = 0.1f;

enum class ForegroundQuality : std::uint8_t { kFast, kBalanced };

struct ForegroundOptions {
  ForegroundQuality quality = ForegroundQuality::kBalanced;
  bool background_known = false;
  float color[3] = {0.0f, 0.0f, 0.0f};  // the known background where there is no plate, in [0, 1]
  // On a GPU: levels of at most so many tiles are solved whole, of larger ones the tiles with soft
  // pixels.
  int direct_tiles = 256;
};

struct PlateOptions {
  float color[3] = {0.0f, 0.0f, 0.0f};  // the screen where there is no plate, in [0, 1]
};

TRIMATTE_HD bool foreground_is_small(std::ptrdiff_t height, std::ptrdiff_t width) {
  return height <= kForegroundSmallSide && width <= kForegroundSmallSide;
}

TRIMATTE_HD int foreground_sweeps(ForegroundQuality quality, int level, std::ptrdiff_t height,
                                  std::ptrdiff_t width) {
  if (foreground_is_small(height, width)) return kForegroundSmallSweeps;
  return quality == ForegroundQuality::kFast && level == 0 ? kForegroundFastSweeps
                                                           : kForegroundSweeps;
}

// F and B begin as means over the finest small level behind the two finest, weighted by the squares
// of alpha and of 1 - alpha; where these are 0, as its mean colour.
inline constexpr double kForegroundStartShare = 1e-6;  // of the mean colour

TRIMATTE_HD float foreground_start_weight(bool front, float alpha) {
  const float share = front ? alpha : 1.0f - alpha;
  return share * share;
}
TRIMATTE_HD float foreground_first(double sum, double weight, double mean) {
  return static_cast<float>((sum + kForegroundStartShare * mean) /
                            (weight + kForegroundStartShare));
}

// Only the colours of soft pixels are solved for.
TRIMATTE_HD bool is_soft(float alpha) {
  return alpha > 0.0f && alpha < 1.0f;
}

// Where a level starts: what is known is the image, the rest comes from the coarser level.
TRIMATTE_HD float foreground_start(float alpha, float image, float coarse) {
  return alpha >= 1.0f ? image : coarse;
}
TRIMATTE_HD float background_start(float alpha, float image, float coarse) {
  return alpha <= 0.0f ? image : coarse;
}

// Weight of a neighbour in the smoothness term.
TRIMATTE_HD float foreground_weight(float alpha, float neighbour) {
  const float d = alpha - neighbour;
  return kForegroundRegularization + (d < 0.0f ? -d : d);
}

// The normal equations of one pixel, solved in a form without cancellation: with the neighbours'
// weighted means F' and B', the total weight S and the error e = I - alpha F' - (1 - alpha) B',
//   F = F' + alpha e / (alpha^2 + (1 - alpha)^2 + S),   B = B' + (1 - alpha) e / (...).
// Returns alpha / (...) and (1 - alpha) / (...).
struct ForegroundGain {
  float front, back;
};
TRIMATTE_HD ForegroundGain foreground_gain(float alpha, float weight) {
  const float beta = 1.0f - alpha;
  const float inverse = 1.0f / (alpha * alpha + beta * beta + weight);
  return {alpha * inverse, beta * inverse};
}

// Weights of the neighbours of a pixel, of sum 1, and its gains: the same for all channels.
struct ForegroundSystem {
  float left, right, up, down;
  ForegroundGain gain;
};
TRIMATTE_HD ForegroundSystem foreground_system(float alpha, float left, float right, float up,
                                               float down) {
  left = foreground_weight(alpha, left);
  right = foreground_weight(alpha, right);
  up = foreground_weight(alpha, up);
  down = foreground_weight(alpha, down);
  const float sum = (left + right) + (up + down), inverse = 1.0f / sum;
  return {left * inverse, right * inverse, up * inverse, down * inverse,
          foreground_gain(alpha, sum)};
}

TRIMATTE_HD float foreground_mean(const ForegroundSystem& w, float left, float right, float up,
                                  float down) {
  return (w.left * left + w.right * right) + (w.up * up + w.down * down);
}

// A Jacobi step of one channel of a soft pixel: F and B get the neighbours' means, moved to explain
// the image.
TRIMATTE_HD void foreground_step(const ForegroundGain& gain, float alpha, float image, float mean_f,
                                 float mean_b, float& f, float& b) {
  const float error = image - mean_b - alpha * (mean_f - mean_b);
  f = clip_unit(mean_f + gain.front * error);
  b = clip_unit(mean_b + gain.back * error);
}

// Four pixels to one of the next coarser level; beyond the image its border repeats.
TRIMATTE_HD float foreground_halved(float a, float b, float c, float d) {
  return 0.25f * ((a + b) + (c + d));
}

// Moves F and B to the nearest pair with alpha F + (1 - alpha) B = I, both within [0, 1]. Without
// branches, for vectors.
TRIMATTE_HD void project_colors(float alpha, float image, float& f, float& b) {
  const float beta = 1.0f - alpha;
  const bool clear = alpha <= 0.0f, opaque = beta <= 0.0f;
  const float by_alpha = clear ? 1.0f : alpha, by_beta = opaque ? 1.0f : beta;
  const float error = (image - alpha * f - beta * b) / (alpha * alpha + beta * beta);
  const float free_front = f + alpha * error, free_back = b + beta * error;
  const float least = (image - beta) / by_alpha, most = image / by_alpha;
  float front = free_front < least ? least : free_front;
  front = clip_unit(front > most ? most : front);
  // Not (image - alpha F) / beta: that would divide F's rounding by beta where nothing is clipped.
  const float back = clip_unit(free_back - alpha * (front - free_front) / by_beta);
  f = opaque ? image : clear ? f : front;
  b = clear ? image : opaque ? b : back;
}

// F before a known background: what the compositing equation says, as far as alpha is sure.
TRIMATTE_HD float subtract_background(float alpha, float image, float background, float f) {
  const float by_alpha = alpha > 0.0f ? alpha : 1.0f;
  const float exact = clip_unit((image - (1.0f - alpha) * background) / by_alpha);
  const float share = alpha < kForegroundSureAlpha ? alpha * (1.0f / kForegroundSureAlpha) : 1.0f;
  return f + share * (exact - f);
}

// The same without any other idea of F than the image.
template <class T>
TRIMATTE_HD T subtract_plate_sample(T image, float alpha, float background) {
  const float sample = to_unit(image);
  return from_unit<T>(subtract_background(alpha, sample, background, sample));
}

// A sample of the image or of the plate, as it was before to_unit.
template <class T>
TRIMATTE_HD T known_sample(float v) {
  return from_unit<T>(v);
}
template <>
TRIMATTE_HD float known_sample<float>(float v) {
  return v;
}

}  // namespace trimatte

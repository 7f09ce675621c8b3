// Foreground and background colour of one pixel.
//
// Germer, Uelwer, Conrad, Harmeling: Fast Multi-Level Foreground Estimation, ICPR 2020.
#pragma once

#include "core/host_device.hpp"
#include "pixel/depth.hpp"

namespace trimatte {

inline constexpr float kForegroundRegularization = 1e-5f;
inline constexpr int kForegroundSmallSide = 32;  // levels up to this size take ...
inline constexpr int kForegroundSmallSweeps = 10;
inline constexpr int kForegroundSweeps = 4;
inline constexpr float kForegroundSure = 0.1f;  // F and B begin as the means of what is as sure

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

// A Jacobi step of one channel: F and B get the neighbours' means, moved to explain the image.
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

// Moves F and B to the nearest pair with alpha F + (1 - alpha) B = I, both within [0, 1].
TRIMATTE_HD void project_colors(float alpha, float image, float& f, float& b) {
  const float beta = 1.0f - alpha;
  if (beta <= 0.0f) {
    f = image;
    return;
  }
  if (alpha <= 0.0f) {
    b = image;
    return;
  }
  const float error = image - alpha * f - beta * b;
  f += alpha * error / (alpha * alpha + beta * beta);
  const float least = (image - beta) / alpha, most = image / alpha;
  f = f < least ? least : f;
  f = f > most ? most : f;
  f = clip_unit(f);
  b = clip_unit((image - alpha * f) / beta);
}

}  // namespace trimatte

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

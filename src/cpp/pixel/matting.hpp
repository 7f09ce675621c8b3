// Options and results of the alpha solver, and the 3x3-window arithmetic of closed-form matting.
//
// Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting, PAMI 2008. The matting
// Laplacian is L = sum over windows k of  delta_ij - (1 + (I_i - mu)' (Sigma + eps/9 Id)^-1 (I_j -
// mu)) / 9.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/host_device.hpp"

namespace trimatte {

enum class MattingQuality { kFast, kBalanced, kExact };

struct MattingOptions {
  MattingQuality quality = MattingQuality::kBalanced;
};

struct MattingInfo {
  std::int64_t unknown = 0;  // pixels that were solved
  int levels = 0;            // of the pyramid
  int iterations = 0;        // of conjugate gradients on the finest level
  double residual = 0.0;     // |b - A x| / |b| on the finest level
};

// The solver is the same on every device: a pyramid of images, on each the matting Laplacian of the
// unknown pixels as a symmetric 5x5 stencil, and a coarse function carried to the finer image by
// local linear models (cpu/matting.cpp says more).

// Ridges of the windows: the finest level's operator has PyMatting's; those of the coarse operators
// and of the models that join levels are where the error against true alpha on photographs is
// smallest.
inline constexpr double kMattingEpsilon = 1e-7;
inline constexpr double kMattingCoarseEpsilon = 1e-6;
inline constexpr double kMattingModelEpsilon = 2e-5;
inline constexpr std::ptrdiff_t kMattingSmallestSide = 48;  // of a level that is halved no more
inline constexpr int kMattingScaleSteps = 10;
// Chebyshev polynomials damp [kMattingSpectrumEnd / 8, kMattingSpectrumEnd] of D^-1 A. With D the
// absolute row sums nothing lies above 1, and most of it below 0.8; at 1 the polynomials are still
// contractions.
inline constexpr float kMattingSpectrumEnd = 0.9f;

// Steps of conjugate gradients on the coarsest level: at its start, and in each cycle.
inline constexpr int kMattingStartSteps = 4000, kMattingCoarsestSteps = 60;
inline constexpr double kMattingStartTolerance = 1e-6, kMattingCoarsestTolerance = 0.1;

// Steps of conjugate gradients a level and Chebyshev steps before and after each coarse correction.
struct MattingSchedule {
  int steps;
  int smoothing;
  int finest_steps;
  double tolerance;  // stops the finest level at this |r| / |b|
};
inline MattingSchedule matting_schedule(MattingQuality quality) {
  switch (quality) {
    case MattingQuality::kFast: return {1, 2, 1, 0.0};
    case MattingQuality::kBalanced: return {4, 3, 4, 0.0};
    case MattingQuality::kExact: break;
  }
  return {4, 3, 100, 2e-6};
}

// The coefficients of the Chebyshev steps z += p, r -= D^-1 A p, p = keep p + take r.
struct ChebyshevSteps {
  static constexpr float kLow = kMattingSpectrumEnd / 8.0f;
  static constexpr float kTheta = 0.5f * (kMattingSpectrumEnd + kLow);
  static constexpr float kDelta = 0.5f * (kMattingSpectrumEnd - kLow);
  static constexpr float kSigma = kTheta / kDelta;

  float rho = 1.0f / kSigma, keep = 0.0f, take = 0.0f;
  TRIMATTE_HD void next() {
    const float rho2 = 1.0f / (2.0f * kSigma - rho);
    keep = rho2 * rho;
    take = 2.0f * rho2 / kDelta;
    rho = rho2;
  }
};

// Plane d of the stencil couples a pixel with the one at this offset ahead of it: (0, 0), (0, 1),
// (0, 2), (1, -2) ... (1, 2), (2, -2) ... (2, 2).
inline constexpr int kMattingOffsets = 13;
TRIMATTE_HD constexpr int matting_offset_index(int dy, int dx) {
  return dy == 0 ? dx : 5 * dy + dx;
}
TRIMATTE_HD constexpr int matting_offset_dy(int d) {
  return d < 3 ? 0 : d < 8 ? 1 : 2;
}
TRIMATTE_HD constexpr int matting_offset_dx(int d) {
  return d < 3 ? d : (d - 3) % 5 - 2;
}

// Cell-centred halving: a fine pixel lies a quarter of a coarse pixel off its parent's centre. Its
// weights on the parent and on the coarse pixel beyond, if there is one.
struct MattingWeights {
  float near, far;
};
TRIMATTE_HD std::ptrdiff_t matting_far_pixel(std::ptrdiff_t i) {
  return i / 2 + (i % 2 ? 1 : -1);
}
TRIMATTE_HD MattingWeights matting_weights(std::ptrdiff_t i, std::ptrdiff_t coarse_size) {
  const std::ptrdiff_t far = matting_far_pixel(i);
  return far >= 0 && far < coarse_size ? MattingWeights{0.75f, 0.25f} : MattingWeights{1.0f, 0.0f};
}

// How many windows lie over pixel i along one side: their centres are 1 .. size - 2.
TRIMATTE_HD int matting_windows_over(std::ptrdiff_t i, std::ptrdiff_t size) {
  const std::ptrdiff_t first = i > 2 ? i - 1 : 1, last = i + 1 < size - 2 ? i + 1 : size - 2;
  return last < first ? 0 : static_cast<int>(last - first + 1);
}

// A value in [-1, 1] that looks random and is the same in every run.
TRIMATTE_HD float matting_noise(std::ptrdiff_t y, std::ptrdiff_t x) {
  auto h = static_cast<std::uint32_t>(y) * 2654435761u + static_cast<std::uint32_t>(x) * 40503u;
  h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
  return static_cast<float>(h >> 8) * (1.0f / 8388608.0f) - 1.0f;
}

// Lower-triangular factor of a 3x3 covariance plus a multiple of the identity: Sigma = L D L'. The
// factored form keeps its precision where the window's colours lie on a line and the inverse would
// not.
template <class Real>
struct ColorFactor {
  Real l10, l20, l21;
  Real i0, i1, i2;  // 1 / D
};

template <class Real>
TRIMATTE_HD ColorFactor<Real> factor_covariance(Real s00, Real s01, Real s02, Real s11, Real s12,
                                                Real s22, Real ridge) {
  ColorFactor<Real> f;
  const Real d0 = s00 + ridge;
  f.i0 = Real(1) / d0;
  f.l10 = s01 * f.i0;
  f.l20 = s02 * f.i0;
  // In exact arithmetic the pivots are at least the ridge: hold them there.
  Real d1 = s11 + ridge - f.l10 * s01;
  d1 = d1 > ridge ? d1 : ridge;
  f.i1 = Real(1) / d1;
  const Real t = s12 - f.l10 * s02;
  f.l21 = t * f.i1;
  Real d2 = s22 + ridge - f.l20 * s02 - f.l21 * t;
  d2 = d2 > ridge ? d2 : ridge;
  f.i2 = Real(1) / d2;
  return f;
}

// Solves (Sigma + ridge Id) a = q in place.
template <class Real>
TRIMATTE_HD void solve_factored(const ColorFactor<Real>& f, Real& q0, Real& q1, Real& q2) {
  q1 -= f.l10 * q0;
  q2 -= f.l20 * q0 + f.l21 * q1;
  q2 *= f.i2;
  q1 = q1 * f.i1 - f.l21 * q2;
  q0 = q0 * f.i0 - f.l10 * q1 - f.l20 * q2;
}

// Whitens a colour (less the mean) in place: (I_i - mu)' (Sigma + ridge)^-1 (I_j - mu) is the
// scalar product of two whitened ones, which keeps the window's matrix positive semidefinite in any
// precision.
template <class Real>
TRIMATTE_HD void whiten_color(const ColorFactor<Real>& f, Real& u0, Real& u1, Real& u2) {
  u1 -= f.l10 * u0;
  u2 -= f.l20 * u0 + f.l21 * u1;
  u0 *= std::sqrt(f.i0);
  u1 *= std::sqrt(f.i1);
  u2 *= std::sqrt(f.i2);
}

}  // namespace trimatte

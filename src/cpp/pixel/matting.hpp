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
  std::ptrdiff_t whole_pixels = std::ptrdiff_t{1} << 23;  // larger images are solved in tiles
  // On a GPU: where room for every pixel would take more than so many bytes, the host waits to
  // learn how many are unknown.
  std::ptrdiff_t unasked_bytes = std::ptrdiff_t{512} << 20;
  // Called now and then, on the thread of the caller, with the part of the work that is done; what
  // it throws ends the solve.
  void (*progress)(void* context, double done) = nullptr;
  void* context = nullptr;

  void report(double done) const {
    if (progress) progress(context, done);
  }
};

struct MattingSummary {
  std::int64_t unknown = 0;  // pixels that were solved
  int levels = 0;            // of the pyramid
  int iterations = 0;        // of conjugate gradients on the finest level
  double residual = 0.0;     // |b - A x| / |b| on the finest level
};

struct MattingInfo : MattingSummary {
  static constexpr int kMostLevels = 32;
  double seconds[kMostLevels] = {};  // by level, the finest first; on a CPU
};

// The solver is the same on every device: a pyramid of images, on each the matting Laplacian of the
// unknown pixels as a symmetric 5x5 stencil, and a coarse function carried to the finer image by
// local linear models (cpu/matting.cpp says more).

// Ridges of the windows: the finest level's operator has PyMatting's; those of the coarse operators
// and of the models that join levels are where the error against true alpha on photographs is
// smallest.
inline constexpr float kMattingEpsilon = 1e-7f;
inline constexpr float kMattingCoarseEpsilon = 1e-6f;
inline constexpr float kMattingModelEpsilon = 2e-5f;
inline constexpr std::ptrdiff_t kMattingSmallestSide = 48;  // of a level that is halved no more
inline constexpr int kMattingScaleSteps = 10;
// Chebyshev polynomials damp [kMattingSpectrumEnd / 8, kMattingSpectrumEnd] of D^-1 A. With D the
// absolute row sums nothing lies above 1, and most of it below 0.8; at 1 the polynomials are still
// contractions.
inline constexpr float kMattingSpectrumEnd = 0.9f;

// Steps of conjugate gradients on the coarsest level: at its start, and in each cycle.
inline constexpr int kMattingStartSteps = 4000, kMattingCoarsestSteps = 60;
inline constexpr double kMattingStartTolerance = 1e-6, kMattingCoarsestTolerance = 0.1;

// Steps of conjugate gradients a level, and of Chebyshev smoothing before and after each coarse
// correction.
struct MattingSchedule {
  int finest_steps, finest_smoothing;
  int steps, smoothing;  // of the other levels
  double tolerance;      // stops the finest level at this |r| / |b|
  bool prior;            // colours sampled on a coarse level have a say

  // To the solution of the equations as they are: no prior is wanted then.
  TRIMATTE_HD bool converges() const { return tolerance > 0.0; }
};
inline MattingSchedule matting_schedule(MattingQuality quality) {
  switch (quality) {
    case MattingQuality::kFast: return {1, 2, 1, 2, 0.0, false};
    case MattingQuality::kBalanced: return {1, 2, 3, 3, 0.0, true};
    case MattingQuality::kExact: break;
  }
  return {100, 3, 4, 3, 2e-6, false};
}

// Images of more than MattingOptions::whole_pixels are solved as a whole on the first level of at
// most half of that, and on the finer ones in tiles: squares (even, so that they are whole on
// the coarser level) with a halo.
inline constexpr std::ptrdiff_t kMattingTile = 1536, kMattingHalo = 64;

// Where several colours fit the windows alike, the matting Laplacian leaves alpha to chance. Shared
// sampling (pixel/sampling.hpp) on a coarse level says what alpha is likely there: the term
// w (alpha - sampled)^2 with w = kMattingPriorWeight confidence^24, only where the sampled colours
// explain the pixel almost exactly, is added to that level's energy and, averaged, to the coarser
// ones'.
inline constexpr float kMattingPriorWeight = 0.15f;
inline constexpr std::ptrdiff_t kMattingPriorPixels = std::ptrdiff_t{1} << 18;  // of its level
inline constexpr int kMattingPriorSpacing = 2;  // of the pixels that look for samples
TRIMATTE_HD float matting_prior_weight(float confidence) {
  const float c3 = confidence * confidence * confidence, c6 = c3 * c3, c12 = c6 * c6;
  return kMattingPriorWeight * (c12 * c12);
}
// The level of the prior, for an image of this size; the finest has none.
inline int matting_prior_level(std::ptrdiff_t height, std::ptrdiff_t width) {
  int level = 0;
  do {
    height = (height + 1) / 2, width = (width + 1) / 2;
    ++level;
  } while (height * width > kMattingPriorPixels);
  return level;
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

// Sigma + ridge Id = L D L', Sigma being the covariance of a window's colours: L's lower triangle
// and the reciprocals of D. The factored form keeps its precision where the window's colours lie on
// a line and the inverse would not.
template <class Real>
struct ColorFactor {
  Real l10, l20, l21;
  Real i0, i1, i2;
};

// Factors the covariance of a window's nine colours, given less their mean, by modified
// Gram-Schmidt with the ridge as three more rows (Bjorck, Numerics of Gram-Schmidt
// orthogonalization, 1994): no differences of sums, hence float will do, and no pivot is below the
// ridge. Leaves L^-1 (I_q - mu) in `color`: times the square roots of i0, i1, i2 they are whitened,
// and (I_p - mu)' (Sigma + ridge Id)^-1 (I_q - mu) is the scalar product of two of them.
template <class Real>
TRIMATTE_HD ColorFactor<Real> factor_window(Real (&color)[9][3], float ridge) {
  constexpr float kNinth = 1.0f / 9.0f;
  Real s00{}, s01{}, s02{}, s11{}, s12{}, s22{};
  for (int q = 0; q < 9; ++q) {
    s00 += color[q][0] * color[q][0];
    s01 += color[q][0] * color[q][1];
    s02 += color[q][0] * color[q][2];
  }
  ColorFactor<Real> f;
  f.i0 = 1.0f / (s00 * kNinth + ridge);
  f.l10 = s01 * kNinth * f.i0;
  f.l20 = s02 * kNinth * f.i0;
  for (int q = 0; q < 9; ++q) {
    color[q][1] -= f.l10 * color[q][0];
    color[q][2] -= f.l20 * color[q][0];
    s11 += color[q][1] * color[q][1];
    s12 += color[q][1] * color[q][2];
  }
  f.i1 = 1.0f / (s11 * kNinth + ridge * (1.0f + f.l10 * f.l10));
  f.l21 = (s12 * kNinth + ridge * (f.l10 * f.l20)) * f.i1;
  for (int q = 0; q < 9; ++q) {
    color[q][2] -= f.l21 * color[q][1];
    s22 += color[q][2] * color[q][2];
  }
  const Real l = f.l20 - f.l21 * f.l10;
  f.i2 = 1.0f / (s22 * kNinth + ridge * (1.0f + f.l21 * f.l21 + l * l));
  return f;
}

// The same of a covariance given as such.
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

}  // namespace trimatte

// Options and results of the alpha solver, and the 3x3-window arithmetic of closed-form matting.
//
// Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting, PAMI 2008. The matting
// Laplacian is L = sum over windows k of  delta_ij - (1 + (I_i - mu)' (Sigma + eps/9 Id)^-1 (I_j -
// mu)) / 9.
#pragma once

#include <cmath>
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

}  // namespace trimatte

// Chroma key of one pixel: how far the key channel k stands above the larger of the other two.
#pragma once

#include <type_traits>

#include "core/host_device.hpp"

namespace trimatte {

struct KeyOptions {
  int channel = 1;          // 0 red, 1 green, 2 blue: the key colour's dominant channel
  double tolerance = 30.0;  // in 1/255 of full scale
  double softness = 0.0;    // width of the ramp above the tolerance, in 1/255; 0 is the hard rule
};

template <class T>
TRIMATTE_HD T larger(T a, T b) {
  return a > b ? a : b;
}

// Hard rule: alpha is 0 where k > a + tolerance and k > b + tolerance, that is where the
// difference d = k - max(a, b) exceeds the tolerance. Soft: alpha falls from 1 to 0 as d goes from
// tolerance to tolerance + softness. `difference` in 1/255.
template <class Real>
TRIMATTE_HD Real key_alpha(Real difference, Real tolerance, Real softness) {
  const Real over = difference - tolerance;
  if (softness <= Real(0)) return over > Real(0) ? Real(0) : Real(1);
  const Real ramp = over / softness;
  return ramp <= Real(0) ? Real(1) : ramp >= Real(1) ? Real(0) : Real(1) - ramp;
}

// The same for an image of integers, whose difference is in samples, `unit` of which are 1/255:
// exact in double, integer results rounded half up.
template <class A>
TRIMATTE_HD A key_level(int difference, double unit, const KeyOptions& options) {
  const double v = key_alpha(difference / unit, options.tolerance, options.softness);
  constexpr double full = sizeof(A) == 1 ? 255.0 : 65535.0;
  return std::is_same_v<A, float> ? static_cast<A>(v) : static_cast<A>(v * full + 0.5);
}

}  // namespace trimatte

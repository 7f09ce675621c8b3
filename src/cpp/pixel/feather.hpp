// Gaussian blur of alpha.
#pragma once

#include <cmath>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"

namespace trimatte {

inline constexpr int kLargestFeather = 64;    // standard deviation, pixels
inline constexpr double kFeatherReach = 3.0;  // standard deviations to where the window ends
inline constexpr int kLargestFeatherHalf = 3 * kLargestFeather;

struct FeatherOptions {
  double radius = 0.0;  // standard deviation, pixels
};

// Weights of the pixels at distances 0 ... half. All are multiples of 2^-23 and their sum over the
// window is 1, so that sums of them are exact: what is 1 over the whole window stays 1.
struct FeatherWeights {
  int half;
  float at[kLargestFeatherHalf + 1];

  explicit FeatherWeights(const FeatherOptions& options)
      : half(static_cast<int>(std::ceil(kFeatherReach * options.radius))) {
    constexpr double kUnit = 1.0 / (1 << 23);
    double exact[kLargestFeatherHalf + 1] = {1.0};
    double sum = 1.0;
    for (int i = 1; i <= half; ++i) {
      const double z = i / options.radius;
      exact[i] = std::exp(-0.5 * z * z);
      sum += 2.0 * exact[i];
    }
    double middle = 1.0;
    for (int i = 1; i <= half; ++i) {
      const double weight = std::round(exact[i] / sum / kUnit) * kUnit;
      at[i] = static_cast<float>(weight);
      middle -= 2.0 * weight;
    }
    at[0] = static_cast<float>(middle);
  }
};

// A blurred sample, on the scale of its type; integers round half up.
template <class T>
TRIMATTE_HD T feathered(float v) {
  if constexpr (sizeof(T) == 4) {
    return clip_unit(v);
  } else {
    return static_cast<T>(static_cast<int>(v + 0.5f));
  }
}

}  // namespace trimatte

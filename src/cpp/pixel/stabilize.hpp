// Alpha of a video, steadied: a recursive mean over time where the image is still, and the new
// alpha where it moves.
//
// The motion-adaptive recursive filter of television's noise reducers (as Brailean et al., Noise
// reduction filters for dynamic image sequences: a review, Proc. IEEE 1995), with a noise level
// measured in each pair of frames. Differences are whole numbers and counted in histograms: exact,
// and the same in whatever order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"
#include "pixel/sampling.hpp"

namespace trimatte {

struct StabilizeOptions {
  double strength = 0.75;  // the previous alpha's part where nothing moves
};

inline constexpr int kDifferenceBins = 256;      // a difference is at most 255 steps
inline constexpr std::ptrdiff_t kNoiseRows = 4;  // every fourth row tells of the noise

// A sample on the scale of differences: steps of 1/255, or of 1/1020 where the image is finer.
template <class T>
TRIMATTE_HD int difference_level(T v) {
  if constexpr (sizeof(T) == 1) return v;
  return static_cast<int>(ten_bits(v));
}
template <class T>
inline constexpr double kDifferenceSteps = sizeof(T) == 1 ? 1.0 : 4.0;  // of 1/255

TRIMATTE_HD int largest_magnitude(int a, int b, int c) {
  a = a < 0 ? -a : a, b = b < 0 ? -b : b, c = c < 0 ? -c : c;
  const int ab = a > b ? a : b;
  return ab > c ? ab : c;
}
TRIMATTE_HD std::uint8_t difference_bin(int difference) {
  return static_cast<std::uint8_t>(difference < kDifferenceBins ? difference : kDifferenceBins - 1);
}

// How far a pixel has changed: the largest difference of its channels.
template <class T>
TRIMATTE_HD std::uint8_t pixel_difference(const T* now, const T* before) {
  return difference_bin(largest_magnitude(difference_level(now[0]) - difference_level(before[0]),
                                          difference_level(now[1]) - difference_level(before[1]),
                                          difference_level(now[2]) - difference_level(before[2])));
}

// What the sampled rows say, of every pixel that has one to its right: `change` counts its
// difference, `grain` how much its channels' signed differences are unlike those of that neighbour,
// which is noise even where light is fading.
struct StabilizeCounts {
  std::uint32_t change[kDifferenceBins] = {}, grain[kDifferenceBins] = {};
};

// The gain of the new alpha, of the largest of 3 x 3 sums of 3 x 3 differences.
struct StabilizeRule {
  float slope = 0.0f, offset = 1.0f, least = 1.0f;

  TRIMATTE_HD float gain(int sum) const {
    const float g = slope * static_cast<float>(sum) + offset;
    const float held = g < least ? least : g;
    return held > 1.0f ? 1.0f : held;
  }
};

// The bin that the middle one of all counts lies in, and how many lie below that bin.
TRIMATTE_HD int middle_bin(const std::uint32_t* counts, std::uint64_t total, std::uint64_t& below) {
  below = 0;
  int bin = 0;
  while (bin < kDifferenceBins - 1 && 2 * (below + counts[bin]) < total) below += counts[bin++];
  return bin;
}

// `steps` of a difference are 1/255. The mean difference that noise alone makes follows from the
// median of the grain, sqrt 2 times as large: 0.742 is that of normal noise, the mean of the
// largest of three by the median, by sqrt 2. Where half of the pixels changed by more than 2
// times that, or there is nothing to go by, the new frame has nothing to do with the previous one.
TRIMATTE_HD StabilizeRule stabilize_rule(const StabilizeCounts& counts, double steps,
                                         const StabilizeOptions& options) {
  constexpr double kMeanOfMedian = 0.742, kLeastNoise = 0.5, kMostNoise = 16.0;
  constexpr double kCut = 2.0, kStill = 1.4, kSlope = 4.0;
  std::uint64_t total = 0, below = 0;
  for (int i = 0; i < kDifferenceBins; ++i) total += counts.grain[i];
  if (total == 0) return {};
  const int bin = middle_bin(counts.grain, total, below);
  // Within the bin by its share, for the steps are coarse beside the noise of good cameras.
  const double median = (static_cast<double>(total) / 2.0 - static_cast<double>(below)) /
                            static_cast<double>(counts.grain[bin]) +
                        (bin - 0.5);
  double noise = kMeanOfMedian * median;
  noise = noise < kLeastNoise * steps ? kLeastNoise * steps : noise;
  noise = noise > kMostNoise * steps ? kMostNoise * steps : noise;
  if (middle_bin(counts.change, total, below) > kCut * noise) return {};
  const double least = 1.0 - options.strength;
  return {static_cast<float>(kSlope / (9.0 * noise)), static_cast<float>(least - kSlope * kStill),
          static_cast<float>(least)};
}

// Alpha that says 0 or 1 is taken at its word: nothing is left of what was there before. Written
// from the new alpha's side, so that with a gain of 1 it is that alpha to the bit.
template <class A>
TRIMATTE_HD A stabilized_alpha(A alpha, A previous, float gain) {
  const float now = to_unit(alpha), before = to_unit(previous);
  const bool sure = (now <= 0.0f) | (now >= 1.0f);
  const float kept = sure ? 0.0f : 1.0f - gain;
  return from_unit<A>(now - kept * (now - before));
}

}  // namespace trimatte

// Samples of an image as a network wants them, and a network's output as a mask.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"
#include "pixel/half.hpp"
#include "pixel/resize.hpp"

namespace trimatte {

// tensor = (v / scale - mean) / std, channel by channel, in double as rembg has it; scale is 255,
// or the largest sample of the resized image (at least 1).
struct PreprocessOptions {
  ResizeFilter filter = ResizeFilter::kLanczos;
  bool scale_by_maximum = false;
  bool bgr = false;  // the channels of the tensor, and of mean and deviation
  double mean[3] = {0.0, 0.0, 0.0};
  double deviation[3] = {1.0, 1.0, 1.0};
};

// The prediction as 0..255, truncated, then resized: (p - min) / (max - min), or p itself held in
// [0, 1].
struct PostprocessOptions {
  ResizeFilter filter = ResizeFilter::kLanczos;
  bool min_max = true;
};

// A network's sample, float or Half, of a float, and back.
template <class S>
TRIMATTE_HD S to_sample(float value) {
  return value;
}
template <>
TRIMATTE_HD Half to_sample<Half>(float value) {
  return to_half(value);
}
TRIMATTE_HD float from_sample(float sample) {
  return sample;
}
TRIMATTE_HD float from_sample(Half sample) {
  return from_half(sample);
}

// The sample of channel c for every value that a resized image can have: so few that doubles cost
// nothing.
template <class S>
struct TensorTable {
  S sample[3][256];
};

// The channel of an RGB image that becomes channel c.
TRIMATTE_HD int image_channel(const PreprocessOptions& options, int c) {
  return options.bgr ? 2 - c : c;
}

template <class S>
TRIMATTE_HD S tensor_sample(const PreprocessOptions& options, double scale, int c, int v) {
  return to_sample<S>(static_cast<float>((v / scale - options.mean[c]) / options.deviation[c]));
}

// A prediction's sample; one that is no finite number counts as 0.
template <class S>
TRIMATTE_HD float predicted(S sample) {
  const float p = from_sample(sample);
  return p - p == 0.0f ? p : 0.0f;
}

// The values that become 0 and 255. Equal ones, of a prediction without any difference, make all 0.
struct PredictionRange {
  float low, high;
};

TRIMATTE_HD std::uint8_t mask_sample(float p, PredictionRange range) {
  const float unit = (p - range.low) / (range.high - range.low);
  if (!(unit > 0.0f)) return 0;  // NaN is what an empty range makes, or one beyond all floats
  return static_cast<std::uint8_t>(static_cast<int>((unit < 1.0f ? unit : 1.0f) * 255.0f));
}

// Floats as unsigned numbers of the same order, none of them 0: for maxima over many threads.
TRIMATTE_HD std::uint32_t order_key(float v) {
  std::uint32_t bits;
  memcpy(&bits, &v, 4);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
TRIMATTE_HD float from_order_key(std::uint32_t key) {
  const std::uint32_t bits = key >> 31 ? key & 0x7fffffffu : ~key;
  float v;
  memcpy(&v, &bits, 4);
  return v;
}

}  // namespace trimatte

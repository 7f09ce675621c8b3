// Samples of an image as a network wants them, and a network's output as a mask.
#pragma once

#include "core/host_device.hpp"
#include "pixel/half.hpp"
#include "pixel/resize.hpp"

namespace trimatte {

// tensor = (v / scale - mean) / std, channel by channel; scale is 255, or the largest sample of the
// resized image (at least 1), as rembg does it.
struct PreprocessOptions {
  ResizeFilter filter = ResizeFilter::kLanczos;
  bool scale_by_maximum = false;
  float mean[3] = {0.0f, 0.0f, 0.0f};
  float deviation[3] = {1.0f, 1.0f, 1.0f};
};

// The prediction as 0..255, truncated, then resized: (p - min) / (max - min), or p itself held in
// [0, 1].
struct PostprocessOptions {
  ResizeFilter filter = ResizeFilter::kLanczos;
  bool min_max = true;
};

}  // namespace trimatte

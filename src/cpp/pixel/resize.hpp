// Resampling filters.
#pragma once

#include <cmath>

#include "core/host_device.hpp"

namespace trimatte {

enum class ResizeFilter { kLanczos, kBilinear };

struct ResizeOptions {
  ResizeFilter filter = ResizeFilter::kLanczos;
};

}  // namespace trimatte

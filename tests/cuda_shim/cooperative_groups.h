// Test-only stand-in for CUDA's cooperative groups: the whole grid.
#pragma once

#include "cuda_runtime.h"

namespace cooperative_groups {

class grid_group {
 public:
  void sync() const { cuda_shim::barrier(cuda_shim::Barrier::kGrid, false); }
};

inline grid_group this_grid() {
  return {};
}

}  // namespace cooperative_groups

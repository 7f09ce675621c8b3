// Stands in for src/cuda in builds without it.
#include "core/cuda_status.hpp"

namespace trimatte {

CudaStatus cuda_status() {
  return {false, "This build of trimatte has no CUDA backend; build with TRIMATTE_CUDA=ON."};
}

}  // namespace trimatte

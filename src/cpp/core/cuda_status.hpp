// Whether the CUDA backend can run here, and if not, why.
#pragma once

#include <string>

namespace trimatte {

struct CudaStatus {
  bool available = false;
  std::string sentence;
};

CudaStatus cuda_status();  // defined by the CUDA backend, or by no_cuda.cpp where it was not built

}  // namespace trimatte

// The orders in which tests run a kernel's threads and blocks.
#pragma once

#if TRIMATTE_CUDA_SHIM
#include <cuda_runtime.h>
#endif

namespace trimatte::test {

// body() with blocks and threads ascending, descending and in two shuffled orders; once on a GPU,
// which has its own order.
template <class Body>
void for_orders(const Body& body) {
#if TRIMATTE_CUDA_SHIM
  for (const unsigned order : {cuda_shim::kAscending, cuda_shim::kDescending, 17u, 18u}) {
    cuda_shim::schedule = order;
    body();
  }
  cuda_shim::schedule = cuda_shim::kAscending;
#else
  body();
#endif
}

}  // namespace trimatte::test

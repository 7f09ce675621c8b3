// The orders in which tests run a kernel's threads and blocks.
#pragma once

#include <cstddef>
#include <iterator>

#if TRIMATTE_CUDA_SHIM
#include <cuda_runtime.h>
#endif

namespace trimatte::test {

// ThreadSanitizer is slow, and sees a race in any order.
#if TRIMATTE_CUDA_SHIM && defined(__SANITIZE_THREAD__)
inline constexpr bool kSlow = true;
#else
inline constexpr bool kSlow = false;
#endif

#if TRIMATTE_CUDA_SHIM
// Blocks and threads ascending, descending, and shuffled twice.
inline constexpr unsigned kOrders[] = {cuda_shim::kAscending, cuda_shim::kDescending, 17, 18};
inline constexpr std::size_t kOrderCount = kSlow ? 1 : std::size(kOrders);
#else
inline constexpr std::size_t kOrderCount = 1;  // a GPU has its own
#endif

// body() in one of the orders.
template <class Body>
void in_order([[maybe_unused]] std::size_t turn, const Body& body) {
#if TRIMATTE_CUDA_SHIM
  cuda_shim::schedule = kOrders[turn % kOrderCount];
  body();
  cuda_shim::schedule = cuda_shim::kAscending;
#else
  body();
#endif
}

// body() in each of them.
template <class Body>
void for_orders(const Body& body) {
  for (std::size_t turn = 0; turn < kOrderCount; ++turn) in_order(turn, body);
}

}  // namespace trimatte::test

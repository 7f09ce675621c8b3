// One small pool of threads for the whole library. Work is cut into chunks whose borders depend on
// the problem only, never on the number of threads: that is what makes results repeat to the bit.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace trimatte {

int thread_count();
// >= 1; 0 asks for the default: TRIMATTE_NUM_THREADS, or cpu_count().
void set_thread_count(int count);

namespace detail {
using ChunkFunction = void (*)(void* context, std::ptrdiff_t begin, std::ptrdiff_t end);
void parallel_chunks(std::ptrdiff_t count, std::ptrdiff_t grain, ChunkFunction function,
                     void* context);
}  // namespace detail

// Calls body(begin, end) for consecutive chunks of `grain` items that cover [0, count), on several
// threads, and returns when all are done. An exception of any chunk is rethrown here, as is what
// check_interrupt() throws.
template <class Body>
void parallel_for(std::ptrdiff_t count, std::ptrdiff_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_chunks(
      count, grain,
      [](void* context, std::ptrdiff_t begin, std::ptrdiff_t end) {
        (*static_cast<Plain*>(context))(begin, end);
      },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// Rows of an image, in chunks of about `pixels_per_chunk` pixels.
template <class Body>
void parallel_rows(std::ptrdiff_t height, std::ptrdiff_t width, Body&& body,
                   std::ptrdiff_t pixels_per_chunk = 1 << 16) {
  const std::ptrdiff_t grain = width > 0 ? pixels_per_chunk / width : 1;
  parallel_for(height, grain > 0 ? grain : 1, std::forward<Body>(body));
}

}  // namespace trimatte

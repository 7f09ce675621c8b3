// Non-temporal stores: an output too large for the caches is written past them, which spares the
// read of each line before it is overwritten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/image_view.hpp"

namespace trimatte {

template <class T>
bool worth_streaming(const ImageView<T>& out) {
  constexpr std::ptrdiff_t kLargeBytes = 6 << 20;
  return out.pixels() * out.channels * static_cast<std::ptrdiff_t>(sizeof(T)) > kLargeBytes;
}

// Copies `count` samples from an L1 buffer to an output row.
template <class T>
inline void stream_out(T* to, const T* from, std::ptrdiff_t count) {
#if defined(__SSE2__)
  auto* out = reinterpret_cast<std::uint8_t*>(to);
  const auto* in = reinterpret_cast<const std::uint8_t*>(from);
  std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
  const std::size_t head = (16 - reinterpret_cast<std::uintptr_t>(out) % 16) % 16;
  if (bytes >= 64) {
    std::memcpy(out, in, head);
    out += head, in += head, bytes -= head;
    for (; bytes >= 16; out += 16, in += 16, bytes -= 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(out),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
  }
  std::memcpy(out, in, bytes);
#else
  std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
#endif
}

}  // namespace trimatte

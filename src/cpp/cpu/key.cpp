// Chroma key on the CPU; the uint8 hard rule is one saturating compare.
#define TRIMATTE_THIS_FILE "cpu/key.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <utility>

#include "core/parallel.hpp"
#include "cpu/key_table.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/key.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/key-inl.hpp"

#if defined(TRIMATTE_BYTE_SHUFFLE)
// The hard rule on whole vectors of uint8 pixels, straight from the interleaved row; the pixels
// done.
template <int C>
int hard_key_bytes(const std::uint8_t* pixels, int count, int channel, int threshold,
                   std::uint8_t* alpha) {
  // k > other + threshold, held at 255 so that nothing wraps around
  const ByteVector step = ByteVector{} + static_cast<std::uint8_t>(threshold);
  const ByteVector most = ByteVector{} + static_cast<std::uint8_t>(255 - threshold);
  int i = 0;
  for (; i + kBytes <= count; i += kBytes) {
    const std::uint8_t* p = pixels + C * i;
    const ByteVector r = channel_bytes<C, 0>(p), g = channel_bytes<C, 1>(p);
    const ByteVector b = channel_bytes<C, 2>(p);
    const ByteVector key = channel == 0 ? r : channel == 1 ? g : b;
    const ByteVector first = channel == 0 ? g : r, second = channel == 2 ? g : b;
    const ByteVector other = first > second ? first : second;
    const ByteVector limit = (other < most ? other : most) + step;
    *reinterpret_cast<ByteVector*>(alpha + i) = ~reinterpret_cast<ByteVector>(key > limit);
  }
  return i;
}
#endif

template <int C, class T, class A>
void key_rows(const ImageView<const T>& image, const ImageView<A>& alpha,
              const KeyStrip<T, A>& rule, bool stream, std::ptrdiff_t begin, std::ptrdiff_t end) {
  alignas(64) T planes[3][kStrip];
  alignas(64) A out[kStrip];
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    const T* pixels = image.row(y);
    A* row = alpha.row(y);
    for_strips(image.width, [&](std::ptrdiff_t x, int count) {
      A* to = stream ? out : row + x;
      int done = 0;
#if defined(TRIMATTE_BYTE_SHUFFLE)
      if constexpr (sizeof(T) == 1 && sizeof(A) == 1)
        if (rule.hard) done = hard_key_bytes<C>(pixels + C * x, count, rule.k, rule.threshold, to);
#endif
      if (done < count) {
        deinterleave<C, 3>(pixels + C * (x + done), count - done, planes);
        rule(planes, count - done, to + done);
      }
      if (stream) stream_out(row + x, out, count);
    });
  }
}

template <class T, class A>
void key(const ImageView<const T>& image, const ImageView<A>& alpha, const KeyOptions& options,
         const KeyTable<T, A>& levels) {
  const KeyStrip<T, A> rule(options, levels);
  const bool stream = worth_streaming(alpha);
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    image.channels == 3 ? key_rows<3>(image, alpha, rule, stream, begin, end)
                        : key_rows<4>(image, alpha, rule, stream, begin, end);
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T, class A>
void chroma_key(ImageView<const T> image, ImageView<A> alpha, const KeyOptions& options, Stream) {
  const KeyTable<T, A> levels(options);
  TRIMATTE_CALL(key<T, A>)(image, alpha, options, levels);
}

#define TRIMATTE_INSTANTIATE(T, A)                                                   \
  template void chroma_key<DeviceKind::kCPU, T, A>(ImageView<const T>, ImageView<A>, \
                                                   const KeyOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

// Compositing on the CPU: premultiply, unpremultiply, cutout and over.
#define TRIMATTE_THIS_FILE "cpu/composite.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/depth.hpp"
#include "pixel/transfer.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/alpha-inl.hpp"
#include "cpu/transfer-inl.hpp"

template <class T>
void premultiply_image(const ImageView<const T>& rgba, const ImageView<T>& out) {
  map_strips<4, 4>(
      rgba, out, [](auto, auto, int count, T(*planes)[kStrip]) { multiply_planes(planes, count); });
}

template <class T>
void unpremultiply_image(const ImageView<const T>& rgba, const ImageView<T>& out) {
  map_strips<4, 4>(rgba, out, [](auto, auto, int count, T(*planes)[kStrip]) {
    const T* __restrict alpha = planes[3];
    for (int c = 0; c < 3; ++c) {
      T* __restrict p = planes[c];
      for (int i = 0; i < count; ++i) p[i] = divide_sample(p[i], alpha[i]);
    }
  });
}

template <class T, class A>
void cutout_image(const ImageView<const T>& foreground, const ImageView<const A>& alpha,
                  const ImageView<T>& rgba) {
  const auto work = [&](std::ptrdiff_t y, std::ptrdiff_t x, int count, T(*planes)[kStrip]) {
    const A* __restrict a = alpha.row(y) + x;
    T* __restrict out = planes[3];
    for (int i = 0; i < count; ++i) out[i] = convert_alpha<T>(a[i]);
    clear_hidden(planes, count);
  };
  foreground.channels == 3 ? map_strips<3, 4>(foreground, rgba, work)
                           : map_strips<4, 4>(foreground, rgba, work);
}

template <class T>
void limit_alpha_image(const ImageView<const float>& alpha, const ImageView<const T>& rgba,
                       const ImageView<float>& out) {
  parallel_rows(out.height, out.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float* __restrict a = alpha.row(y);
      const T* __restrict own = rgba.row(y) + 3;
      float* __restrict to = out.row(y);
      for (std::ptrdiff_t x = 0; x < out.width; ++x) to[x] = a[x] * to_unit(own[4 * x]);
    }
  });
}

#if defined(TRIMATTE_BYTE_SHUFFLE)
#if TRIMATTE_TARGET_ID == 2
typedef __m512i Register;
#define TRIMATTE_VECTOR(name) _mm512_##name
#define TRIMATTE_FILL16 _mm512_set1_epi16
#else
typedef __m128i Register;
#define TRIMATTE_VECTOR(name) _mm_##name
#define TRIMATTE_FILL16 _mm_set1_epi16
#endif

// (a f + (255 - a) b) / 255 of 16-bit pairs, rounded to nearest. The colours come less 128, as
// signed bytes: so the sum of both products fits 16 bits and one instruction makes it.
inline Register blend_pairs(Register weights, Register colors) {
  Register v = TRIMATTE_VECTOR(maddubs_epi16)(weights, colors);
  v = TRIMATTE_VECTOR(add_epi16)(v, TRIMATTE_FILL16(static_cast<short>(128 * 255 + 128)));
  v = TRIMATTE_VECTOR(add_epi16)(v, TRIMATTE_VECTOR(srli_epi16)(v, 8));
  return TRIMATTE_VECTOR(srli_epi16)(v, 8);
}

inline ByteVector blend_bytes(ByteVector front, ByteVector alpha, ByteVector back) {
  const ByteVector middle = ByteVector{} + std::uint8_t{128};
  const auto f = reinterpret_cast<Register>(front ^ middle);
  const auto b = reinterpret_cast<Register>(back ^ middle);
  const auto a = reinterpret_cast<Register>(alpha), rest = reinterpret_cast<Register>(~alpha);
  const Register low =
      blend_pairs(TRIMATTE_VECTOR(unpacklo_epi8)(a, rest), TRIMATTE_VECTOR(unpacklo_epi8)(f, b));
  const Register high =
      blend_pairs(TRIMATTE_VECTOR(unpackhi_epi8)(a, rest), TRIMATTE_VECTOR(unpackhi_epi8)(f, b));
  return reinterpret_cast<ByteVector>(TRIMATTE_VECTOR(packus_epi16)(low, high));
}
#undef TRIMATTE_VECTOR
#undef TRIMATTE_FILL16

// Each alpha three times: what lies over vector V of three vectors of interleaved RGB.
template <int V, std::size_t... I>
inline ByteVector spread_alpha(ByteVector alpha, std::index_sequence<I...>) {
  return __builtin_shufflevector(alpha, alpha, ((V * kBytes + int(I)) / 3)...);
}

// Interleaved RGB over interleaved RGB, by whole vectors; the pixels done.
inline int over_bytes(const std::uint8_t* front, const std::uint8_t* alpha,
                      const std::uint8_t* back, int count, std::uint8_t* out) {
  using Lanes = std::make_index_sequence<kBytes>;
  int i = 0;
  for (; i + kBytes <= count; i += kBytes) {
    const ByteVector a = *reinterpret_cast<const ByteVector*>(alpha + i);
    const ByteVector* f = reinterpret_cast<const ByteVector*>(front + 3 * i);
    const ByteVector* b = reinterpret_cast<const ByteVector*>(back + 3 * i);
    ByteVector* o = reinterpret_cast<ByteVector*>(out + 3 * i);
    o[0] = blend_bytes(f[0], spread_alpha<0>(a, Lanes{}), b[0]);
    o[1] = blend_bytes(f[1], spread_alpha<1>(a, Lanes{}), b[1]);
    o[2] = blend_bytes(f[2], spread_alpha<2>(a, Lanes{}), b[2]);
  }
  return i;
}
#endif

constexpr int kPiece = 256;  // pixels: short enough that many pieces are all opaque or all clear

// A piece of an image as interleaved RGB: in place, or packed into the buffer without its fourth
// channel.
template <class T>
inline const T* rgb_piece(const ImageView<const T>& image, std::ptrdiff_t y, std::ptrdiff_t x,
                          int count, T* buffer) {
  const T* pixels = image.row(y) + image.channels * x;
  if (image.channels == 3) return pixels;
  for (int i = 0; i < count; ++i)
    for (int c = 0; c < 3; ++c) buffer[3 * i + c] = pixels[4 * i + c];
  return buffer;
}

// Interleaved RGB over interleaved RGB, in linear light.
template <class T, class A>
inline void over_light(const T* front, const A* __restrict alpha, const T* back, int count,
                       const Decode<T>& decode, T* out) {
  alignas(64) float light[3 * kPiece], below[3 * kPiece], shown[3 * kPiece];
  decode_samples(decode, front, 3 * count, light);
  decode_samples(decode, back, 3 * count, below);
  for (int i = 0; i < count; ++i)
    for (int c = 0; c < 3; ++c) shown[3 * i + c] = to_unit(alpha[i]);
  for (int i = 0; i < 3 * count; ++i) light[i] = over(light[i], shown[i], below[i]);
  encode_samples(light, 3 * count, out);
}

// As the samples are encoded.
template <class T, class A>
inline void over_piece(const T* __restrict front, const A* __restrict alpha,
                       const T* __restrict back, int count, T* __restrict out) {
  int i = 0;
#if defined(TRIMATTE_BYTE_SHUFFLE)
  if constexpr (sizeof(T) == 1 && sizeof(A) == 1) i = over_bytes(front, alpha, back, count, out);
#endif
  for (; i < count; ++i)
    for (int c = 0; c < 3; ++c)
      out[3 * i + c] = over_sample(front[3 * i + c], alpha[i], back[3 * i + c]);
}

template <class T, class A>
void over_rows(const ImageView<const T>& foreground, const ImageView<const A>& alpha,
               const ImageView<const T>& background, const ImageView<T>& out,
               const CompositeOptions& options, const Decode<T>* decode, std::ptrdiff_t begin,
               std::ptrdiff_t end) {
  const A opaque = static_cast<A>(kFullScale<A>);
  const bool stream = worth_streaming(out);
  alignas(64) T front_buffer[3 * kPiece], back_buffer[3 * kPiece], blended[3 * kPiece];
  for (int i = 0; i < 3 * kPiece; ++i) back_buffer[i] = from_unit<T>(options.color[i % 3]);
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    for (std::ptrdiff_t x = 0; x < out.width; x += kPiece) {
      const int count = static_cast<int>(out.width - x < kPiece ? out.width - x : kPiece);
      const A* a = alpha.row(y) + x;
      A least = a[0], most = a[0];
      for (int i = 0; i < count; ++i) {  // from 0: whole vectors
        least = a[i] < least ? a[i] : least;
        most = a[i] > most ? a[i] : most;
      }
      // Where nothing of an input shows it is not read: most of an image is all front or all back.
      T* to = out.row(y) + 3 * x;
      T* mixed = stream ? blended : to;
      const T* result = mixed;
      if (least >= opaque) {
        result = rgb_piece(foreground, y, x, count, front_buffer);
      } else {
        const T* back =
            background.data ? rgb_piece(background, y, x, count, back_buffer) : back_buffer;
        if (most <= A(0)) {
          result = back;
        } else {
          const T* front = rgb_piece(foreground, y, x, count, front_buffer);
          decode ? over_light(front, a, back, count, *decode, mixed)
                 : over_piece(front, a, back, count, mixed);
        }
      }
      if (stream) {
        stream_out(to, result, 3 * count);
      } else if (result != to) {
        std::memcpy(to, result, static_cast<std::size_t>(3 * count) * sizeof(T));
      }
    }
  }
}

template <class T, class A>
void over_image(const ImageView<const T>& foreground, const ImageView<const A>& alpha,
                const ImageView<const T>& background, const ImageView<T>& out,
                const CompositeOptions& options) {
  const Decode<T> decode;
  parallel_rows(out.height, out.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    over_rows(foreground, alpha, background, out, options, options.linear ? &decode : nullptr,
              begin, end);
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void premultiply(ImageView<const T> rgba, ImageView<T> out, Stream) {
  TRIMATTE_CALL(premultiply_image<T>)(rgba, out);
}

template <DeviceKind D, class T>
void unpremultiply(ImageView<const T> rgba, ImageView<T> out, Stream) {
  TRIMATTE_CALL(unpremultiply_image<T>)(rgba, out);
}

template <DeviceKind D, class T, class A>
void cutout(ImageView<const T> foreground, ImageView<const A> alpha, ImageView<T> rgba, Stream) {
  TRIMATTE_CALL(cutout_image<T, A>)(foreground, alpha, rgba);
}

template <DeviceKind D, class T>
void limit_alpha(ImageView<const float> alpha, ImageView<const T> rgba, ImageView<float> out,
                 Stream) {
  TRIMATTE_CALL(limit_alpha_image<T>)(alpha, rgba, out);
}

template <DeviceKind D, class T, class A>
void composite(ImageView<const T> foreground, ImageView<const A> alpha,
               ImageView<const T> background, ImageView<T> out, const CompositeOptions& options,
               Stream) {
  TRIMATTE_CALL(over_image<T, A>)(foreground, alpha, background, out, options);
}

#define TRIMATTE_INSTANTIATE(T)                                                               \
  template void premultiply<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, Stream);   \
  template void unpremultiply<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, Stream); \
  template void limit_alpha<DeviceKind::kCPU, T>(ImageView<const float>, ImageView<const T>,  \
                                                 ImageView<float>, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#define TRIMATTE_INSTANTIATE(T, A)                                                        \
  template void cutout<DeviceKind::kCPU, T, A>(ImageView<const T>, ImageView<const A>,    \
                                               ImageView<T>, Stream);                     \
  template void composite<DeviceKind::kCPU, T, A>(ImageView<const T>, ImageView<const A>, \
                                                  ImageView<const T>, ImageView<T>,       \
                                                  const CompositeOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

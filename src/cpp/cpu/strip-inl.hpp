// Strips: a stretch of one row, taken apart into channel planes that sit in the L1 cache, so that
// every loop over pixels is a plain loop over arrays which the compiler vectorises. The byte
// shuffles of interleaved RGB live here and nowhere else.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, once per instruction set (no include guard),
// after core/parallel.hpp and cpu/stream_out.hpp.

inline constexpr int kStrip = 1024;  // pixels; 4 planes of float fit L1

#undef TRIMATTE_BYTE_SHUFFLE
#if defined(__GNUC__) && TRIMATTE_TARGET_ID > 0
#define TRIMATTE_BYTE_SHUFFLE 1  // there is a ByteVector of kBytes
#if TRIMATTE_TARGET_ID == 2
inline constexpr int kBytes = 64;
#else
inline constexpr int kBytes = 16;
#endif
typedef std::uint8_t ByteVector __attribute__((vector_size(kBytes), aligned(1), may_alias));

// Byte i of channel c sits at position C * i + c of C consecutive vectors: merge them two by two,
// each merge keeping the bytes found so far.
template <int C, int V, int Channel, std::size_t... I>
inline ByteVector gather_bytes(ByteVector low, ByteVector high, std::index_sequence<I...>) {
  // `low` already holds, at place I, every byte whose position lies before vector V.
  return __builtin_shufflevector(
      low, high,
      (C * int(I) + Channel >= V * kBytes && C * int(I) + Channel < (V + 1) * kBytes
           ? kBytes + (C * int(I) + Channel) % kBytes
           : int(I))...);
}
template <int C, int Channel, std::size_t... I>
inline ByteVector first_bytes(ByteVector v0, ByteVector v1, std::index_sequence<I...>) {
  return __builtin_shufflevector(v0, v1,
                                 (C * int(I) + Channel < 2 * kBytes ? C * int(I) + Channel : 0)...);
}
template <int C, int Channel>
inline ByteVector channel_bytes(const std::uint8_t* pixels) {
  using Lanes = std::make_index_sequence<kBytes>;
  const ByteVector* v =
      reinterpret_cast<const ByteVector*>(pixels);  // not auto: it drops aligned(1)
  ByteVector out = first_bytes<C, Channel>(v[0], v[1], Lanes{});
  out = gather_bytes<C, 2, Channel>(out, v[2], Lanes{});
  if constexpr (C == 4) out = gather_bytes<C, 3, Channel>(out, v[3], Lanes{});
  return out;
}
// Output byte p of vector V belongs to channel (V * kBytes + p) % C of pixel (V * kBytes + p) / C.
template <int C, int V, std::size_t... I>
inline ByteVector weave_two(ByteVector c0, ByteVector c1, std::index_sequence<I...>) {
  return __builtin_shufflevector(
      c0, c1,
      ((V * kBytes + int(I)) % C == 1 ? kBytes + (V * kBytes + int(I)) / C
                                      : (V * kBytes + int(I)) / C)...);
}
template <int C, int V, int Channel, std::size_t... I>
inline ByteVector weave_next(ByteVector woven, ByteVector c, std::index_sequence<I...>) {
  return __builtin_shufflevector(
      woven, c,
      ((V * kBytes + int(I)) % C == Channel ? kBytes + (V * kBytes + int(I)) / C : int(I))...);
}
template <int C, int V>
inline void store_woven(std::uint8_t* pixels, const ByteVector (&c)[4]) {
  using Lanes = std::make_index_sequence<kBytes>;
  ByteVector out = weave_two<C, V>(c[0], c[1], Lanes{});
  out = weave_next<C, V, 2>(out, c[2], Lanes{});
  if constexpr (C == 4) out = weave_next<C, V, 3>(out, c[3], Lanes{});
  reinterpret_cast<ByteVector*>(pixels)[V] = out;
}
#endif

// planes[c][i] = pixels[C * i + c] for the first `Planes` channels.
template <int C, int Planes, class T>
inline void deinterleave(const T* __restrict pixels, int count, T (*__restrict planes)[kStrip]) {
  int i = 0;
#if defined(TRIMATTE_BYTE_SHUFFLE)
  if constexpr (sizeof(T) == 1) {
    for (; i + kBytes <= count; i += kBytes) {
      const std::uint8_t* p = pixels + C * i;
      *reinterpret_cast<ByteVector*>(planes[0] + i) = channel_bytes<C, 0>(p);
      *reinterpret_cast<ByteVector*>(planes[1] + i) = channel_bytes<C, 1>(p);
      *reinterpret_cast<ByteVector*>(planes[2] + i) = channel_bytes<C, 2>(p);
      if constexpr (Planes == 4)
        *reinterpret_cast<ByteVector*>(planes[3] + i) = channel_bytes<C, 3>(p);
    }
  }
#endif
  for (; i < count; ++i)
    for (int c = 0; c < Planes; ++c) planes[c][i] = pixels[C * i + c];
}

// The inverse; all C planes are written.
template <int C, class T>
inline void interleave(const T (*__restrict planes)[kStrip], int count, T* __restrict pixels) {
  int i = 0;
#if defined(TRIMATTE_BYTE_SHUFFLE)
  if constexpr (sizeof(T) == 1) {
    for (; i + kBytes <= count; i += kBytes) {
      ByteVector c[4] = {*reinterpret_cast<const ByteVector*>(planes[0] + i),
                         *reinterpret_cast<const ByteVector*>(planes[1] + i),
                         *reinterpret_cast<const ByteVector*>(planes[2] + i), ByteVector{}};
      if constexpr (C == 4) c[3] = *reinterpret_cast<const ByteVector*>(planes[3] + i);
      std::uint8_t* p = pixels + C * i;
      store_woven<C, 0>(p, c);
      store_woven<C, 1>(p, c);
      store_woven<C, 2>(p, c);
      if constexpr (C == 4) store_woven<C, 3>(p, c);
    }
  }
#endif
  for (; i < count; ++i)
    for (int c = 0; c < C; ++c) pixels[C * i + c] = planes[c][i];
}

// Walks a stretch of a row strip by strip: body(first pixel, pixel count).
template <class Body>
inline void for_strips(std::ptrdiff_t width, Body&& body) {
  for (std::ptrdiff_t x = 0; x < width; x += kStrip)
    body(x, static_cast<int>(width - x < kStrip ? width - x : kStrip));
}

// Calls work(from row, to row, x, count, planes) strip by strip: `from` is taken apart, `work`
// changes the planes, which become `out`.
template <int From, int To, class T, class Work>
void map_strips(const ImageView<const T>& image, const ImageView<T>& out, const Work& work) {
  const bool stream = worth_streaming(out);
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    alignas(64) T planes[4][kStrip];
    alignas(64) T woven[To * kStrip];
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const T* from = image.row(y);
      T* to = out.row(y);
      for_strips(image.width, [&](std::ptrdiff_t x, int count) {
        deinterleave<From, (From < To ? From : To)>(from + From * x, count, planes);
        work(y, x, count, planes);
        if (stream) {
          interleave<To>(planes, count, woven);
          stream_out(to + To * x, woven, To * count);
        } else {
          interleave<To>(planes, count, to + To * x);
        }
      });
    }
  });
}

// Compositing on the CPU: premultiply, unpremultiply, cutout and over.
#define TRIMATTE_THIS_FILE "cpu/composite.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/depth.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"

template <class T>
void premultiply_image(const ImageView<const T>& rgba, const ImageView<T>& out) {
  map_strips<4, 4>(rgba, out, [](auto, auto, int count, T(*planes)[kStrip]) {
    const T* __restrict alpha = planes[3];
    for (int c = 0; c < 3; ++c) {
      T* __restrict p = planes[c];
      for (int i = 0; i < count; ++i) {
        if constexpr (sizeof(T) == 1) {
          const auto v = static_cast<std::uint16_t>(p[i] * alpha[i] + 128);
          p[i] = static_cast<T>(static_cast<std::uint16_t>(v + (v >> 8)) >> 8);
        } else if constexpr (sizeof(T) == 2) {
          p[i] = static_cast<T>(divide_65535(unsigned(p[i]) * alpha[i]));
        } else {
          p[i] *= alpha[i];
        }
      }
    }
  });
}

template <class T>
void unpremultiply_image(const ImageView<const T>& rgba, const ImageView<T>& out) {
  map_strips<4, 4>(rgba, out, [](auto, auto, int count, T(*planes)[kStrip]) {
    const T* __restrict alpha = planes[3];
    for (int c = 0; c < 3; ++c) {
      T* __restrict p = planes[c];
      for (int i = 0; i < count; ++i) {
        // Real: exact enough that the rounded quotient is right (16-bit quotients need double).
        using Real = std::conditional_t<sizeof(T) == 2, double, float>;
        const Real full = static_cast<Real>(kFullScale<T>);
        const Real a = static_cast<Real>(alpha[i]);
        Real v = a > Real(0) ? static_cast<Real>(p[i]) * full / a : Real(0);
        v = v < full ? v : full;
        p[i] = std::is_same_v<T, float> ? static_cast<T>(v)
                                        : static_cast<T>(static_cast<int>(v + Real(0.5)));
      }
    }
  });
}

template <class T, class A>
inline T convert_alpha(A a) {
  if constexpr (std::is_same_v<T, A>) {
    return a;
  } else if constexpr (sizeof(T) == 1 && sizeof(A) == 2) {
    return static_cast<T>((unsigned(a) * 255u + 32767u) / 65535u);
  } else if constexpr (sizeof(T) == 2 && sizeof(A) == 1) {
    return static_cast<T>(a * 257);
  } else {
    return from_unit<T>(to_unit(a));
  }
}

template <class T, class A>
void cutout_image(const ImageView<const T>& foreground, const ImageView<const A>& alpha,
                  const ImageView<T>& rgba) {
  const auto work = [&](std::ptrdiff_t y, std::ptrdiff_t x, int count, T(*planes)[kStrip]) {
    const A* __restrict a = alpha.row(y) + x;
    T* __restrict out = planes[3];
    for (int i = 0; i < count; ++i) out[i] = convert_alpha<T>(a[i]);
    for (int c = 0; c < 3; ++c) {
      T* __restrict p = planes[c];
      for (int i = 0; i < count; ++i) p[i] = out[i] > T(0) ? p[i] : T(0);
    }
  };
  foreground.channels == 3 ? map_strips<3, 4>(foreground, rgba, work)
                           : map_strips<4, 4>(foreground, rgba, work);
}

// Tables of the transfer curve for linear-light blending of integer images.
template <class T>
struct Transfer {
  std::vector<float> decode;
  explicit Transfer(bool wanted) {
    if constexpr (!std::is_same_v<T, float>) {
      if (!wanted) return;
      decode.resize(static_cast<std::size_t>(kFullScale<T>) + 1);
      for (std::size_t v = 0; v < decode.size(); ++v)
        decode[v] = srgb_to_linear(static_cast<float>(v) / kFullScale<T>);
    }
  }
  float operator()(T v) const {
    if constexpr (std::is_same_v<T, float>) {
      return srgb_to_linear(v);
    } else {
      return decode[v];
    }
  }
};

template <class T, class A>
inline T over_sample(T f, A a, T b) {
  if constexpr (std::is_same_v<T, std::uint8_t> && std::is_same_v<A, std::uint8_t>) {
    // All in 16 bits: 255 * 255 + 128 + 254 fits, and 32 lanes go through one vector.
    const auto v = static_cast<std::uint16_t>(f * a + b * (255 - a) + 128);
    return static_cast<T>(static_cast<std::uint16_t>(v + (v >> 8)) >> 8);
  } else if constexpr (std::is_same_v<T, std::uint16_t> && std::is_same_v<A, std::uint16_t>) {
    return static_cast<T>(divide_65535(unsigned(f) * a + unsigned(b) * (65535u - a)));
  } else if constexpr (std::is_same_v<T, float>) {
    return over(f, to_unit(a), b);
  } else {
    return static_cast<T>(
        static_cast<int>(over(static_cast<float>(f), to_unit(a), static_cast<float>(b)) + 0.5f));
  }
}

// The colour planes of a strip of an RGB or RGBA row.
template <class T>
inline void load_colors(const ImageView<const T>& image, std::ptrdiff_t y, std::ptrdiff_t x,
                        int count, T (*planes)[kStrip]) {
  const T* pixels = image.row(y) + image.channels * x;
  image.channels == 3 ? deinterleave<3, 3>(pixels, count, planes)
                      : deinterleave<4, 3>(pixels, count, planes);
}

template <class T, class A>
void over_rows(const ImageView<const T>& foreground, const ImageView<const A>& alpha,
               const ImageView<const T>& background, const ImageView<T>& out,
               const CompositeOptions& options, const Transfer<T>& decode, std::ptrdiff_t begin,
               std::ptrdiff_t end) {
  constexpr int kPiece = 256;  // short enough that many pieces are all opaque or all clear
  const A opaque = static_cast<A>(kFullScale<A>);
  const bool stream = worth_streaming(out);
  alignas(64) T front[3][kStrip];
  alignas(64) T back[3][kStrip];
  alignas(64) T woven[3 * kPiece];
  T color[3];
  for (int c = 0; c < 3; ++c) color[c] = from_unit<T>(options.color[c]);
  const auto fill = [&](int count) {
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < count; ++i) back[c][i] = color[c];
  };
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    const A* a = alpha.row(y);
    T* o = out.row(y);
    for (std::ptrdiff_t x = 0; x < out.width; x += kPiece) {
      const int count = static_cast<int>(out.width - x < kPiece ? out.width - x : kPiece);
      const A* __restrict av = a + x;
      // Which inputs matter here: skip reading the foreground where nothing shows, and the other
      // way.
      A least = av[0], most = av[0];
      for (int i = 1; i < count; ++i) {
        least = av[i] < least ? av[i] : least;
        most = av[i] > most ? av[i] : most;
      }
      const bool clear = most <= A(0), solid = least >= opaque;
      if (!clear) load_colors(foreground, y, x, count, front);
      if (!solid) background.data ? load_colors(background, y, x, count, back) : fill(count);
      if (!clear && !solid) {
        for (int c = 0; c < 3; ++c) {
          T* __restrict pf = front[c];
          const T* __restrict pb = back[c];
          if (options.linear) {
            for (int i = 0; i < count; ++i)
              pf[i] =
                  from_unit<T>(linear_to_srgb(over(decode(pf[i]), to_unit(av[i]), decode(pb[i]))));
          } else {
            for (int i = 0; i < count; ++i) pf[i] = over_sample(pf[i], av[i], pb[i]);
          }
        }
      }
      const auto& planes = clear ? back : front;
      if (stream) {
        interleave<3>(planes, count, woven);
        stream_out(o + 3 * x, woven, 3 * count);
      } else {
        interleave<3>(planes, count, o + 3 * x);
      }
    }
  }
}

template <class T, class A>
void over_image(const ImageView<const T>& foreground, const ImageView<const A>& alpha,
                const ImageView<const T>& background, const ImageView<T>& out,
                const CompositeOptions& options) {
  const Transfer<T> decode(options.linear);
  parallel_rows(out.height, out.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    over_rows(foreground, alpha, background, out, options, decode, begin, end);
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

template <DeviceKind D, class T, class A>
void composite(ImageView<const T> foreground, ImageView<const A> alpha,
               ImageView<const T> background, ImageView<T> out, const CompositeOptions& options,
               Stream) {
  TRIMATTE_CALL(over_image<T, A>)(foreground, alpha, background, out, options);
}

#define TRIMATTE_INSTANTIATE(T)                                                             \
  template void premultiply<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, Stream); \
  template void unpremultiply<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, Stream);
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

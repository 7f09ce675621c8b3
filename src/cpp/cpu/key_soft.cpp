// Soft chroma keys on the CPU, alone and with de-spill and RGBA in the same pass.
#define TRIMATTE_THIS_FILE "cpu/key_soft.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/depth.hpp"
#include "pixel/despill.hpp"
#include "pixel/grid.hpp"
#include "pixel/key_soft.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/alpha-inl.hpp"
#include "cpu/despill-inl.hpp"
#include "cpu/grid-inl.hpp"
#include "cpu/key_soft-inl.hpp"

// Alpha in [0, 1] as samples.
template <class A>
void put_alpha(const float* __restrict alpha, int count, A* __restrict out) {
  for (int i = 0; i < count; ++i)
    out[i] = std::is_same_v<A, float>
                 ? static_cast<A>(alpha[i])
                 : static_cast<A>(static_cast<int>(alpha[i] * kFullScale<A> + 0.5f));
}

template <class T, class A>
void soft_key_image(const ImageView<const T>& image, const ImageView<A>& alpha,
                    const SoftKeyStrip<T>& key) {
  const bool stream = worth_streaming(alpha);
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    alignas(64) T planes[3][kStrip];
    alignas(64) float values[kStrip];
    alignas(64) A samples[kStrip];
    for (std::ptrdiff_t y = begin; y < end; ++y)
      for_strips(image.width, [&](std::ptrdiff_t x, int count) {
        image.channels == 3 ? deinterleave<3, 3>(image.row(y) + 3 * x, count, planes)
                            : deinterleave<4, 3>(image.row(y) + 4 * x, count, planes);
        key(y, x, count, planes, values);
        put_alpha(values, count, stream ? samples : alpha.row(y) + x);
        if (stream) stream_out(alpha.row(y) + x, samples, count);
      });
  });
}

template <class T, class A>
void soft_key_of(const ImageView<const T>& image, const ImageView<A>& alpha,
                 const ImageView<const float>& grid, const SoftKeyOptions& options) {
  soft_key_image(image, alpha, SoftKeyStrip<T>(image, grid, options));
}

template <class T>
void soft_cutout_image(const ImageView<const T>& image, const ImageView<T>& rgba,
                       const ImageView<const float>& grid, const SoftKeyOptions& options,
                       const DespillRule& spill, bool premultiplied) {
  const SoftKeyStrip<T> key(image, grid, options);
  const auto work = [&](std::ptrdiff_t y, std::ptrdiff_t x, int count, T(*planes)[kStrip]) {
    alignas(64) float alpha[kStrip];
    key(y, x, count, planes, alpha);
    put_alpha(alpha, count, planes[3]);
    despill_strip(spill, count, planes);
    premultiplied ? multiply_planes(planes, count) : clear_hidden(planes, count);
  };
  image.channels == 3 ? map_strips<3, 4>(image, rgba, work) : map_strips<4, 4>(image, rgba, work);
}

template <class T>
void decode_image(const ImageView<const T>& image, const ImageView<float>& light, bool linear) {
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const T* from = image.row(y);
      float* to = light.row(y);
      for (std::ptrdiff_t x = 0; x < image.width; ++x)
        for (int c = 0; c < light.channels; ++c)
          to[light.channels * x + c] = light_of(from[image.channels * x + c], linear);
    }
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T, class A>
void soft_key(ImageView<const T> image, ImageView<A> alpha, ImageView<const float> grid,
              const SoftKeyOptions& options, Stream) {
  TRIMATTE_CALL(soft_key_of<T, A>)(image, alpha, grid, options);
}

template <DeviceKind D, class T>
void soft_key_cutout(ImageView<const T> image, ImageView<T> rgba, ImageView<const float> grid,
                     const SoftKeyOptions& key, const DespillOptions& spill, bool premultiplied,
                     Stream) {
  TRIMATTE_CALL(soft_cutout_image<T>)(image, rgba, grid, key, despill_rule(spill), premultiplied);
}

template <DeviceKind D, class T>
void decode(ImageView<const T> image, ImageView<float> light, bool linear, Stream) {
  TRIMATTE_CALL(decode_image<T>)(image, light, linear);
}

#define TRIMATTE_INSTANTIATE(T, A)                \
  template void soft_key<DeviceKind::kCPU, T, A>( \
      ImageView<const T>, ImageView<A>, ImageView<const float>, const SoftKeyOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#define TRIMATTE_INSTANTIATE(T)                                                        \
  template void soft_key_cutout<DeviceKind::kCPU, T>(                                  \
      ImageView<const T>, ImageView<T>, ImageView<const float>, const SoftKeyOptions&, \
      const DespillOptions&, bool, Stream);                                            \
  template void decode<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<float>, bool, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

// De-spill on the CPU.
#define TRIMATTE_THIS_FILE "cpu/despill.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <utility>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/despill.hpp"
#include "pixel/foreground.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/despill-inl.hpp"

template <class T, class Work>
void map_image(const ImageView<const T>& image, const ImageView<T>& out, const Work& work) {
  image.channels == 3 ? map_strips<3, 3>(image, out, work) : map_strips<4, 4>(image, out, work);
}

template <class T>
void despill_image(const ImageView<const T>& image, const ImageView<const std::uint8_t>& kept,
                   const ImageView<T>& out, const DespillRule& rule) {
  if (!kept.data && rule.light == 0.0f) {
    map_image(image, out, [&](auto, auto, int count, T(*planes)[kStrip]) {
      despill_strip(rule, count, planes);
    });
    return;
  }
  map_image(image, out, [&](std::ptrdiff_t y, std::ptrdiff_t x, int count, T(*planes)[kStrip]) {
    despill_strip_softly(rule, kept.data ? kept.row(y) + x : nullptr, count, planes);
  });
}

// One channel of a strip, before a screen of which pixel i is at(i).
template <class T, class A, class Plate>
inline void subtract_strip(const A* __restrict alpha, const Plate& at, int count,
                           T* __restrict samples) {
  for (int i = 0; i < count; ++i)
    samples[i] = subtract_plate_sample(samples[i], to_unit(alpha[i]), at(i));
}

template <class T, class A>
void subtract_image(const ImageView<const T>& image, const ImageView<const A>& alpha,
                    const ImageView<const T>& plate, const ImageView<T>& out,
                    const PlateOptions& options) {
  map_image(image, out, [&](std::ptrdiff_t y, std::ptrdiff_t x, int count, T(*planes)[kStrip]) {
    const A* a = alpha.row(y) + x;
    for (int c = 0; c < 3; ++c) {
      if (plate.data) {
        const int channels = plate.channels;
        const T* screen = plate.row(y) + channels * x + c;
        subtract_strip(a, [=](int i) { return to_unit(screen[channels * i]); }, count, planes[c]);
      } else {
        const float color = options.color[c];
        subtract_strip(a, [=](int) { return color; }, count, planes[c]);
      }
    }
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void despill(ImageView<const T> image, ImageView<const std::uint8_t> kept, ImageView<T> out,
             const DespillOptions& options, Stream) {
  TRIMATTE_CALL(despill_image<T>)(image, kept, out, despill_rule(options));
}

template <DeviceKind D, class T, class A>
void subtract_plate(ImageView<const T> image, ImageView<const A> alpha, ImageView<const T> plate,
                    ImageView<T> out, const PlateOptions& options, Stream) {
  TRIMATTE_CALL(subtract_image<T, A>)(image, alpha, plate, out, options);
}

#define TRIMATTE_INSTANTIATE(T)                                                                 \
  template void despill<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<const std::uint8_t>, \
                                             ImageView<T>, const DespillOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#define TRIMATTE_INSTANTIATE(T, A)                                                             \
  template void subtract_plate<DeviceKind::kCPU, T, A>(ImageView<const T>, ImageView<const A>, \
                                                       ImageView<const T>, ImageView<T>,       \
                                                       const PlateOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

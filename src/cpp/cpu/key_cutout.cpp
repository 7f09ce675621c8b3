// Key, de-spill and RGBA in one pass on the CPU.
#define TRIMATTE_THIS_FILE "cpu/key_cutout.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <utility>

#include "core/parallel.hpp"
#include "cpu/key_table.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/depth.hpp"
#include "pixel/despill.hpp"
#include "pixel/key.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/alpha-inl.hpp"
#include "cpu/despill-inl.hpp"
#include "cpu/key-inl.hpp"

template <class T>
void key_cutout_image(const ImageView<const T>& image, const ImageView<T>& rgba,
                      const KeyOptions& options, const KeyTable<T, T>& levels,
                      const DespillRule& spill, bool premultiplied) {
  const KeyStrip<T, T> key(options, levels);
  const auto work = [&](auto, auto, int count, T(*planes)[kStrip]) {
    key(planes, count, planes[3]);
    despill_strip(spill, count, planes);
    premultiplied ? multiply_planes(planes, count) : clear_hidden(planes, count);
  };
  image.channels == 3 ? map_strips<3, 4>(image, rgba, work) : map_strips<4, 4>(image, rgba, work);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void key_cutout(ImageView<const T> image, ImageView<T> rgba, const KeyOptions& key,
                const DespillOptions& spill, bool premultiplied, Stream) {
  const KeyTable<T, T> levels(key);
  TRIMATTE_CALL(key_cutout_image<T>)(image, rgba, key, levels, despill_rule(spill), premultiplied);
}

#define TRIMATTE_INSTANTIATE(T)                  \
  template void key_cutout<DeviceKind::kCPU, T>( \
      ImageView<const T>, ImageView<T>, const KeyOptions&, const DespillOptions&, bool, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

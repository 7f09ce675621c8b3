// De-spill on the CPU.
#define TRIMATTE_THIS_FILE "cpu/despill.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <utility>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/despill.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/despill-inl.hpp"

template <class T>
void despill_image(const ImageView<const T>& image, const ImageView<T>& out,
                   const DespillRule& rule) {
  const auto work = [&](auto, auto, int count, T(*planes)[kStrip]) {
    despill_strip(rule, count, planes);
  };
  image.channels == 3 ? map_strips<3, 3>(image, out, work) : map_strips<4, 4>(image, out, work);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void despill(ImageView<const T> image, ImageView<T> out, const DespillOptions& options, Stream) {
  TRIMATTE_CALL(despill_image<T>)(image, out, despill_rule(options));
}

#define TRIMATTE_INSTANTIATE(T)                                                \
  template void despill<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, \
                                             const DespillOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

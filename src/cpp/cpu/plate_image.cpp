// A coarse plate in the image's size on the CPU.
#define TRIMATTE_THIS_FILE "cpu/plate_image.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/grid.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/grid-inl.hpp"

template <class T>
void plate_rows(const ImageView<const float>& plate, const ImageView<T>& out, int cell) {
  const StripGrid grid(plate, out.height, out.width, cell);
  parallel_rows(out.height, out.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    alignas(64) PiecePlane light[3];
    alignas(64) T planes[3][kStrip];
    for (std::ptrdiff_t y = begin; y < end; ++y)
      for (std::ptrdiff_t x = 0; x < out.width; x += kPiece) {
        const int count = static_cast<int>(std::min<std::ptrdiff_t>(kPiece, out.width - x));
        grid.sample<3>(y, x, count, light);
        for (int c = 0; c < 3; ++c)
          for (int i = 0; i < count; ++i) planes[c][i] = from_unit<T>(light[c][i]);
        interleave<3>(planes, count, out.row(y) + 3 * x);
      }
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void plate_image(ImageView<const float> plate, ImageView<T> out, int cell, Stream) {
  TRIMATTE_CALL(plate_rows<T>)(plate, out, cell);
}

#define TRIMATTE_INSTANTIATE(T) \
  template void plate_image<DeviceKind::kCPU, T>(ImageView<const float>, ImageView<T>, int, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

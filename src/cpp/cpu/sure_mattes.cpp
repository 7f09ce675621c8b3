// Mattes of what a mask is sure of, on the CPU.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/parallel.hpp"
#include "cpu/image_plane.hpp"
#include "ops.hpp"
#include "pixel/resize.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {
namespace {

// 255 where all of the square around a sample is in a class.
template <class T, class IsIn>
ImagePlane<std::uint8_t> sure_of(const ImageView<const T>& mask, int reach, const IsIn& is_in) {
  ImagePlane<std::uint8_t> sure(mask.height, mask.width);
  parallel_rows(mask.height, mask.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const T* from = mask.row(y);
      std::uint8_t* to = sure.row(y);
      for (std::ptrdiff_t x = 0; x < mask.width; ++x) to[x] = is_in(from[x]) ? 255 : 0;
    }
  });
  return reach > 0 ? erode_square(sure, reach) : std::move(sure);
}

void write_matte(const ImagePlane<std::uint8_t>& sure, const ImageView<std::uint8_t>& matte) {
  const ImageView<const std::uint8_t> view{sure.row(0), sure.height, sure.width, 1, sure.width};
  resize<DeviceKind::kCPU, std::uint8_t>(view, matte, {ResizeFilter::kBilinear}, {});
  parallel_rows(matte.height, matte.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      std::uint8_t* row = matte.row(y);
      for (std::ptrdiff_t x = 0; x < matte.width; ++x) row[x] = sure_sample(row[x]);
    }
  });
}

}  // namespace

template <DeviceKind D, class T>
void sure_mattes(ImageView<const T> mask, ImageView<std::uint8_t> garbage,
                 ImageView<std::uint8_t> core, const SureOptions& options, Stream) {
  if (core.empty()) return;
  const MaskBounds<T> bounds(options.low, options.high);
  const int reach = sure_reach(options, mask.height, mask.width);
  write_matte(sure_of(mask, reach, [=](T m) { return bounds.is_background(m); }), garbage);
  write_matte(sure_of(mask, reach, [=](T m) { return bounds.is_foreground(m); }), core);
}

#define TRIMATTE_INSTANTIATE(T)                                                               \
  template void sure_mattes<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<std::uint8_t>, \
                                                 ImageView<std::uint8_t>, const SureOptions&, \
                                                 Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

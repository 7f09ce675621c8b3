// A coarse plate in the image's size on the GPU: a thread takes a pixel.
#include "grid.cuh"
#include "ops.hpp"
#include "pixel/depth.hpp"

namespace trimatte {
namespace {

template <class T>
__global__ void plate_image_kernel(cuda::Grid plate, ImageView<T> out) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= out.width) return;
  cuda::in_row(out.height, [&](std::ptrdiff_t y) {
    float light[3];
    plate.sample(y, x, light);
    for (int c = 0; c < 3; ++c) out.row(y)[3 * x + c] = from_unit<T>(light[c]);
  });
}

}  // namespace

template <DeviceKind D, class T>
void plate_image(ImageView<const float> plate, ImageView<T> out, int cell, Stream stream) {
  cuda::launch_2d("plate_image", plate_image_kernel<T>, out.width, out.height, stream,
                  cuda::Grid(plate, out.height, out.width, cell), out);
}

#define TRIMATTE_INSTANTIATE(T)                                                              \
  template void plate_image<DeviceKind::kCUDA, T>(ImageView<const float>, ImageView<T>, int, \
                                                  Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

// De-spill on the GPU: a thread takes a run of pixels.
#include "ops.hpp"
#include "pixels.cuh"
#include "runs.cuh"

namespace trimatte {
namespace {

template <int C, class T>
__global__ void despill_kernel(ImageView<const T> image, ImageView<T> out, DespillRule rule) {
  constexpr int kPixels = cuda::kRun<T>;
  cuda::for_runs<kPixels>(image.width, image.height, [&](auto y, auto x, int count) {
    T pixels[C * kPixels];
    cuda::load_run(image.row(y) + C * x, C * count, pixels);
#pragma unroll
    for (int i = 0; i < kPixels; ++i) cuda::despill_pixel(pixels + C * i, rule);
    cuda::store_run(out.row(y) + C * x, C * count, pixels);
  });
}

}  // namespace

template <DeviceKind D, class T>
void despill(ImageView<const T> image, ImageView<T> out, const DespillOptions& options,
             Stream stream) {
  cuda::flatten(image, out);
  cuda::launch_runs<cuda::kRun<T>>(
      "despill", image.channels == 3 ? despill_kernel<3, T> : despill_kernel<4, T>, image.width,
      image.height, stream, image, out, despill_rule(options));
}

#define TRIMATTE_INSTANTIATE(T)                                                 \
  template void despill<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<T>, \
                                              const DespillOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

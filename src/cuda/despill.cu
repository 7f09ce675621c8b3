// De-spill on the GPU: a thread takes a run of pixels.
#include "ops.hpp"
#include "pixels.cuh"
#include "runs.cuh"

namespace trimatte {
namespace {

template <int C, class T>
__global__ void despill_kernel(ImageView<const T> image, ImageView<T> out, DespillRule rule) {
  const auto clean = [rule](T* to, const T* samples) {
    const cuda::Pixel<T> pixel = cuda::despilled(cuda::Pixel<T>(samples), rule);
    to[0] = pixel.r;
    to[1] = pixel.g;
    to[2] = pixel.b;
    if constexpr (C == 4) to[3] = samples[3];
  };
  cuda::map_runs<cuda::kRun<T>>(clean, cuda::channels<C>(out), cuda::channels<C>(image));
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

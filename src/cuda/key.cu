// Chroma key on the GPU, alone and with de-spill and RGBA in the same pass. A thread takes a run of
// pixels.
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixels.cuh"
#include "runs.cuh"

namespace trimatte {
namespace {

template <int C, class T, class A>
__global__ void key_kernel(ImageView<const T> image, ImageView<A> alpha, cuda::KeyRule<T, A> rule) {
  constexpr int kPixels = cuda::kRun<T>;
  cuda::for_runs<kPixels>(image.width, image.height, [&](auto y, auto x, int count) {
    T pixels[C * kPixels];
    A out[kPixels];
    cuda::load_run(image.row(y) + C * x, C * count, pixels);
#pragma unroll
    for (int i = 0; i < kPixels; ++i) out[i] = rule(pixels + C * i);
    cuda::store_run(alpha.row(y) + x, count, out);
  });
}

template <int C, class T>
__global__ void key_cutout_kernel(ImageView<const T> image, ImageView<T> rgba,
                                  cuda::KeyRule<T, T> key, DespillRule spill, bool premultiplied) {
  constexpr int kPixels = cuda::kRun<T>;
  cuda::for_runs<kPixels>(image.width, image.height, [&](auto y, auto x, int count) {
    T pixels[C * kPixels], out[4 * kPixels];
    cuda::load_run(image.row(y) + C * x, C * count, pixels);
#pragma unroll
    for (int i = 0; i < kPixels; ++i) {
      T* pixel = pixels + C * i;
      const T alpha = key(pixel);
      cuda::despill_pixel(pixel, spill);
#pragma unroll
      for (int c = 0; c < 3; ++c)
        out[4 * i + c] = premultiplied  ? multiply_sample(pixel[c], alpha)
                         : alpha > T(0) ? pixel[c]
                                        : T(0);
      out[4 * i + 3] = alpha;
    }
    cuda::store_run(rgba.row(y) + 4 * x, 4 * count, out);
  });
}

}  // namespace

template <DeviceKind D, class T, class A>
void chroma_key(ImageView<const T> image, ImageView<A> alpha, const KeyOptions& options,
                Stream stream) {
  cuda::flatten(image, alpha);
  cuda::launch_runs<cuda::kRun<T>>(
      "chroma_key", image.channels == 3 ? key_kernel<3, T, A> : key_kernel<4, T, A>, image.width,
      image.height, stream, image, alpha, cuda::KeyRule<T, A>(options));
}

template <DeviceKind D, class T>
void key_cutout(ImageView<const T> image, ImageView<T> rgba, const KeyOptions& key,
                const DespillOptions& spill, bool premultiplied, Stream stream) {
  cuda::flatten(image, rgba);
  cuda::launch_runs<cuda::kRun<T>>(
      "key_cutout", image.channels == 3 ? key_cutout_kernel<3, T> : key_cutout_kernel<4, T>,
      image.width, image.height, stream, image, rgba, cuda::KeyRule<T, T>(key), despill_rule(spill),
      premultiplied);
}

#define TRIMATTE_INSTANTIATE(T, A)                                                    \
  template void chroma_key<DeviceKind::kCUDA, T, A>(ImageView<const T>, ImageView<A>, \
                                                    const KeyOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#define TRIMATTE_INSTANTIATE(T)                   \
  template void key_cutout<DeviceKind::kCUDA, T>( \
      ImageView<const T>, ImageView<T>, const KeyOptions&, const DespillOptions&, bool, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

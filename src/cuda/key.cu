// Chroma key on the GPU, alone and with de-spill and RGBA in the same pass. A thread takes a run of
// pixels.
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixels.cuh"
#include "runs.cuh"

namespace trimatte {
namespace {

template <int C, class T, class A>
__global__ void key_kernel(ImageView<const T> image, ImageView<A> alpha,
                           const __grid_constant__ cuda::KeyRule<T, A> rule) {
  __shared__ typename cuda::KeyRule<T, A>::Table table;
  rule.load(table);
  cuda::map_runs<cuda::kRun<T>>(
      [&rule](A* out, const T* pixel) { *out = rule(cuda::Pixel<T>(pixel), table); },
      cuda::channels<1>(alpha), cuda::channels<C>(image));
}

template <int C, class T>
__global__ void key_cutout_kernel(ImageView<const T> image, ImageView<T> rgba,
                                  const __grid_constant__ cuda::KeyRule<T, T> key,
                                  DespillRule spill, bool premultiplied) {
  __shared__ typename cuda::KeyRule<T, T>::Table table;
  key.load(table);
  const auto cut = [&key, spill, premultiplied](T* out, const T* samples) {
    const cuda::Pixel<T> pixel(samples);
    const T alpha = key(pixel, table);
    const cuda::Pixel<T> clean = cuda::despilled(pixel, spill);
    const auto shown = [&](T v) {
      return cuda::runtime_choice(premultiplied) ? multiply_sample(v, alpha)
             : alpha > T(0)                      ? v
                                                 : T(0);
    };
    out[0] = shown(clean.r);
    out[1] = shown(clean.g);
    out[2] = shown(clean.b);
    out[3] = alpha;
  };
  cuda::map_runs<cuda::kRun<T>>(cut, cuda::channels<4>(rgba), cuda::channels<C>(image));
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

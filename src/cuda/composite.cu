// Compositing on the GPU: premultiply, unpremultiply, cutout and over. A thread takes a run of
// pixels.
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/depth.hpp"
#include "pixel/transfer.hpp"
#include "runs.cuh"

namespace trimatte {
namespace {

template <bool kForward, class T>
__global__ void premultiply_kernel(ImageView<const T> rgba, ImageView<T> out) {
  const auto scale = [](T* to, const T* pixel) {
#pragma unroll
    for (int c = 0; c < 3; ++c)
      to[c] = kForward ? multiply_sample(pixel[c], pixel[3]) : divide_sample(pixel[c], pixel[3]);
    to[3] = pixel[3];
  };
  cuda::map_runs<cuda::kRun<T>>(scale, cuda::channels<4>(out), cuda::channels<4>(rgba));
}

template <int C, class T, class A>
__global__ void cutout_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                              ImageView<T> rgba) {
  const auto cut = [](T* to, const T* pixel, const A* a) {
    const T shown = convert_alpha<T>(*a);
#pragma unroll
    for (int c = 0; c < 3; ++c) to[c] = shown > T(0) ? pixel[c] : T(0);
    to[3] = shown;
  };
  cuda::map_runs<cuda::kRun<T>>(cut, cuda::channels<4>(rgba), cuda::channels<C>(foreground),
                                cuda::channels<1>(alpha));
}

template <class T>
__global__ void limit_alpha_kernel(ImageView<const float> alpha, ImageView<const T> rgba,
                                   ImageView<float> out) {
  cuda::map_runs<cuda::kRun<T>>(
      [](float* to, const float* a, const T* pixel) { *to = *a * to_unit(pixel[3]); },
      cuda::channels<1>(out), cuda::channels<1>(alpha), cuda::channels<4>(rgba));
}

template <class T>
struct Color {
  T v[3];
};

template <class T, class A>
__device__ inline void put_over(T* to, const T* front, A alpha, const T* back) {
#pragma unroll
  for (int c = 0; c < 3; ++c) to[c] = over_sample(front[c], alpha, back[c]);
}

template <int C, int B, class T, class A>
__global__ void composite_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                 ImageView<const T> background, ImageView<T> out) {
  cuda::map_runs<cuda::kRun<T>>(
      [](T* to, const T* front, const A* a, const T* back) { put_over(to, front, *a, back); },
      cuda::channels<3>(out), cuda::channels<C>(foreground), cuda::channels<1>(alpha),
      cuda::channels<B>(background));
}

template <int C, class T, class A>
__global__ void composite_color_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                       Color<T> color, ImageView<T> out) {
  cuda::map_runs<cuda::kRun<T>>(
      [color](T* to, const T* front, const A* a) { put_over(to, front, *a, color.v); },
      cuda::channels<3>(out), cuda::channels<C>(foreground), cuda::channels<1>(alpha));
}

// In linear light arithmetic takes longer than memory: one thread a sample.
template <class T, class A>
__global__ void composite_linear_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                        ImageView<const T> background, Color<T> color,
                                        ImageView<T> out) {
  const std::ptrdiff_t i = cuda::global_x(), x = i / 3, c = i % 3;
  if (x >= out.width) return;
  cuda::in_row(out.height, [&](std::ptrdiff_t y) {
    const T back = background.data ? background.row(y)[background.channels * x + c]
                   : c == 0        ? color.v[0]
                   : c == 1        ? color.v[1]
                                   : color.v[2];
    const T front = foreground.row(y)[foreground.channels * x + c];
    const float light = over(srgb_to_linear(to_unit(front)), to_unit(alpha.row(y)[x]),
                             srgb_to_linear(to_unit(back)));
    out.row(y)[i] = from_unit<T>(linear_to_srgb(light));
  });
}

}  // namespace

template <DeviceKind D, class T>
void premultiply(ImageView<const T> rgba, ImageView<T> out, Stream stream) {
  cuda::flatten(rgba, out);
  cuda::launch_runs<cuda::kRun<T>>("premultiply", premultiply_kernel<true, T>, rgba.width,
                                   rgba.height, stream, rgba, out);
}

template <DeviceKind D, class T>
void unpremultiply(ImageView<const T> rgba, ImageView<T> out, Stream stream) {
  cuda::flatten(rgba, out);
  cuda::launch_runs<cuda::kRun<T>>("unpremultiply", premultiply_kernel<false, T>, rgba.width,
                                   rgba.height, stream, rgba, out);
}

template <DeviceKind D, class T, class A>
void cutout(ImageView<const T> foreground, ImageView<const A> alpha, ImageView<T> rgba,
            Stream stream) {
  cuda::flatten(foreground, alpha, rgba);
  cuda::launch_runs<cuda::kRun<T>>(
      "cutout", foreground.channels == 3 ? cutout_kernel<3, T, A> : cutout_kernel<4, T, A>,
      rgba.width, rgba.height, stream, foreground, alpha, rgba);
}

template <DeviceKind D, class T>
void limit_alpha(ImageView<const float> alpha, ImageView<const T> rgba, ImageView<float> out,
                 Stream stream) {
  cuda::flatten(alpha, rgba, out);
  cuda::launch_runs<cuda::kRun<T>>("limit_alpha", limit_alpha_kernel<T>, out.width, out.height,
                                   stream, alpha, rgba, out);
}

template <DeviceKind D, class T, class A>
void composite(ImageView<const T> foreground, ImageView<const A> alpha,
               ImageView<const T> background, ImageView<T> out, const CompositeOptions& options,
               Stream stream) {
  const Color<T> color{from_unit<T>(options.color[0]), from_unit<T>(options.color[1]),
                       from_unit<T>(options.color[2])};
  if (options.linear) {
    cuda::launch_2d("composite", composite_linear_kernel<T, A>, 3 * out.width, out.height, stream,
                    foreground, alpha, background, color, out);
    return;
  }
  cuda::flatten(foreground, alpha, background, out);
  const auto launch = [&](auto kernel, const auto& back) {
    cuda::launch_runs<cuda::kRun<T>>("composite", kernel, out.width, out.height, stream, foreground,
                                     alpha, back, out);
  };
  const bool rgb = foreground.channels == 3;
  if (!background.data) {
    launch(rgb ? composite_color_kernel<3, T, A> : composite_color_kernel<4, T, A>, color);
  } else if (background.channels == 3) {
    launch(rgb ? composite_kernel<3, 3, T, A> : composite_kernel<4, 3, T, A>, background);
  } else {
    launch(rgb ? composite_kernel<3, 4, T, A> : composite_kernel<4, 4, T, A>, background);
  }
}

#define TRIMATTE_INSTANTIATE(T)                                                                \
  template void premultiply<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<T>, Stream);   \
  template void unpremultiply<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<T>, Stream); \
  template void limit_alpha<DeviceKind::kCUDA, T>(ImageView<const float>, ImageView<const T>,  \
                                                  ImageView<float>, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#define TRIMATTE_INSTANTIATE(T, A)                                                         \
  template void cutout<DeviceKind::kCUDA, T, A>(ImageView<const T>, ImageView<const A>,    \
                                                ImageView<T>, Stream);                     \
  template void composite<DeviceKind::kCUDA, T, A>(ImageView<const T>, ImageView<const A>, \
                                                   ImageView<const T>, ImageView<T>,       \
                                                   const CompositeOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

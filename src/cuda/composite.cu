// Compositing on the GPU: premultiply, unpremultiply, cutout and over. A thread takes a run of
// pixels.
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/depth.hpp"
#include "runs.cuh"

namespace trimatte {
namespace {

template <class T>
__global__ void premultiply_kernel(ImageView<const T> rgba, ImageView<T> out, bool forward) {
  constexpr int kPixels = cuda::kRun<T>;
  cuda::for_runs<kPixels>(rgba.width, rgba.height, [&](auto y, auto x, int count) {
    T pixels[4 * kPixels];
    cuda::load_run(rgba.row(y) + 4 * x, 4 * count, pixels);
#pragma unroll
    for (int i = 0; i < kPixels; ++i) {
      const T alpha = pixels[4 * i + 3];
#pragma unroll
      for (int c = 0; c < 3; ++c) {
        T& v = pixels[4 * i + c];
        v = forward ? multiply_sample(v, alpha) : divide_sample(v, alpha);
      }
    }
    cuda::store_run(out.row(y) + 4 * x, 4 * count, pixels);
  });
}

template <int C, class T, class A>
__global__ void cutout_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                              ImageView<T> rgba) {
  constexpr int kPixels = cuda::kRun<T>;
  cuda::for_runs<kPixels>(rgba.width, rgba.height, [&](auto y, auto x, int count) {
    T pixels[C * kPixels], out[4 * kPixels];
    A a[kPixels];
    cuda::load_run(foreground.row(y) + C * x, C * count, pixels);
    cuda::load_run(alpha.row(y) + x, count, a);
#pragma unroll
    for (int i = 0; i < kPixels; ++i) {
      const T shown = convert_alpha<T>(a[i]);
#pragma unroll
      for (int c = 0; c < 3; ++c) out[4 * i + c] = shown > T(0) ? pixels[C * i + c] : T(0);
      out[4 * i + 3] = shown;
    }
    cuda::store_run(rgba.row(y) + 4 * x, 4 * count, out);
  });
}

template <class T>
__global__ void limit_alpha_kernel(ImageView<const float> alpha, ImageView<const T> rgba,
                                   ImageView<float> out) {
  constexpr int kPixels = cuda::kRun<T>;
  cuda::for_runs<kPixels>(out.width, out.height, [&](auto y, auto x, int count) {
    T pixels[4 * kPixels];
    float a[kPixels];
    cuda::load_run(rgba.row(y) + 4 * x, 4 * count, pixels);
    cuda::load_run(alpha.row(y) + x, count, a);
#pragma unroll
    for (int i = 0; i < kPixels; ++i) a[i] *= to_unit(pixels[4 * i + 3]);
    cuda::store_run(out.row(y) + x, count, a);
  });
}

// Interleaved RGB or RGBX under the run; or the one colour, where there is no image.
template <class T>
struct Background {
  ImageView<const T> image;
  T color[3];

  template <int N>
  __device__ void load(std::ptrdiff_t y, std::ptrdiff_t x, int count, T (&rgb)[N]) const {
    if (!image.data) {
#pragma unroll
      for (int i = 0; i < N; ++i) rgb[i] = color[i % 3];
    } else if (image.channels == 3) {
      cuda::load_run(image.row(y) + 3 * x, 3 * count, rgb);
    } else {
      T pixels[N / 3 * 4];
      cuda::load_run(image.row(y) + 4 * x, 4 * count, pixels);
#pragma unroll
      for (int i = 0; i < N; ++i) rgb[i] = pixels[i / 3 * 4 + i % 3];
    }
  }
};

template <int C, class T, class A>
__global__ void composite_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                 Background<T> background, ImageView<T> out) {
  constexpr int kPixels = cuda::kRun<T>;
  cuda::for_runs<kPixels>(out.width, out.height, [&](auto y, auto x, int count) {
    T front[C * kPixels], mixed[3 * kPixels];
    A a[kPixels];
    cuda::load_run(alpha.row(y) + x, count, a);
    cuda::load_run(foreground.row(y) + C * x, C * count, front);
    background.load(y, x, count, mixed);
#pragma unroll
    for (int i = 0; i < kPixels; ++i)
#pragma unroll
      for (int c = 0; c < 3; ++c)
        mixed[3 * i + c] = over_sample(front[C * i + c], a[i], mixed[3 * i + c]);
    cuda::store_run(out.row(y) + 3 * x, 3 * count, mixed);
  });
}

// In linear light arithmetic takes longer than memory: one thread a sample.
template <class T, class A>
__global__ void composite_linear_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                        Background<T> background, ImageView<T> out) {
  const std::ptrdiff_t i = cuda::global_x(), x = i / 3, c = i % 3;
  if (x >= out.width) return;
  cuda::for_rows(out.height, [&](std::ptrdiff_t y) {
    const ImageView<const T>& plate = background.image;
    const T back = plate.data ? plate.row(y)[plate.channels * x + c] : background.color[c];
    const T front = foreground.row(y)[foreground.channels * x + c];
    const float light = over(srgb_to_linear(to_unit(front)), to_unit(alpha.row(y)[x]),
                             srgb_to_linear(to_unit(back)));
    out.row(y)[i] = from_unit<T>(linear_to_srgb(light));
  });
}

template <class T>
void premultiply_or_back(ImageView<const T> rgba, ImageView<T> out, bool forward, Stream stream) {
  cuda::flatten(rgba, out);
  cuda::launch_runs<cuda::kRun<T>>(forward ? "premultiply" : "unpremultiply", premultiply_kernel<T>,
                                   rgba.width, rgba.height, stream, rgba, out, forward);
}

}  // namespace

template <DeviceKind D, class T>
void premultiply(ImageView<const T> rgba, ImageView<T> out, Stream stream) {
  premultiply_or_back(rgba, out, true, stream);
}

template <DeviceKind D, class T>
void unpremultiply(ImageView<const T> rgba, ImageView<T> out, Stream stream) {
  premultiply_or_back(rgba, out, false, stream);
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
  Background<T> back{background,
                     {from_unit<T>(options.color[0]), from_unit<T>(options.color[1]),
                      from_unit<T>(options.color[2])}};
  if (options.linear) {
    cuda::launch_2d("composite", composite_linear_kernel<T, A>, 3 * out.width, out.height, stream,
                    foreground, alpha, back, out);
    return;
  }
  cuda::flatten(foreground, alpha, back.image, out);
  cuda::launch_runs<cuda::kRun<T>>(
      "composite", foreground.channels == 3 ? composite_kernel<3, T, A> : composite_kernel<4, T, A>,
      out.width, out.height, stream, foreground, alpha, back, out);
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

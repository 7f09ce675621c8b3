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
struct Premultiply {
  __device__ void operator()(T* to, const T* pixel) const {
#pragma unroll
    for (int c = 0; c < 3; ++c)
      to[c] = kForward ? multiply_sample(pixel[c], pixel[3]) : divide_sample(pixel[c], pixel[3]);
    to[3] = pixel[3];
  }
  __device__ cuda::Quad<4> quad(const cuda::Quad<4>& p) const {
    return kForward ? cuda::premultiplied(p) : cuda::straight(p);
  }
};

template <bool kForward, class T>
__global__ void premultiply_kernel(ImageView<const T> rgba, ImageView<T> out) {
  cuda::map_runs<cuda::kRun<T>>(Premultiply<kForward, T>{}, cuda::channels<4>(out),
                                cuda::channels<4>(rgba));
}

template <class T, class A>
struct Cutout {
  __device__ void operator()(T* to, const T* pixel, const A* a) const {
    const T shown = convert_alpha<T>(*a);
#pragma unroll
    for (int c = 0; c < 3; ++c) to[c] = shown > T(0) ? pixel[c] : T(0);
    to[3] = shown;
  }
  __device__ cuda::Quad<4> quad(const cuda::Quad<3>& p, const cuda::Quad<1>& alphas) const {
    return cuda::with_alpha(p, alphas.w[0]);
  }
};

template <int C, class T, class A>
__global__ void cutout_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                              ImageView<T> rgba) {
  cuda::map_runs<cuda::kRun<T>>(Cutout<T, A>{}, cuda::channels<4>(rgba),
                                cuda::channels<C>(foreground), cuda::channels<1>(alpha));
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

template <class T, class A>
struct Over {
  __device__ void operator()(T* to, const T* front, const A* a, const T* back) const {
    put_over(to, front, *a, back);
  }
  __device__ cuda::Quad<3> quad(const cuda::Quad<3>& front, const cuda::Quad<1>& alphas,
                                const cuda::Quad<3>& back) const {
    return cuda::over(front, alphas.w[0], back);
  }
};

template <int C, int B, class T, class A>
__global__ void composite_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                 ImageView<const T> background, ImageView<T> out) {
  cuda::map_runs<cuda::kRun<T>>(Over<T, A>{}, cuda::channels<3>(out), cuda::channels<C>(foreground),
                                cuda::channels<1>(alpha), cuda::channels<B>(background));
}

template <class T, class A>
struct OverColor {
  Color<T> color;
  cuda::Quad<3> back{};  // four pixels of it, of uint8

  explicit OverColor(const Color<T>& behind) : color(behind) {
    if constexpr (sizeof(T) == 1)
      for (int i = 0; i < 12; ++i) back.w[i / 4] |= std::uint32_t{behind.v[i % 3]} << (8 * (i % 4));
  }
  __device__ void operator()(T* to, const T* front, const A* a) const {
    put_over(to, front, *a, color.v);
  }
  __device__ cuda::Quad<3> quad(const cuda::Quad<3>& front, const cuda::Quad<1>& alphas) const {
    return cuda::over(front, alphas.w[0], back);
  }
};

template <int C, class T, class A>
__global__ void composite_color_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                       const __grid_constant__ OverColor<T, A> over,
                                       ImageView<T> out) {
  cuda::map_runs<cuda::kRun<T>>(over, cuda::channels<3>(out), cuda::channels<C>(foreground),
                                cuda::channels<1>(alpha));
}

// v to the power e by the GPU's own logarithm, as good as quick_power. Not above 0: no number that
// is used.
__device__ inline float power(float v, float e) {
#ifdef __CUDA_ARCH__
  return exp2f(e * __log2f(v));
#else
  return quick_power(v, e);
#endif
}
__device__ inline float decoded(float v) {
  return v > 0.04045f ? power(v * (1.0f / 1.055f) + 0.055f / 1.055f, 2.4f) : v * (1.0f / 12.92f);
}
__device__ inline float encoded(float v) {
  return v > 0.0031308f ? 1.055f * power(v, 1.0f / 2.4f) - 0.055f : 12.92f * v;
}

// In linear light, which a table has for samples of 8 bits. What is opaque or transparent stays as
// it is: most of an image. A thread takes several pixels, for the table's sake.
constexpr int kLinearPixels = 4;

template <class T, class A>
__global__ void composite_linear_kernel(ImageView<const T> foreground, ImageView<const A> alpha,
                                        ImageView<const T> background, Color<T> color,
                                        ImageView<T> out) {
  constexpr int kLevels = sizeof(T) == 1 ? 256 : 1;
  __shared__ float table[kLevels];
  if constexpr (kLevels > 1) {
    for (int i = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x); i < kLevels;
         i += static_cast<int>(blockDim.x * blockDim.y))
      table[i] = decoded(to_unit(static_cast<T>(i)));
    __syncthreads();
  }
  const auto light = [&](T v) {
    if constexpr (kLevels > 1)
      return table[v];
    else
      return decoded(to_unit(v));
  };
  cuda::in_row(out.height, [&](std::ptrdiff_t y) {
    std::ptrdiff_t x = std::ptrdiff_t{blockIdx.x} * kLinearPixels * blockDim.x + threadIdx.x;
#pragma unroll 1
    for (int i = 0; i < kLinearPixels && x < out.width; ++i, x += blockDim.x) {
      const T* front = foreground.row(y) + foreground.channels * x;
      const T* image = background.data ? background.row(y) + background.channels * x : nullptr;
      const float a = to_unit(alpha.row(y)[x]);
      T* to = out.row(y) + 3 * x;
#pragma unroll
      for (int c = 0; c < 3; ++c) {
        const T back = image ? image[c] : color.v[c];
        to[c] = a >= 1.0f   ? front[c]
                : a <= 0.0f ? back
                            : from_unit<T>(encoded(over(light(front[c]), a, light(back))));
      }
    }
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
  cuda::flatten(foreground, alpha, background, out);
  if (options.linear) {
    cuda::launch_2d("composite", composite_linear_kernel<T, A>,
                    (out.width + kLinearPixels - 1) / kLinearPixels, out.height, stream, foreground,
                    alpha, background, color, out);
    return;
  }
  const auto launch = [&](auto kernel, const auto& back) {
    cuda::launch_runs<cuda::kRun<T>>("composite", kernel, out.width, out.height, stream, foreground,
                                     alpha, back, out);
  };
  const bool rgb = foreground.channels == 3;
  if (!background.data) {
    launch(rgb ? composite_color_kernel<3, T, A> : composite_color_kernel<4, T, A>,
           OverColor<T, A>(color));
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

// Soft chroma keys on the GPU, alone and with de-spill and RGBA in the same pass. A thread takes a
// pixel; a kernel for each method.
#include <type_traits>

#include "grid.cuh"
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/key_soft.hpp"
#include "pixels.cuh"
#include "runs.cuh"

namespace trimatte {
namespace {

using cuda::Pixel;

template <class T>
__device__ inline Pixel<float> light_at(const T* p, bool linear) {
  const Pixel<float> v(to_unit(p[0]), to_unit(p[1]), to_unit(p[2]));
  if (!linear) return v;
  return {quick_srgb_to_linear(v.r), quick_srgb_to_linear(v.g), quick_srgb_to_linear(v.b)};
}

// What a key reads beside a pixel.
template <class T>
struct Scene {
  ImageView<const T> image;
  cuda::Grid grid;
  SoftKeyRule rule;

  __device__ Pixel<float> light(std::ptrdiff_t y, std::ptrdiff_t x) const {
    return light_at(image.row(y) + image.channels * x, rule.linear);
  }
  __device__ Chroma chroma(std::ptrdiff_t y, std::ptrdiff_t x) const {
    y = y < 0 ? 0 : y < image.height ? y : image.height - 1;
    x = x < 0 ? 0 : x < image.width ? x : image.width - 1;
    const Pixel<float> p = light(y, x);
    return chroma_of(p.r, p.g, p.b, rule.chroma);
  }
};

template <SoftKeyMethod M>
using MethodTag = std::integral_constant<SoftKeyMethod, M>;

// The key's difference k - max(a, b) and what it is of.
template <class T>
__device__ inline float soft_alpha(const Scene<T>& s, std::ptrdiff_t y, std::ptrdiff_t x,
                                   MethodTag<SoftKeyMethod::kVlahos>) {
  const Pixel<float> p = s.light(y, x);
  const SoftKeyRule& rule = s.rule;
  float inverse = rule.inverse;
  if (s.grid.cells.data) {
    float v[3];
    s.grid.sample(y, x, v);
    const Pixel<float> screen(v);
    inverse = inverse_difference(screen[rule.k], screen[rule.a], screen[rule.b]);
  }
  return vlahos_alpha(p[rule.k], p[rule.a], p[rule.b], inverse, rule);
}

template <class T>
__device__ inline float soft_alpha(const Scene<T>& s, std::ptrdiff_t y, std::ptrdiff_t x,
                                   MethodTag<SoftKeyMethod::kPlate>) {
  const Pixel<float> p = s.light(y, x);
  float m[4];
  s.grid.sample(y, x, m);
  return plate_alpha(p.r, p.g, p.b, m[0], m[1], m[2], m[3], s.rule);
}

template <class T>
__device__ inline float soft_alpha(const Scene<T>& s, std::ptrdiff_t y, std::ptrdiff_t x,
                                   MethodTag<SoftKeyMethod::kFfmpeg>) {
  float sum = 0.0f;
#pragma unroll 1
  for (int tap = 0; tap < 9; ++tap) sum += length_of(s.chroma(y + tap / 3 - 1, x + tap % 3 - 1));
  return ffmpeg_alpha(sum, s.rule);
}

template <class T>
__device__ inline float soft_alpha(const Scene<T>& s, std::ptrdiff_t y, std::ptrdiff_t x,
                                   MethodTag<SoftKeyMethod::kObs>) {
  const float taps = tap_distance(s.chroma(y - 1, x - 1), s.chroma(y, x - 1)) +
                     tap_distance(s.chroma(y, x + 1), s.chroma(y + 1, x + 1)) +
                     tap_distance(s.chroma(y + 1, x - 1), s.chroma(y + 1, x)) +
                     tap_distance(s.chroma(y - 1, x), s.chroma(y - 1, x + 1));
  return obs_alpha(taps, length_of(s.chroma(y, x)), s.rule);
}

template <SoftKeyMethod M, class T, class A>
__global__ void soft_key_kernel(const __grid_constant__ Scene<T> scene, ImageView<A> alpha) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= alpha.width) return;
  cuda::in_row(alpha.height, [&](std::ptrdiff_t y) {
    alpha.row(y)[x] = from_unit<A>(soft_alpha(scene, y, x, MethodTag<M>{}));
  });
}

template <SoftKeyMethod M, class T>
__global__ void soft_key_cutout_kernel(const __grid_constant__ Scene<T> scene, ImageView<T> rgba,
                                       DespillRule spill, bool premultiplied) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= rgba.width) return;
  cuda::in_row(rgba.height, [&](std::ptrdiff_t y) {
    const T alpha = from_unit<T>(soft_alpha(scene, y, x, MethodTag<M>{}));
    const Pixel<T> pixel(scene.image.row(y) + scene.image.channels * x);
    const Pixel<T> clean = cuda::despilled(pixel, spill);
    const auto shown = [&](T v) {
      return premultiplied ? multiply_sample(v, alpha) : alpha > T(0) ? v : T(0);
    };
    const T out[4] = {shown(clean.r), shown(clean.g), shown(clean.b), alpha};
    cuda::store_run(rgba.row(y) + 4 * x, 4, out);
  });
}

template <class T>
__global__ void decode_kernel(ImageView<const T> image, ImageView<float> light, bool linear) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= image.width) return;
  cuda::in_row(image.height, [&](std::ptrdiff_t y) {
    const T* from = image.row(y) + image.channels * x;
    float* to = light.row(y) + light.channels * x;
    for (int c = 0; c < light.channels; ++c) {
      const float v = to_unit(from[c]);
      to[c] = linear ? quick_srgb_to_linear(v) : v;
    }
  });
}

template <class T>
Scene<T> scene_of(const ImageView<const T>& image, const ImageView<const float>& grid,
                  const SoftKeyOptions& options) {
  return {image, cuda::Grid(grid, image.height, image.width, options.cell), soft_key_rule(options)};
}

// Calls body(tag of the method).
template <class Body>
void with_method(SoftKeyMethod method, const Body& body) {
  switch (method) {
    case SoftKeyMethod::kFfmpeg: return body(MethodTag<SoftKeyMethod::kFfmpeg>{});
    case SoftKeyMethod::kObs: return body(MethodTag<SoftKeyMethod::kObs>{});
    case SoftKeyMethod::kVlahos: return body(MethodTag<SoftKeyMethod::kVlahos>{});
    case SoftKeyMethod::kPlate: return body(MethodTag<SoftKeyMethod::kPlate>{});
  }
}

}  // namespace

template <DeviceKind D, class T, class A>
void soft_key(ImageView<const T> image, ImageView<A> alpha, ImageView<const float> grid,
              const SoftKeyOptions& options, Stream stream) {
  with_method(options.method, [&](auto method) {
    cuda::launch_2d("chroma_key", soft_key_kernel<method.value, T, A>, image.width, image.height,
                    stream, scene_of(image, grid, options), alpha);
  });
}

template <DeviceKind D, class T>
void soft_key_cutout(ImageView<const T> image, ImageView<T> rgba, ImageView<const float> grid,
                     const SoftKeyOptions& options, const DespillOptions& spill, bool premultiplied,
                     Stream stream) {
  with_method(options.method, [&](auto method) {
    cuda::launch_2d("key_cutout", soft_key_cutout_kernel<method.value, T>, image.width,
                    image.height, stream, scene_of(image, grid, options), rgba, despill_rule(spill),
                    premultiplied);
  });
}

template <DeviceKind D, class T>
void decode(ImageView<const T> image, ImageView<float> light, bool linear, Stream stream) {
  cuda::launch_2d("decode", decode_kernel<T>, image.width, image.height, stream, image, light,
                  linear);
}

#define TRIMATTE_INSTANTIATE(T, A)                 \
  template void soft_key<DeviceKind::kCUDA, T, A>( \
      ImageView<const T>, ImageView<A>, ImageView<const float>, const SoftKeyOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#define TRIMATTE_INSTANTIATE(T)                                                        \
  template void soft_key_cutout<DeviceKind::kCUDA, T>(                                 \
      ImageView<const T>, ImageView<T>, ImageView<const float>, const SoftKeyOptions&, \
      const DespillOptions&, bool, Stream);                                            \
  template void decode<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<float>, bool, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

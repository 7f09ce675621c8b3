// Chroma key on the GPU, alone and with de-spill and RGBA in the same pass. A thread takes a run of
// pixels, or its share of a warp's.
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixels.cuh"
#include "runs.cuh"

namespace trimatte {
namespace {

// As kernels read it: of one pixel, and of four of three channels. kHard: by the hard rule, which
// is known here only for images that have quads.
template <bool kHard, class T, class A>
struct Key {
  const cuda::KeyRule<T, A>& rule;
  const cuda::QuadChannels& channels;
  const typename cuda::KeyRule<T, A>::Table& table;

  __device__ void operator()(A* out, const T* samples) const {
    *out = rule(cuda::Pixel<T>(samples), table);
  }
  __device__ cuda::Quad<1> quad(const cuda::Quad<3>& p) const {
    return {rule.template alphas<kHard>(p, channels, table)};
  }
};

template <int C, bool kHard, class T, class A>
__global__ void key_kernel(ImageView<const T> image, ImageView<A> alpha,
                           const __grid_constant__ cuda::KeyRule<T, A> rule,
                           const __grid_constant__ cuda::QuadChannels channels) {
  __shared__ typename cuda::KeyRule<T, A>::Table table;
  rule.load(table);
  cuda::map_runs<cuda::kRun<T>>(Key<kHard, T, A>{rule, channels, table}, cuda::channels<1>(alpha),
                                cuda::channels<C>(image));
}

// Key, de-spill and RGBA.
struct Cut {
  DespillRule spill;
  cuda::QuadSpill quad_spill;
  cuda::QuadChannels channels;
  bool premultiplied;

  Cut(const DespillRule& rule, bool premultiply)
      : spill(rule),
        quad_spill(rule),
        channels(rule.k, rule.a, rule.b),
        premultiplied(premultiply) {}
};

template <bool kHard, class T>
struct KeyCutout {
  const cuda::KeyRule<T, T>& key;
  const Cut& cut;
  const typename cuda::KeyRule<T, T>::Table& table;

  __device__ void operator()(T* out, const T* samples) const {
    const cuda::Pixel<T> pixel(samples);
    const T alpha = key(pixel, table);
    const cuda::Pixel<T> clean = cuda::despilled(pixel, cut.spill);
    const auto shown = [&](T v) {
      return cuda::runtime_choice(cut.premultiplied) ? multiply_sample(v, alpha)
             : alpha > T(0)                          ? v
                                                     : T(0);
    };
    out[0] = shown(clean.r);
    out[1] = shown(clean.g);
    out[2] = shown(clean.b);
    out[3] = alpha;
  }
  __device__ cuda::Quad<4> quad(const cuda::Quad<3>& p) const {
    const std::uint32_t alphas = key.template alphas<kHard>(p, cut.channels, table);
    cuda::Quad<3> clean = cuda::despilled(p, cut.channels, cut.quad_spill);
    if constexpr (kHard) return cuda::with_hard_alpha(clean, alphas);
    if (cut.premultiplied) clean = cuda::over(clean, alphas, {});
    return cuda::with_alpha(clean, alphas);
  }
};

template <int C, bool kHard, class T>
__global__ void key_cutout_kernel(ImageView<const T> image, ImageView<T> rgba,
                                  const __grid_constant__ cuda::KeyRule<T, T> key,
                                  const __grid_constant__ Cut cut) {
  __shared__ typename cuda::KeyRule<T, T>::Table table;
  key.load(table);
  cuda::map_runs<cuda::kRun<T>>(KeyCutout<kHard, T>{key, cut, table}, cuda::channels<4>(rgba),
                                cuda::channels<C>(image));
}

}  // namespace

template <DeviceKind D, class T, class A>
void chroma_key(ImageView<const T> image, ImageView<A> alpha, const KeyOptions& options,
                Stream stream) {
  cuda::flatten(image, alpha);
  const cuda::KeyRule<T, A> rule(options);
  const auto kernel = [&] {
    if (image.channels == 4) return key_kernel<4, false, T, A>;
    if constexpr (sizeof(T) == 1 && sizeof(A) == 1)
      if (rule.hard()) return key_kernel<3, true, T, A>;
    return key_kernel<3, false, T, A>;
  }();
  cuda::launch_runs<cuda::kRun<T>>(
      "chroma_key", kernel, image.width, image.height, stream, image, alpha, rule,
      cuda::QuadChannels(options.channel, (options.channel + 1) % 3, (options.channel + 2) % 3));
}

template <DeviceKind D, class T>
void key_cutout(ImageView<const T> image, ImageView<T> rgba, const KeyOptions& key,
                const DespillOptions& spill, bool premultiplied, Stream stream) {
  cuda::flatten(image, rgba);
  const cuda::KeyRule<T, T> rule(key);
  const auto kernel = [&] {
    if (image.channels == 4) return key_cutout_kernel<4, false, T>;
    if constexpr (sizeof(T) == 1)
      if (rule.hard()) return key_cutout_kernel<3, true, T>;
    return key_cutout_kernel<3, false, T>;
  }();
  cuda::launch_runs<cuda::kRun<T>>("key_cutout", kernel, image.width, image.height, stream, image,
                                   rgba, rule, Cut(despill_rule(spill), premultiplied));
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

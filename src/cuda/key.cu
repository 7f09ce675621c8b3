// Chroma key on the GPU. A thread takes a run of pixels. Alpha depends on an integer difference
// only: a compare, a table for uint8, and double where a table would be too long.
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/key.hpp"
#include "runs.cuh"

namespace trimatte {
namespace {

template <class T, class A>
struct KeyRule {
  int k, a, b;  // channel indices: key and the two others
  bool hard;
  float threshold;  // hard rule: keyed where the difference, in samples, exceeds it
  double unit, tolerance, softness;

  explicit KeyRule(const KeyOptions& options)
      : k(options.channel),
        a((options.channel + 1) % 3),
        b((options.channel + 2) % 3),
        hard(options.softness <= 0.0),
        threshold(static_cast<float>(options.tolerance)),
        unit(static_cast<double>(kFullScale<T>) / 255.0),
        tolerance(options.tolerance),
        softness(options.softness) {
    if constexpr (!std::is_same_v<T, float>)  // integer d > t  <=>  d > floor(t)
      threshold = static_cast<float>(static_cast<int>(options.tolerance * unit));
  }

  __device__ A operator()(T key, T first, T second) const {
    using Number = std::conditional_t<std::is_same_v<T, float>, float, int>;
    Number difference = Number(key) - larger(Number(first), Number(second));
    if constexpr (std::is_same_v<T, float>) {
      difference *= 255.0f;
      return from_unit<A>(
          key_alpha(difference, static_cast<float>(tolerance), static_cast<float>(softness)));
    } else {
      if (hard) return static_cast<float>(difference) > threshold ? A(0) : A(kFullScale<A>);
      const double v = key_alpha(difference / unit, tolerance, softness);
      return std::is_same_v<A, float>
                 ? static_cast<A>(v)
                 : static_cast<A>(v * static_cast<double>(kFullScale<A>) + 0.5);
    }
  }
};

template <int C, class T, class A>
__global__ void key_kernel(ImageView<const T> image, ImageView<A> alpha, KeyRule<T, A> rule) {
  constexpr int kPixels = cuda::kRun<T> > cuda::kRun<A> ? cuda::kRun<T> : cuda::kRun<A>;
  cuda::for_runs<kPixels>(image.width, image.height, [&](auto y, auto x, int count) {
    T pixels[C * kPixels];
    A out[kPixels];
    cuda::load_run(image.row(y) + C * x, C * count, pixels);
#pragma unroll
    for (int i = 0; i < kPixels; ++i) {
      const T r = pixels[C * i], g = pixels[C * i + 1], b = pixels[C * i + 2];
      const T k = rule.k == 0 ? r : rule.k == 1 ? g : b;
      out[i] = rule(k, rule.k == 0 ? g : r, rule.k == 2 ? g : b);
    }
    cuda::store_run(alpha.row(y) + x, count, out);
  });
}

}  // namespace

template <DeviceKind D, class T, class A>
void chroma_key(ImageView<const T> image, ImageView<A> alpha, const KeyOptions& options,
                Stream stream) {
  constexpr int kPixels = cuda::kRun<T> > cuda::kRun<A> ? cuda::kRun<T> : cuda::kRun<A>;
  cuda::flatten(image, alpha);
  const KeyRule<T, A> rule(options);
  cuda::launch_runs<kPixels>("chroma_key",
                             image.channels == 3 ? key_kernel<3, T, A> : key_kernel<4, T, A>,
                             image.width, image.height, stream, image, alpha, rule);
}

#define TRIMATTE_INSTANTIATE(T, A)                                                    \
  template void chroma_key<DeviceKind::kCUDA, T, A>(ImageView<const T>, ImageView<A>, \
                                                    const KeyOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

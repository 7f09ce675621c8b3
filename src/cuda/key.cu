// Chroma key on the GPU: one thread a pixel. Views of host memory are staged through the device.
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/key.hpp"
#include "staging.cuh"

namespace trimatte {
namespace {

template <class T, class A>
__global__ void key_kernel(ImageView<const T> image, ImageView<A> alpha, KeyOptions options) {
  const std::ptrdiff_t x = std::ptrdiff_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::ptrdiff_t y = std::ptrdiff_t{blockIdx.y} * blockDim.y + threadIdx.y;
  if (x >= image.width || y >= image.height) return;
  const T* pixel = image.row(y) + image.channels * x;
  // Differences of integers are exact, so that the hard rule is too.
  using Real = std::conditional_t<std::is_same_v<T, float>, float, double>;
  const Real unit = static_cast<Real>(kFullScale<T>) / Real(255);
  const Real k = pixel[options.channel];
  const Real other =
      larger<Real>(pixel[(options.channel + 1) % 3], pixel[(options.channel + 2) % 3]);
  const Real v = key_alpha((k - other) / unit, Real(options.tolerance), Real(options.softness));
  alpha.row(y)[x] = from_unit<A>(static_cast<float>(v));
}

}  // namespace

template <DeviceKind D, class T, class A>
void chroma_key(ImageView<const T> image, ImageView<A> alpha, const KeyOptions& options,
                Stream stream) {
  if (image.empty()) return;
  const cuda::StagedInput<T> in(image, stream);
  const cuda::StagedOutput<A> out(alpha, stream);
  cuda::launch_2d("key_kernel", key_kernel<T, A>, image.width, image.height, stream, in.view(),
                  out.view(), options);
  out.fetch();
}

#define TRIMATTE_INSTANTIATE(T, A)                                                    \
  template void chroma_key<DeviceKind::kCUDA, T, A>(ImageView<const T>, ImageView<A>, \
                                                    const KeyOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

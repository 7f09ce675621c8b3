// Class probabilities on the GPU: a thread a pixel, twice through its planes.
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/classes.hpp"

namespace trimatte {
namespace {

template <class S>
__global__ void sigmoid_kernel(ImageView<const S> plane, ImageView<float> out) {
  cuda::in_row(out.height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t x = cuda::global_x();
    if (x < out.width) out.row(y)[x] = sigmoid(predicted(plane.row(y)[x]));
  });
}

template <class S>
__global__ void softmax_kernel(ImageView<const S> planes, ImageView<float> out,
                               __grid_constant__ const ClassSet classes) {
  const auto count = static_cast<int>(planes.height / out.height);
  cuda::in_row(out.height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t x = cuda::global_x();
    if (x >= out.width) return;
    float largest = predicted(planes.row(y)[x]);
    for (int c = 1; c < count; ++c)
      largest = max(largest, predicted(planes.row(c * out.height + y)[x]));
    float all = 0.0f, chosen = 0.0f;
    for (int c = 0; c < count; ++c) {
      const float e = exp_of_negative(predicted(planes.row(c * out.height + y)[x]) - largest);
      all += e;
      chosen += classes.has(c) ? e : 0.0f;
    }
    out.row(y)[x] = chosen / all;
  });
}

}  // namespace

template <DeviceKind D, class S>
void class_probability(ImageView<const S> planes, ImageView<float> probability,
                       const ClassSet& classes, Stream stream) {
  if (probability.empty()) return;
  const ImageView<float>& out = probability;
  if (planes.height == out.height)
    cuda::launch_2d("sigmoid", sigmoid_kernel<S>, out.width, out.height, stream, planes, out);
  else
    cuda::launch_2d("softmax", softmax_kernel<S>, out.width, out.height, stream, planes, out,
                    classes);
}

#define TRIMATTE_INSTANTIATE(S)                                                               \
  template void class_probability<DeviceKind::kCUDA, S>(ImageView<const S>, ImageView<float>, \
                                                        const ClassSet&, Stream);
TRIMATTE_FOR_NETWORK_SAMPLES(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

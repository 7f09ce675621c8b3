// Linear light and sRGB on the GPU: a thread takes a run of samples, or of pixels where the fourth
// channel is another thing.
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/transfer.hpp"
#include "runs.cuh"

namespace trimatte {
namespace {

struct ToLinear {
  template <class T>
  __device__ static float color(T v) {
    return srgb_to_linear(to_unit(v));
  }
  template <class T>
  __device__ static float keep(T v) {
    return to_unit(v);
  }
};

template <class T>
struct ToSrgb {
  __device__ static T color(float v) { return from_unit<T>(linear_to_srgb(v)); }
  __device__ static T keep(float v) { return from_unit<T>(v); }
};

// Pixels of a run, of C channels: what has fewer bits of in and out fills 16 bytes.
template <int C, class From, class To>
inline constexpr int kTransferRun =
    (sizeof(From) < sizeof(To) ? cuda::kRun<From> : cuda::kRun<To>) / C;

// Colour without alpha is one long row of samples: C is 1.
template <class Transfer, int C, class From, class To>
__global__ void transfer_kernel(ImageView<const From> image, ImageView<To> out) {
  const auto move = [](To* to, const From* pixel) {
#pragma unroll
    for (int c = 0; c < C; ++c)
      to[c] = c == 3 ? Transfer::keep(pixel[c]) : Transfer::color(pixel[c]);
  };
  cuda::map_runs<kTransferRun<C, From, To>>(move, cuda::channels<C>(out), cuda::channels<C>(image));
}

template <class T>
ImageView<T> as_samples(ImageView<T> view) {
  view.width *= view.channels;
  view.channels = 1;
  return view;
}

template <class Transfer, int C, class From, class To>
void launch_transfer(const cuda::Step& step, ImageView<const From> image, ImageView<To> out,
                     Stream stream) {
  cuda::flatten(image, out);
  cuda::launch_runs<kTransferRun<C, From, To>>(step, transfer_kernel<Transfer, C, From, To>,
                                               out.width, out.height, stream, image, out);
}

template <class Transfer, class From, class To>
void transfer(const cuda::Step& step, const ImageView<const From>& image, const ImageView<To>& out,
              Stream stream) {
  if (image.channels == 4)
    launch_transfer<Transfer, 4, From, To>(step, image, out, stream);
  else
    launch_transfer<Transfer, 1, From, To>(step, as_samples(image), as_samples(out), stream);
}

}  // namespace

template <DeviceKind D, class T>
void to_linear(ImageView<const T> image, ImageView<float> light, Stream stream) {
  transfer<ToLinear>("to_linear", image, light, stream);
}

template <DeviceKind D, class T>
void to_srgb(ImageView<const float> light, ImageView<T> image, Stream stream) {
  transfer<ToSrgb<T>>("to_srgb", light, image, stream);
}

#define TRIMATTE_INSTANTIATE(T)                                                                \
  template void to_linear<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<float>, Stream); \
  template void to_srgb<DeviceKind::kCUDA, T>(ImageView<const float>, ImageView<T>, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

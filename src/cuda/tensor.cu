// Images to a network's input and its output to masks, on the GPU. Extremes are found by integer
// maxima, which do not depend on the order of the threads.
#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/tensor.hpp"

namespace trimatte {
namespace {

constexpr DeviceKind kCuda = DeviceKind::kCUDA;

// *largest = max(*largest, the values of all threads of the warp), which all take part.
__device__ inline void raise_to(std::uint32_t* largest, std::uint32_t value) {
  for (int away = 16; away > 0; away /= 2) {
    const std::uint32_t other = __shfl_xor_sync(0xffffffffu, value, away);
    value = max(value, other);
  }
  if (threadIdx.x % 32 == 0) atomicMax(largest, value);
}

// body(y, x) for the pixels of this thread, in a grid of launch_2d.
template <class Body>
__device__ inline void for_pixels(std::ptrdiff_t width, std::ptrdiff_t height, const Body& body) {
  cuda::in_row(height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t x = cuda::global_x();
    if (x < width) body(y, x);
  });
}

template <class T>
__global__ void largest_sample_kernel(ImageView<const T> image, std::uint32_t* largest) {
  std::uint32_t most = 0;
  for_pixels(image.width * image.channels, image.height, [&](auto y, auto x) {
    most = max(most, static_cast<std::uint32_t>(to_byte(image.row(y)[x])));
  });
  raise_to(largest, most);
}

// A block a channel, a thread a value. `largest`: the sample to scale by, or null for 255.
template <class S>
__global__ void table_kernel(PreprocessOptions options, const std::uint32_t* largest,
                             TensorTable<S>* table) {
  const double scale = largest ? max(*largest, std::uint32_t{1}) : 255u;
  const int c = static_cast<int>(blockIdx.x), v = static_cast<int>(threadIdx.x);
  table->sample[c][v] = tensor_sample<S>(options, scale, c, v);
}

template <class T, class S>
__global__ void tensor_kernel(ImageView<const T> image, ImageView<S> tensor,
                              PreprocessOptions options, const TensorTable<S>* table) {
  for_pixels(image.width, image.height, [&](auto y, auto x) {
    const T* pixel = image.row(y) + 3 * x;
#pragma unroll
    for (int c = 0; c < 3; ++c)
      tensor.row(c * image.height + y)[x] =
          table->sample[c][to_byte(pixel[image_channel(options, c)])];
  });
}

// keys[0]: the largest order key of the prediction; keys[1]: the complement of the smallest.
template <class S>
__global__ void range_kernel(ImageView<const S> prediction, std::uint32_t* keys) {
  std::uint32_t high = 0, low = 0;
  for_pixels(prediction.width, prediction.height, [&](auto y, auto x) {
    const std::uint32_t key = order_key(predicted(prediction.row(y)[x]));
    high = max(high, key);
    low = max(low, ~key);
  });
  raise_to(keys, high);
  raise_to(keys + 1, low);
}

// `keys`: of range_kernel, or null for [0, 1].
template <class S>
__global__ void mask_kernel(ImageView<const S> prediction, ImageView<std::uint8_t> mask,
                            const std::uint32_t* keys) {
  const PredictionRange range =
      keys ? PredictionRange{from_order_key(~keys[1]), from_order_key(keys[0])}
           : PredictionRange{0.0f, 1.0f};
  for_pixels(prediction.width, prediction.height, [&](auto y, auto x) {
    mask.row(y)[x] = mask_sample(predicted(prediction.row(y)[x]), range);
  });
}

}  // namespace

template <DeviceKind D, class T, class S>
void preprocess(ImageView<const T> image, ImageView<S> tensor, const PreprocessOptions& options,
                Stream stream) {
  if (image.empty() || tensor.empty()) return;
  const cuda::ImageBuffer<T> resized(tensor.height / 3, tensor.width, 3, stream);
  const ImageView<const T> small = resized.read();
  resize<kCuda, T>(image, resized.view(), {options.filter}, stream);
  cuda::Buffer<std::uint32_t> largest;
  if (options.scale_by_maximum) {
    largest = cuda::Buffer<std::uint32_t>(1, stream);
    largest.fill_zero();
    cuda::launch_2d("largest sample", largest_sample_kernel<T>, 3 * small.width, small.height,
                    stream, small, largest.data());
  }
  const cuda::Buffer<TensorTable<S>> table(1, stream);
  cuda::launch("tensor table", table_kernel<S>, dim3(3), dim3(256), stream, options, largest.data(),
               table.data());
  cuda::launch_2d("preprocess", tensor_kernel<T, S>, small.width, small.height, stream, small,
                  tensor, options, table.data());
}

template <DeviceKind D, class S>
void postprocess(ImageView<const S> prediction, ImageView<std::uint8_t> mask,
                 const PostprocessOptions& options, Stream stream) {
  if (prediction.empty() || mask.empty()) return;
  const std::ptrdiff_t height = prediction.height, width = prediction.width;
  const cuda::ImageBuffer<std::uint8_t> small(height, width, 1, stream);
  cuda::Buffer<std::uint32_t> keys;
  if (options.min_max) {
    keys = cuda::Buffer<std::uint32_t>(2, stream);
    keys.fill_zero();
    cuda::launch_2d("range", range_kernel<S>, width, height, stream, prediction, keys.data());
  }
  cuda::launch_2d("postprocess", mask_kernel<S>, width, height, stream, prediction, small.view(),
                  keys.data());
  resize<kCuda, std::uint8_t>(small.read(), mask, {options.filter}, stream);
}

#define TRIMATTE_PREPROCESS(T, S)                                                     \
  template void preprocess<DeviceKind::kCUDA, T, S>(ImageView<const T>, ImageView<S>, \
                                                    const PreprocessOptions&, Stream);
#define TRIMATTE_INSTANTIATE(S)                                                                \
  TRIMATTE_PREPROCESS(std::uint8_t, S)                                                         \
  TRIMATTE_PREPROCESS(std::uint16_t, S)                                                        \
  TRIMATTE_PREPROCESS(float, S)                                                                \
  template void postprocess<DeviceKind::kCUDA, S>(ImageView<const S>, ImageView<std::uint8_t>, \
                                                  const PostprocessOptions&, Stream);
TRIMATTE_FOR_NETWORK_SAMPLES(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#undef TRIMATTE_PREPROCESS

}  // namespace trimatte

// Images to a network's input and its output to masks, on the CPU. A network's images are small:
// what takes time here is the resize.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/tensor.hpp"

namespace trimatte {
namespace {

constexpr DeviceKind kCpu = DeviceKind::kCPU;

// An image of our own, rows packed.
template <class T>
class Image {
 public:
  Image(std::ptrdiff_t height, std::ptrdiff_t width, int channels)
      : data_(std::make_unique_for_overwrite<T[]>(
            static_cast<std::size_t>(height * width * channels))),
        view_{data_.get(), height, width, channels,
              width * channels * static_cast<std::ptrdiff_t>(sizeof(T))} {}
  const ImageView<T>& view() const { return view_; }
  ImageView<const T> read() const { return view_; }

 private:
  std::unique_ptr<T[]> data_;
  ImageView<T> view_;
};

template <class T>
std::uint8_t largest_sample(const ImageView<const T>& packed) {
  const std::ptrdiff_t count = packed.pixels() * packed.channels;
  T largest = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) largest = std::max(largest, packed.data[i]);
  return to_byte(largest);
}

template <class S>
PredictionRange range_of(const ImageView<const S>& prediction) {
  PredictionRange range{std::numeric_limits<float>::infinity(),
                        -std::numeric_limits<float>::infinity()};
  for (std::ptrdiff_t y = 0; y < prediction.height; ++y)
    for (std::ptrdiff_t x = 0; x < prediction.width; ++x) {
      const float p = predicted(prediction.row(y)[x]);
      range.low = std::min(range.low, p);
      range.high = std::max(range.high, p);
    }
  return range;
}

}  // namespace

template <DeviceKind D, class T, class S>
void preprocess(ImageView<const T> image, ImageView<S> tensor, const PreprocessOptions& options,
                Stream stream) {
  if (image.empty() || tensor.empty()) return;
  const std::ptrdiff_t height = tensor.height / 3, width = tensor.width;
  const Image<T> resized(height, width, 3);
  resize<kCpu, T>(image, resized.view(), {options.filter}, stream);
  const double scale =
      options.scale_by_maximum ? std::max<int>(largest_sample(resized.read()), 1) : 255;
  TensorTable<S> table;
  for (int c = 0; c < 3; ++c)
    for (int v = 0; v < 256; ++v) table.sample[c][v] = tensor_sample<S>(options, scale, c, v);
  parallel_rows(height, width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const T* row = resized.read().row(y);
      for (int c = 0; c < 3; ++c) {
        S* out = tensor.row(image_channel(options, c) * height + y);
        const S* samples = table.sample[image_channel(options, c)];
        for (std::ptrdiff_t x = 0; x < width; ++x) out[x] = samples[to_byte(row[3 * x + c])];
      }
    }
  });
}

template <DeviceKind D, class S>
void postprocess(ImageView<const S> prediction, ImageView<std::uint8_t> mask,
                 const PostprocessOptions& options, Stream stream) {
  if (prediction.empty() || mask.empty()) return;
  const PredictionRange range =
      options.min_max ? range_of(prediction) : PredictionRange{0.0f, 1.0f};
  const Image<std::uint8_t> small(prediction.height, prediction.width, 1);
  parallel_rows(prediction.height, prediction.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const S* from = prediction.row(y);
      std::uint8_t* to = small.view().row(y);
      for (std::ptrdiff_t x = 0; x < prediction.width; ++x)
        to[x] = mask_sample(predicted(from[x]), range);
    }
  });
  resize<kCpu, std::uint8_t>(small.read(), mask, {options.filter}, stream);
}

#define TRIMATTE_PREPROCESS(T, S)                                                    \
  template void preprocess<DeviceKind::kCPU, T, S>(ImageView<const T>, ImageView<S>, \
                                                   const PreprocessOptions&, Stream);
#define TRIMATTE_INSTANTIATE(S)                                                               \
  TRIMATTE_PREPROCESS(std::uint8_t, S)                                                        \
  TRIMATTE_PREPROCESS(std::uint16_t, S)                                                       \
  TRIMATTE_PREPROCESS(float, S)                                                               \
  template void postprocess<DeviceKind::kCPU, S>(ImageView<const S>, ImageView<std::uint8_t>, \
                                                 const PostprocessOptions&, Stream);
TRIMATTE_FOR_NETWORK_SAMPLES(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#undef TRIMATTE_PREPROCESS

}  // namespace trimatte

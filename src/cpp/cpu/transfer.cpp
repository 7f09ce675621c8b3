// Linear light and sRGB on the CPU.
#define TRIMATTE_THIS_FILE "cpu/transfer.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/transfer.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/transfer-inl.hpp"

constexpr int kSamples = 2048;  // at a time: whole pixels, whose floats fit the L1 cache

// Calls work(samples, count, result) for stretches of the rows; a fourth channel becomes
// keep(sample).
template <class From, class To, class Work, class Keep>
void map_samples(const ImageView<const From>& image, const ImageView<To>& out, const Work& work,
                 const Keep& keep) {
  const bool stream = worth_streaming(out);
  const std::ptrdiff_t width = image.width * image.channels;
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    alignas(64) To buffer[kSamples];
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      for (std::ptrdiff_t x = 0; x < width; x += kSamples) {
        const int count = static_cast<int>(width - x < kSamples ? width - x : kSamples);
        const From* samples = image.row(y) + x;
        To* result = stream ? buffer : out.row(y) + x;
        work(samples, count, result);
        for (int i = 3; image.channels == 4 && i < count; i += 4) result[i] = keep(samples[i]);
        if (stream) stream_out(out.row(y) + x, buffer, count);
      }
    }
  });
}

template <class T>
void linear_image(const ImageView<const T>& image, const ImageView<float>& light) {
  const Decode<T> decode;
  map_samples(
      image, light,
      [&](const T* samples, int count, float* to) { decode_samples(decode, samples, count, to); },
      [](T alpha) { return to_unit(alpha); });
}

template <class T>
void srgb_image(const ImageView<const float>& light, const ImageView<T>& image) {
  map_samples(light, image, encode_samples<T>, [](float alpha) { return from_unit<T>(alpha); });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void to_linear(ImageView<const T> image, ImageView<float> light, Stream) {
  TRIMATTE_CALL(linear_image<T>)(image, light);
}

template <DeviceKind D, class T>
void to_srgb(ImageView<const float> light, ImageView<T> image, Stream) {
  TRIMATTE_CALL(srgb_image<T>)(light, image);
}

#define TRIMATTE_INSTANTIATE(T)                                                               \
  template void to_linear<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<float>, Stream); \
  template void to_srgb<DeviceKind::kCPU, T>(ImageView<const float>, ImageView<T>, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

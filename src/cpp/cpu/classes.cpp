// Class probabilities on the CPU, a piece of a row at a time over all planes, so that the loops run
// along the row.
#define TRIMATTE_THIS_FILE "cpu/classes.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cstddef>

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/classes.hpp"

TRIMATTE_TARGET_BEGIN

constexpr std::ptrdiff_t kPiece = 512;

template <class S>
void sigmoid_row(const S* __restrict logits, float* __restrict out, std::ptrdiff_t width) {
  for (std::ptrdiff_t x = 0; x < width; ++x) out[x] = sigmoid(predicted(logits[x]));
}

// Row y of every plane becomes a row of probabilities.
template <class S>
void softmax_row(const ImageView<const S>& planes, std::ptrdiff_t y, const ClassSet& classes,
                 const ImageView<float>& out) {
  const auto count = static_cast<int>(planes.height / out.height);
  for (std::ptrdiff_t x0 = 0; x0 < out.width; x0 += kPiece) {
    const std::ptrdiff_t width = std::min(kPiece, out.width - x0);
    float largest[kPiece], all[kPiece] = {}, chosen[kPiece] = {};
    for (int c = 0; c < count; ++c) {
      const S* __restrict logits = planes.row(c * out.height + y) + x0;
      for (std::ptrdiff_t x = 0; x < width; ++x) {
        const float p = predicted(logits[x]);
        largest[x] = c == 0 || p > largest[x] ? p : largest[x];
      }
    }
    for (int c = 0; c < count; ++c) {
      const S* __restrict logits = planes.row(c * out.height + y) + x0;
      const float counts = classes.has(c) ? 1.0f : 0.0f;
      for (std::ptrdiff_t x = 0; x < width; ++x) {
        const float e = exp_of_negative(predicted(logits[x]) - largest[x]);
        all[x] += e;
        chosen[x] += counts * e;
      }
    }
    for (std::ptrdiff_t x = 0; x < width; ++x) out.row(y)[x0 + x] = chosen[x] / all[x];
  }
}

template <class S>
void probability_rows(const ImageView<const S>& planes, const ClassSet& classes,
                      const ImageView<float>& out, std::ptrdiff_t begin, std::ptrdiff_t end) {
  for (std::ptrdiff_t y = begin; y < end; ++y)
    if (planes.height == out.height)
      sigmoid_row(planes.row(y), out.row(y), out.width);
    else
      softmax_row(planes, y, classes, out);
}

TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class S>
void class_probability(ImageView<const S> planes, ImageView<float> probability,
                       const ClassSet& classes, Stream) {
  if (probability.empty()) return;
  parallel_rows(probability.height, planes.height / probability.height * probability.width,
                [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                  TRIMATTE_CALL(probability_rows<S>)(planes, classes, probability, begin, end);
                });
}

#define TRIMATTE_INSTANTIATE(S)                                                              \
  template void class_probability<DeviceKind::kCPU, S>(ImageView<const S>, ImageView<float>, \
                                                       const ClassSet&, Stream);
TRIMATTE_FOR_NETWORK_SAMPLES(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

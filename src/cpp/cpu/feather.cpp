// Feather on the CPU: a row of the result at a time, first down the columns into a row of floats,
// then along that.
#define TRIMATTE_THIS_FILE "cpu/feather.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/feather.hpp"

TRIMATTE_TARGET_BEGIN

#include "cpu/vector-inl.hpp"

// Sums of two samples are exact in their own kind of numbers.
template <class T>
using FeatherNumber = std::conditional_t<std::is_same_v<T, float>, float, std::int32_t>;

// Weighted sums of the samples of Lanes * Vectors pixels from x on, down the columns or along the
// row: at(k) is where the row that is k pixels away begins.
template <int Lanes, int Vectors, class T, class Row>
inline void weigh(const Row& at, const FeatherWeights& weights, std::ptrdiff_t x,
                  float (&sums)[Lanes * Vectors]) {
  using Number = FeatherNumber<T>;
  using Floats = Vector<float, Lanes>;
  Floats sum[Vectors];
  const T* middle = at(0) + x;
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; ++v)
    sum[v] =
        weights.at[0] * __builtin_convertvector(load<Number, Lanes>(middle + v * Lanes), Floats);
  for (int k = 1; k <= weights.half; ++k) {
    const T *before = at(-k) + x, *after = at(k) + x;
    const float weight = weights.at[k];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      sum[v] += weight * __builtin_convertvector(load<Number, Lanes>(before + v * Lanes) +
                                                     load<Number, Lanes>(after + v * Lanes),
                                                 Floats);
  }
  std::memcpy(sums, sum, sizeof sums);
}

// out[x] = make(sum of pixel x) for a row; the last vector may cover some for the second time.
template <class T, class Row, class Out, class Make>
inline void weigh_row(const Row& at, const FeatherWeights& weights, std::ptrdiff_t width,
                      Out* __restrict out, const Make& make) {
  const auto write = [&](std::ptrdiff_t x, auto lanes, auto vectors) {
    float sums[lanes * vectors];
    weigh<lanes, vectors, T>(at, weights, x, sums);
    for (int i = 0; i < lanes * vectors; ++i) out[x + i] = make(sums[i]);
  };
  const std::integral_constant<int, kLanes> lanes{};
  const std::integral_constant<int, 4> four{};
  const std::integral_constant<int, 1> one{};
  std::ptrdiff_t x = 0;
  for (; x + 4 * kLanes <= width; x += 4 * kLanes) write(x, lanes, four);
  for (; x + kLanes <= width; x += kLanes) write(x, lanes, one);
  if (x < width && width >= kLanes) return write(width - kLanes, lanes, one);
  for (; x < width; ++x) write(x, one, one);
}

template <class T>
void feather_rows(const ImageView<const T>& alpha, const ImageView<T>& out,
                  const FeatherWeights& weights, std::ptrdiff_t begin, std::ptrdiff_t end) {
  const std::ptrdiff_t width = out.width;
  std::vector<float> padded(static_cast<std::size_t>(width + 2 * weights.half));
  float* sums = padded.data() + weights.half;
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    weigh_row<T>(
        [&](int k) { return alpha.row(std::clamp<std::ptrdiff_t>(y + k, 0, out.height - 1)); },
        weights, width, sums, [](float sum) { return sum; });
    std::fill_n(padded.data(), weights.half, sums[0]);
    std::fill_n(sums + width, weights.half, sums[width - 1]);
    weigh_row<float>([&](int k) { return sums + k; }, weights, width, out.row(y),
                     [](float sum) { return feathered<T>(sum); });
  }
}

template <class T>
void feather_image(const ImageView<const T>& alpha, const ImageView<T>& out,
                   const FeatherWeights& weights) {
  parallel_rows(out.height, out.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    feather_rows(alpha, out, weights, begin, end);
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void feather(ImageView<const T> alpha, ImageView<T> out, const FeatherOptions& options, Stream) {
  if (out.empty()) return;
  TRIMATTE_CALL(feather_image<T>)(alpha, out, FeatherWeights(options));
}

#define TRIMATTE_INSTANTIATE(T)                                                \
  template void feather<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, \
                                             const FeatherOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

// Resampling, restated from Pillow's public behaviour: a sample of the result is a weighted sum of
// the source samples in a window around its centre, in a pass along rows and one along columns. The
// window grows with the reduction, so that nothing is skipped (antialiasing).
//
// Bytes: weights are integers of 22 fractional bits, and the first pass rounds to bytes; every
// value is Pillow's. uint16 and float: everything in float32, rounded once, at the end.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"

namespace trimatte {

enum class ResizeFilter { kLanczos, kBilinear, kBox };

struct ResizeOptions {
  ResizeFilter filter = ResizeFilter::kLanczos;
};

// Weights and their sums, of an image of T; and what a pass makes of a sum.
template <class T, bool Last>
struct ResizeTypes {
  using Number = float;
  using Result = float;
};
template <class T>
struct ResizeTypes<T, true> {
  using Number = float;
  using Result = T;
};
template <>
struct ResizeTypes<std::uint8_t, false> {
  using Number = std::int32_t;
  using Result = std::uint8_t;
};
template <>
struct ResizeTypes<std::uint8_t, true> : ResizeTypes<std::uint8_t, false> {};

template <class T>
using ResizeNumber = typename ResizeTypes<T, true>::Number;
template <class T, bool Last>
using ResizeResult = typename ResizeTypes<T, Last>::Result;

inline constexpr int kResizeBits = 22;
inline constexpr int kLargestResizeSide = 1 << 24;  // windows stay within an int

// Passes -------------------------------------------------------------------------------------

// The passes that a resize needs, and their order: Pillow 13 shrinks the columns first where the
// height falls by more than twice as much as the width; older ones always begin with the rows.
struct ResizePasses {
  bool rows, columns, columns_first;
};

// Channels that `to` has fewer are dropped in the pass along rows.
template <class From, class To>
ResizePasses resize_passes(const From& from, const To& to) {
  return {from.width != to.width || from.channels != to.channels, from.height != to.height,
          from.height > to.height && from.height - to.height > 2 * (from.width - to.width)};
}

// Weights ------------------------------------------------------------------------------------

// One side of an image: `from` samples become `to`.
struct ResizeSide {
  ResizeFilter filter;
  int from;
  int to;
};

// Where the filter ends, on both sides of its centre.
inline double filter_reach(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::kLanczos: break;
    case ResizeFilter::kBilinear: return 1.0;
    case ResizeFilter::kBox: return 0.5;
  }
  return 3.0;
}

inline double filter_value(ResizeFilter filter, double x) {
  if (filter == ResizeFilter::kBox) return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
  if (filter == ResizeFilter::kBilinear) return std::abs(x) < 1.0 ? 1.0 - std::abs(x) : 0.0;
  if (x == 0.0) return 1.0;
  if (x < -3.0 || x >= 3.0) return 0.0;
  // sinc(x) sinc(x / 3), the first sine made of the second: sin 3a = 3 sin a - 4 sin^3 a.
  const double angle = x * (3.14159265358979323846 / 3.0), sine = std::sin(angle);
  return sine * sine * (3.0 - 4.0 * sine * sine) / (3.0 * angle * angle);
}

struct ResizeWindow {
  double center, per_sample;  // source position, and filter units in a source sample
  int begin, end;
};

inline ResizeWindow resize_window(const ResizeSide& side, int i) {
  const double scale = static_cast<double>(side.from) / side.to;
  const double stretch = scale < 1.0 ? 1.0 : scale;
  const double reach = filter_reach(side.filter) * stretch;
  const double center = (i + 0.5) * scale;
  const int begin = static_cast<int>(center - reach + 0.5);
  const int end = static_cast<int>(center + reach + 0.5);
  return {center, 1.0 / stretch, begin < 0 ? 0 : begin, end > side.from ? side.from : end};
}

// How many source samples each sample of the result is summed from; one if the side stays.
inline int resize_taps(const ResizeSide& side) {
  if (side.from == side.to) return 1;
  int most = 1;
  for (int i = 0; i < side.to; ++i) {
    const ResizeWindow window = resize_window(side, i);
    if (window.end - window.begin > most) most = window.end - window.begin;
  }
  return most;
}

// The weights of sample i, `taps` of them; returns the source sample of the first. Windows shorter
// than others, as at the borders, are filled up with zeros on the side that is inside the image.
inline int resize_weights(const ResizeSide& side, int i, double* weights, int taps) {
  if (side.from == side.to) {
    weights[0] = 1.0;
    return i;
  }
  const ResizeWindow window = resize_window(side, i);
  const int first = window.begin < side.from - taps ? window.begin : side.from - taps;
  double sum = 0.0;
  for (int k = 0; k < taps; ++k) {
    const int at = first + k;
    weights[k] = 0.0;
    if (at >= window.begin && at < window.end)
      weights[k] = filter_value(side.filter, (at - window.center + 0.5) * window.per_sample);
    sum += weights[k];
  }
  for (int k = 0; k < taps; ++k) weights[k] /= sum;
  return first;
}

template <class Number>
Number resize_weight(double weight) {
  return static_cast<Number>(weight);
}
template <>
inline std::int32_t resize_weight(double weight) {  // halves away from zero
  return static_cast<std::int32_t>(weight * (1 << kResizeBits) + (weight < 0.0 ? -0.5 : 0.5));
}

// Sums ---------------------------------------------------------------------------------------

// What a sum starts from: a half, which makes the shift at its end round.
template <class Number>
inline constexpr Number kResizeStart = Number(0);
template <>
inline constexpr std::int32_t kResizeStart<std::int32_t> = 1 << (kResizeBits - 1);

template <class T, bool Last>
TRIMATTE_HD ResizeResult<T, Last> resize_result(ResizeNumber<T> sum) {
  if constexpr (sizeof(T) == 1) {
    const std::int32_t v = sum >> kResizeBits;
    return static_cast<std::uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
  } else if constexpr (!Last) {
    return sum;
  } else if constexpr (sizeof(T) == 4) {
    return clip_unit(sum);
  } else {
    const float v = sum + 0.5f;
    return static_cast<T>(static_cast<int>(v < 0.0f ? 0.0f : v > 65535.0f ? 65535.0f : v));
  }
}

}  // namespace trimatte

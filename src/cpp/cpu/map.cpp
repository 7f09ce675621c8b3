#include "cpu/map.hpp"

#include <algorithm>
#include <cmath>

#include "core/parallel.hpp"

namespace trimatte {
namespace {

// out[i] = the extreme of in[i - radius ... i + radius] within [0, count).
template <class Better>
void slide(const std::uint8_t* in, std::ptrdiff_t step, std::ptrdiff_t count, int radius,
           std::uint8_t* out, const Better& better) {
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, i - radius);
    const std::ptrdiff_t last = std::min(count - 1, i + radius);
    std::uint8_t best = in[first * step];
    for (std::ptrdiff_t j = first + 1; j <= last; ++j) best = better(best, in[j * step]);
    out[i * step] = best;
  }
}

template <class Better>
Map<std::uint8_t> slide_square(const Map<std::uint8_t>& mask, int radius, const Better& better) {
  Map<std::uint8_t> along(mask.height, mask.width), out(mask.height, mask.width);
  parallel_rows(mask.height, mask.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y)
      slide(mask.row(y), 1, mask.width, radius, along.row(y), better);
  });
  parallel_rows(mask.height, mask.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, y - radius);
      const std::ptrdiff_t last = std::min(mask.height - 1, y + radius);
      std::copy_n(along.row(first), mask.width, out.row(y));
      for (std::ptrdiff_t j = first + 1; j <= last; ++j)
        for (std::ptrdiff_t x = 0; x < mask.width; ++x)
          out.row(y)[x] = better(out.row(y)[x], along.row(j)[x]);
    }
  });
  return out;
}

}  // namespace

Map<std::uint8_t> erode_square(const Map<std::uint8_t>& mask, int radius) {
  return slide_square(mask, radius, [](std::uint8_t a, std::uint8_t b) { return std::min(a, b); });
}

Map<std::uint8_t> dilate_square(const Map<std::uint8_t>& mask, int radius) {
  return slide_square(mask, radius, [](std::uint8_t a, std::uint8_t b) { return std::max(a, b); });
}

Map<float> box_mean(const Map<float>& values, int radius) {
  Map<float> along(values.height, values.width), out(values.height, values.width);
  parallel_rows(values.height, values.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float* in = values.row(y);
      for (std::ptrdiff_t x = 0; x < values.width; ++x) {
        const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, x - radius);
        const std::ptrdiff_t last = std::min(values.width - 1, x + radius);
        float sum = 0.0f;
        for (std::ptrdiff_t j = first; j <= last; ++j) sum += in[j];
        along.row(y)[x] = sum / static_cast<float>(last - first + 1);
      }
    }
  });
  parallel_rows(values.height, values.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, y - radius);
      const std::ptrdiff_t last = std::min(values.height - 1, y + radius);
      float* to = out.row(y);
      std::copy_n(along.row(first), values.width, to);
      for (std::ptrdiff_t j = first + 1; j <= last; ++j)
        for (std::ptrdiff_t x = 0; x < values.width; ++x) to[x] += along.row(j)[x];
      const float share = 1.0f / static_cast<float>(last - first + 1);
      for (std::ptrdiff_t x = 0; x < values.width; ++x) to[x] *= share;
    }
  });
  return out;
}

Spread spread_of(std::vector<float>& samples) {
  if (samples.empty()) return {};
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  const float median = *middle;
  for (float& sample : samples) sample = std::fabs(sample - median);
  std::nth_element(samples.begin(), middle, samples.end());
  return {median, 1.4826f * *middle};  // of a normal distribution
}

}  // namespace trimatte

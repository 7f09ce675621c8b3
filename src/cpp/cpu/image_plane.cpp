#include "cpu/image_plane.hpp"

#include <algorithm>
#include <cmath>

#include "core/parallel.hpp"

namespace trimatte {
namespace {

// out[x] = the join of in[x - radius ... x + radius], as far as they are in the row.
template <class T, class Join>
void join_along(const T* in, std::ptrdiff_t count, int radius, T* out, const Join& join) {
  std::copy_n(in, count, out);
  for (int step = 1; step <= radius; ++step) {
    for (std::ptrdiff_t x = step; x < count; ++x) out[x] = join(out[x], in[x - step]);
    for (std::ptrdiff_t x = 0; x < count - step; ++x) out[x] = join(out[x], in[x + step]);
  }
}

// The same in both directions.
template <class T, class Join>
ImagePlane<T> join_square(const ImagePlane<T>& in, int radius, const Join& join) {
  ImagePlane<T> along(in.height, in.width), out(in.height, in.width);
  parallel_rows(in.height, in.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y)
      join_along(in.row(y), in.width, radius, along.row(y), join);
  });
  parallel_rows(in.height, in.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, y - radius);
      const std::ptrdiff_t last = std::min(in.height - 1, y + radius);
      T* __restrict to = out.row(y);
      std::copy_n(along.row(first), in.width, to);
      for (std::ptrdiff_t j = first + 1; j <= last; ++j) {
        const T* __restrict from = along.row(j);
        for (std::ptrdiff_t x = 0; x < in.width; ++x) to[x] = join(to[x], from[x]);
      }
    }
  });
  return out;
}

// How many of a place and its neighbours up to the radius lie in a side of that many pixels.
float within(std::ptrdiff_t at, std::ptrdiff_t count, int radius) {
  return static_cast<float>(std::min(count - 1, at + radius) -
                            std::max<std::ptrdiff_t>(0, at - radius) + 1);
}

}  // namespace

ImagePlane<std::uint8_t> erode_square(const ImagePlane<std::uint8_t>& mask, int radius) {
  return join_square(mask, radius, [](std::uint8_t a, std::uint8_t b) { return a < b ? a : b; });
}

ImagePlane<std::uint8_t> dilate_square(const ImagePlane<std::uint8_t>& mask, int radius) {
  return join_square(mask, radius, [](std::uint8_t a, std::uint8_t b) { return a > b ? a : b; });
}

ImagePlane<float> box_mean(const ImagePlane<float>& values, int radius) {
  ImagePlane<float> mean = join_square(values, radius, [](float a, float b) { return a + b; });
  std::vector<float> across(static_cast<std::size_t>(values.width));
  for (std::size_t x = 0; x < across.size(); ++x)
    across[x] = 1.0f / within(static_cast<std::ptrdiff_t>(x), values.width, radius);
  parallel_rows(values.height, values.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float down = 1.0f / within(y, values.height, radius);
      float* row = mean.row(y);
      for (std::size_t x = 0; x < across.size(); ++x) row[x] *= down * across[x];
    }
  });
  return mean;
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

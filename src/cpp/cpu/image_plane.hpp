// Planes of an image, a value for each pixel, and operations on neighbourhoods in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "cpu/plane.hpp"

namespace trimatte {

template <class T>
class ImagePlane {
 public:
  ImagePlane() = default;
  ImagePlane(std::ptrdiff_t rows, std::ptrdiff_t columns)
      : height(rows), width(columns), values_(rows * columns) {}
  T* row(std::ptrdiff_t y) const { return values_.data() + y * width; }
  std::ptrdiff_t size() const { return height * width; }
  T& operator[](std::ptrdiff_t i) const { return values_[i]; }

  std::ptrdiff_t height = 0, width = 0;

 private:
  WorkArray<T> values_;
};

// 1 where all of a square around it is; outside of the image nothing counts.
ImagePlane<std::uint8_t> erode_square(const ImagePlane<std::uint8_t>& mask, int radius);
ImagePlane<std::uint8_t> dilate_square(const ImagePlane<std::uint8_t>& mask, int radius);

// The mean of a square around each pixel, of what of it lies in the image.
ImagePlane<float> box_mean(const ImagePlane<float>& values, int radius);

// The middle of some numbers, and how far half of them are from it as a standard deviation.
struct Spread {
  float median = 0.0f, deviation = 0.0f;
};
Spread spread_of(std::vector<float>& samples);  // in another order afterwards

}  // namespace trimatte

// Small images for the C++ tests: exactly as large as they say, so that a sanitizer sees any
// overrun.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>

#include "core/image_view.hpp"
#include "pixel/trimap.hpp"

namespace trimatte::test {

template <class T>
class Image {
 public:
  Image(std::ptrdiff_t height, std::ptrdiff_t width, int channels = 1)
      : data_(new T[static_cast<std::size_t>(height * width * channels)]()),
        view_{data_.get(), height, width, channels,
              width * channels * static_cast<std::ptrdiff_t>(sizeof(T))} {}

  const ImageView<T>& view() const { return view_; }
  ImageView<const T> read() const { return view_; }
  T& at(std::ptrdiff_t y, std::ptrdiff_t x, int c = 0) const {
    return view_.row(y)[x * view_.channels + c];
  }
  std::size_t size() const { return static_cast<std::size_t>(view_.pixels() * view_.channels); }
  T* begin() const { return data_.get(); }
  T* end() const { return data_.get() + size(); }

 private:
  std::unique_ptr<T[]> data_;
  ImageView<T> view_;
};

template <class T>
Image<T> noise(std::ptrdiff_t height, std::ptrdiff_t width, int channels, unsigned seed) {
  Image<T> image(height, width, channels);
  std::mt19937 random(seed);
  for (T& v : image) {
    const double unit = static_cast<double>(random() >> 8) / static_cast<double>(0xffffff);
    v = static_cast<T>(unit * static_cast<double>(kFullScale<T>));
  }
  return image;
}

// How far a pixel lies outside of a disk in the middle of an image.
inline double outside_disk(std::ptrdiff_t h, std::ptrdiff_t w, std::ptrdiff_t y, std::ptrdiff_t x) {
  const double radius = static_cast<double>(std::min(h, w)) / 3.0;
  return std::hypot(static_cast<double>(y - h / 2), static_cast<double>(x - w / 2)) - radius;
}

// The trimap of such a disk: unknown are `band` pixels to both sides of its border.
inline Image<std::uint8_t> trimap_of_disk(std::ptrdiff_t h, std::ptrdiff_t w, double band) {
  Image<std::uint8_t> trimap(h, w);
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      const double outside = outside_disk(h, w, y, x);
      trimap.at(y, x) = outside < -band  ? kTrimapForeground
                        : outside > band ? kTrimapBackground
                                         : kTrimapUnknown;
    }
  return trimap;
}

// Odd sizes: single rows and columns, primes, just around a strip, a word and a block.
inline constexpr std::ptrdiff_t kSizes[][2] = {{1, 1},   {1, 67},  {67, 1},  {2, 2},     {3, 3},
                                               {17, 31}, {64, 64}, {5, 129}, {33, 1025}, {70, 97}};

}  // namespace trimatte::test

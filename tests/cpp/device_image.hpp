// Images in a GPU's memory for the C++ tests, laid out as the tests ask.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/cuda.hpp"
#include "core/image_view.hpp"

namespace trimatte::test {

struct Layout {
  std::ptrdiff_t padding = 0;  // samples between one row and the next
  bool upside_down = false;
};
inline constexpr Layout kLayouts[] = {{0, false}, {3, false}, {0, true}, {5, true}};

// Every byte of it, the gaps between the rows too, begins as kGap; `intact` tells whether a result
// has left the gaps alone.
template <class T>
class DeviceImage {
 public:
  DeviceImage(std::ptrdiff_t height, std::ptrdiff_t width, int channels, const Layout& layout)
      : height_(height),
        width_(width),
        channels_(channels),
        pitch_(width * channels + layout.padding),
        upside_down_(layout.upside_down),
        bytes_(static_cast<std::size_t>(pitch_ * (height - 1) + width * channels) * sizeof(T)),
        data_(static_cast<T*>(cuda::allocate(bytes_, {}))) {
    const std::vector<std::byte> gaps(bytes_, kGap);
    cuda::upload(data_, gaps.data(), bytes_, {});
  }
  DeviceImage(const ImageView<const T>& image, const Layout& layout)
      : DeviceImage(image.height, image.width, image.channels, layout) {
    std::vector<T> samples(bytes_ / sizeof(T));
    for (std::ptrdiff_t y = 0; y < height_; ++y)
      std::copy_n(image.row(y), width_ * channels_, samples.data() + place(y));
    cuda::upload(data_, samples.data(), bytes_, {});
  }
  DeviceImage(const DeviceImage&) = delete;
  ~DeviceImage() { cuda::release(data_, cuda::current_device(), {}); }

  ImageView<T> view() const {
    const std::ptrdiff_t stride = pitch_ * static_cast<std::ptrdiff_t>(sizeof(T));
    return {data_ + place(0), height_, width_, channels_, upside_down_ ? -stride : stride};
  }
  ImageView<const T> read() const { return view(); }

  // Calls row(y, samples) with what the device has; returns whether the gaps are as they were.
  template <class Row>
  bool download(const Row& row) const {
    std::vector<T> samples(bytes_ / sizeof(T));
    cuda::download(samples.data(), data_, bytes_, {});
    for (std::ptrdiff_t y = 0; y < height_; ++y) {
      T* const here = samples.data() + place(y);
      row(y, static_cast<const T*>(here));
      std::fill_n(reinterpret_cast<std::byte*>(here),
                  static_cast<std::size_t>(width_ * channels_) * sizeof(T), kGap);
    }
    const auto* const first = reinterpret_cast<const std::byte*>(samples.data());
    return std::all_of(first, first + bytes_, [](std::byte b) { return b == kGap; });
  }

 private:
  static constexpr std::byte kGap{0x5A};
  std::ptrdiff_t place(std::ptrdiff_t y) const {
    return pitch_ * (upside_down_ ? height_ - 1 - y : y);
  }

  std::ptrdiff_t height_, width_;
  int channels_;
  std::ptrdiff_t pitch_;
  bool upside_down_;
  std::size_t bytes_;
  T* data_;
};

}  // namespace trimatte::test

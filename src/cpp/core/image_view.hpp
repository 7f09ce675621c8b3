// ImageView borrows pixels: data, size, channels and a row stride. Pixels of one row are
// contiguous; rows may be strided, also backwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/host_device.hpp"

namespace trimatte {

template <class T>
struct ImageView {
  T* data = nullptr;
  std::ptrdiff_t height = 0;
  std::ptrdiff_t width = 0;
  int channels = 1;
  std::ptrdiff_t stride = 0;  // bytes from one row to the next

  using Byte = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;

  TRIMATTE_HD T* row(std::ptrdiff_t y) const {
    return reinterpret_cast<T*>(reinterpret_cast<Byte*>(data) + y * stride);
  }
  std::ptrdiff_t pixels() const { return height * width; }
  bool empty() const { return height == 0 || width == 0; }

  template <class U>
    requires(std::is_same_v<U, const T> && !std::is_const_v<T>)
  operator ImageView<U>() const {
    return {data, height, width, channels, stride};
  }
};

// Full scale of a sample type: the value that means 1.0.
template <class T>
inline constexpr float kFullScale = 1.0f;
template <>
inline constexpr float kFullScale<std::uint8_t> = 255.0f;
template <>
inline constexpr float kFullScale<std::uint16_t> = 65535.0f;

}  // namespace trimatte

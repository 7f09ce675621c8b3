// NumPy arrays to ImageViews and back, with every check on the way: one exception that names the
// operation, the argument, what came and what is accepted.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

#include "core/error.hpp"
#include "core/image_view.hpp"

namespace trimatte::bind {

namespace py = pybind11;

enum class Depth { kUint8, kUint16, kFloat32 };

template <class T>
inline constexpr Depth kDepthOf = sizeof(T) == 1   ? Depth::kUint8
                                  : sizeof(T) == 2 ? Depth::kUint16
                                                   : Depth::kFloat32;

// What an argument may look like.
enum class Layout {
  kColor,  // (H, W, 3) or (H, W, 4)
  kRgba,   // (H, W, 4)
  kPlane,  // (H, W)
  kImage,  // (H, W), (H, W, 3) or (H, W, 4)
};

std::string describe(const py::array& array);  // "(1080, 1920, 3) uint8"

// An argument of an operation, named for the messages.
class Argument {
 public:
  Argument(std::string operation, std::string name, py::array array, Layout layout);

  Depth depth() const { return depth_; }
  std::ptrdiff_t height() const { return array_.shape(0); }
  std::ptrdiff_t width() const { return array_.shape(1); }
  int channels() const { return array_.ndim() == 3 ? static_cast<int>(array_.shape(2)) : 1; }
  std::string describe() const { return bind::describe(array_); }

  template <class T>
  ImageView<const T> view() const {
    return {static_cast<const T*>(array_.data()), height(), width(), channels(), array_.strides(0)};
  }

  void require_size_of(const Argument& other) const;
  void require_depth_of(const Argument& other) const;

 private:
  [[noreturn]] void refuse(const std::string& wanted, const std::string& got) const;
  void check_values() const;

  std::string operation_;
  std::string name_;
  py::array array_;
  Depth depth_;
};

// A new array for a result.
template <class T>
py::array_t<T> new_image(std::ptrdiff_t height, std::ptrdiff_t width, int channels = 1) {
  if (channels == 1) return py::array_t<T>({height, width});
  return py::array_t<T>({height, width, static_cast<std::ptrdiff_t>(channels)});
}

template <class T>
ImageView<T> view_of(py::array_t<T>& array) {
  return {array.mutable_data(), array.shape(0), array.shape(1),
          array.ndim() == 3 ? static_cast<int>(array.shape(2)) : 1, array.strides(0)};
}

// Calls f(T{}) for the sample type of the depth.
template <class F>
decltype(auto) with_depth(Depth depth, F&& f) {
  switch (depth) {
    case Depth::kUint8: return f(std::uint8_t{});
    case Depth::kUint16: return f(std::uint16_t{});
    case Depth::kFloat32: break;
  }
  return f(float{});
}

}  // namespace trimatte::bind

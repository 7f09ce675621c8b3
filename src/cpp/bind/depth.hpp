// Sample types as the bindings know them, and their names elsewhere.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "pixel/half.hpp"

namespace trimatte::bind {

namespace py = pybind11;

enum class Depth { kUint8, kUint16, kFloat32, kFloat16, kBool };

template <class T>
inline constexpr Depth kDepthOf = std::is_same_v<T, std::uint8_t>    ? Depth::kUint8
                                  : std::is_same_v<T, std::uint16_t> ? Depth::kUint16
                                  : std::is_same_v<T, Half>          ? Depth::kFloat16
                                                                     : Depth::kFloat32;

std::ptrdiff_t size_of(Depth depth);
py::dtype dtype_of(Depth depth);
std::optional<Depth> depth_of(const py::dtype& dtype);

// Calls f(T{}) for the sample type of an image's depth.
template <class F>
decltype(auto) with_depth(Depth depth, F&& f) {
  switch (depth) {
    case Depth::kUint8: return f(std::uint8_t{});
    case Depth::kUint16: return f(std::uint16_t{});
    default: return f(float{});
  }
}

// The same for a tensor's: float or Half.
template <class F>
decltype(auto) with_tensor_depth(Depth depth, F&& f) {
  return depth == Depth::kFloat16 ? f(Half{}) : f(float{});
}

}  // namespace trimatte::bind

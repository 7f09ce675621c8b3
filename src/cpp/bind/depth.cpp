#include "bind/depth.hpp"

namespace trimatte::bind {
namespace {

constexpr Depth kAll[] = {Depth::kUint8, Depth::kUint16, Depth::kFloat32, Depth::kFloat16,
                          Depth::kBool};

const char* name_of(Depth depth) {
  switch (depth) {
    case Depth::kUint8: return "uint8";
    case Depth::kUint16: return "uint16";
    case Depth::kFloat32: return "float32";
    case Depth::kFloat16: return "float16";
    case Depth::kBool: break;
  }
  return "bool";
}

}  // namespace

std::ptrdiff_t size_of(Depth depth) {
  switch (depth) {
    case Depth::kUint16:
    case Depth::kFloat16: return 2;
    case Depth::kFloat32: return 4;
    default: return 1;
  }
}

py::dtype dtype_of(Depth depth) {
  return py::dtype(name_of(depth));
}

std::optional<Depth> depth_of(const py::dtype& dtype) {
  for (const Depth depth : kAll)
    if (dtype.is(dtype_of(depth)) || dtype.equal(dtype_of(depth))) return depth;
  return std::nullopt;
}

}  // namespace trimatte::bind

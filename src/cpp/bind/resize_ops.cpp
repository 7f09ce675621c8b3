// Resizing, and the two ends of a network: images to its input, its output to masks.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>

#include "bind/arrays.hpp"
#include "bind/operations.hpp"
#include "core/dispatch.hpp"
#include "ops.hpp"

namespace trimatte::bind {
namespace {

constexpr DeviceKind kCpu = DeviceKind::kCPU;

using Size = std::array<std::ptrdiff_t, 2>;  // (height, width)

void require_sides(const std::string& operation, const char* name, std::ptrdiff_t height,
                   std::ptrdiff_t width, const std::string& got) {
  if (std::min(height, width) >= 1 && std::max(height, width) <= kLargestResizeSide) return;
  throw ArgumentError(operation + ": " + name + " must have a height and a width in [1, " +
                      std::to_string(kLargestResizeSide) + "], got " + got);
}

void require_size(const std::string& operation, const Size& size) {
  require_sides(operation, "size", size[0], size[1],
                "(" + std::to_string(size[0]) + ", " + std::to_string(size[1]) + ")");
}

py::array resize_op(const py::array& image_array, const Size& size, int filter) {
  const Argument image("resize", "image", image_array, Layout::kImage);
  require_sides("resize", "image", image.height(), image.width(), image.describe());
  require_size("resize", size);
  const ResizeOptions options{static_cast<ResizeFilter>(filter)};
  return with_depth(image.depth(), [&](auto t) -> py::array {
    using T = decltype(t);
    auto out = new_image<T>(size[0], size[1], image.channels());
    const auto from = image.view<T>();
    const auto to = view_of(out);
    const py::gil_scoped_release release;
    resize<kCpu, T>(from, to, options, Stream{});
    return out;
  });
}

// Calls f(S{}) for a network's sample type.
template <class F>
decltype(auto) with_network_sample(bool half, F&& f) {
  return half ? f(Half{}) : f(float{});
}

py::array preprocess_op(const py::array& image_array, const Size& size,
                        const std::array<float, 3>& mean, const std::array<float, 3>& deviation,
                        bool scale_by_maximum, int filter, bool half) {
  if (!py::isinstance<py::array_t<std::uint8_t>>(image_array))
    throw ArgumentError("to_tensor: image must be (H, W, 3) or (H, W, 4) of uint8, got " +
                        describe(image_array));
  const Argument image("to_tensor", "image", image_array, Layout::kColor);
  require_sides("to_tensor", "image", image.height(), image.width(), image.describe());
  require_size("to_tensor", size);
  PreprocessOptions options{static_cast<ResizeFilter>(filter), scale_by_maximum, {}, {}};
  std::copy(mean.begin(), mean.end(), options.mean);
  std::copy(deviation.begin(), deviation.end(), options.deviation);
  py::array tensor(py::dtype(half ? "float16" : "float32"),
                   std::array<py::ssize_t, 4>{1, 3, size[0], size[1]});
  void* const memory = tensor.mutable_data();
  with_network_sample(half, [&](auto s) {
    using S = decltype(s);
    const ImageView<S> planes{static_cast<S*>(memory), 3 * size[0], size[1], 1,
                              size[1] * static_cast<std::ptrdiff_t>(sizeof(S))};
    const auto from = image.view<std::uint8_t>();
    const py::gil_scoped_release release;
    preprocess<kCpu, S>(from, planes, options, Stream{});
  });
  return tensor;
}

py::array postprocess_op(const py::array& prediction, const Size& size, bool min_max, int filter) {
  const std::string operation = "matte_from_prediction";
  const std::string got = describe(prediction);
  const bool half = prediction.dtype().is(py::dtype("float16"));
  if (prediction.ndim() != 2 || !(half || py::isinstance<py::array_t<float>>(prediction)))
    throw ArgumentError(operation + ": prediction must be (h, w) of float32 or float16, got " +
                        got);
  require_sides(operation, "prediction", prediction.shape(0), prediction.shape(1), got);
  require_size(operation, size);
  const PostprocessOptions options{static_cast<ResizeFilter>(filter), min_max};
  auto mask = new_image<std::uint8_t>(size[0], size[1]);
  const auto to = view_of(mask);
  with_network_sample(half, [&](auto s) {
    using S = decltype(s);
    const ImageView<const S> from{static_cast<const S*>(prediction.data()), prediction.shape(0),
                                  prediction.shape(1), 1, prediction.strides(0)};
    const py::gil_scoped_release release;
    postprocess<kCpu, S>(from, to, options, Stream{});
  });
  return mask;
}

}  // namespace

void define_resize_operations(py::module_& m) {
  using py::arg;
  m.def("resize", &resize_op, arg("image"), arg("size"), arg("filter"));
  m.def("preprocess", &preprocess_op, arg("image"), arg("size"), arg("mean"), arg("deviation"),
        arg("scale_by_maximum"), arg("filter"), arg("half"));
  m.def("postprocess", &postprocess_op, arg("prediction"), arg("size"), arg("min_max"),
        arg("filter"));
}

}  // namespace trimatte::bind

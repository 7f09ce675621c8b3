// Resizing, and the two ends of a network: images to its input, its output to masks.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/operations.hpp"
#include "ops.hpp"
#include "pixel/classes.hpp"
#include "pixel/resize.hpp"
#include "pixel/tensor.hpp"

namespace trimatte::bind {
namespace {

using Size = std::array<std::ptrdiff_t, 2>;  // (height, width)

void require_size(const std::string& operation, const Size& size) {
  if (std::min(size[0], size[1]) >= 1 && std::max(size[0], size[1]) <= kLargestResizeSide) return;
  throw ArgumentError(operation + ": size must have a height and a width in [1, " +
                      std::to_string(kLargestResizeSide) + "], got (" + std::to_string(size[0]) +
                      ", " + std::to_string(size[1]) + ")");
}

void require_sides(const Argument& argument) {
  const std::ptrdiff_t least = std::min(argument.height(), argument.width());
  const std::ptrdiff_t most = std::max(argument.height(), argument.width());
  if (least < 1 || most > kLargestResizeSide)
    argument.refuse(
        "must have a height and a width in [1, " + std::to_string(kLargestResizeSide) + "]",
        argument.describe());
}

py::object resize_op(const py::object& image_array, const Size& size, int filter,
                     const py::object& device, const py::object& stream) {
  Argument image("resize", "image", image_array, Layout::kImage);
  require_sides(image);
  require_size("resize", size);
  const ResizeOptions options{static_cast<ResizeFilter>(filter)};
  Call call("resize", device, stream, {&image});
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    auto out = call.output<T>(size[0], size[1], image.channels());
    call.run(
        [&](auto d, Stream s) { resize<d.value, T>(image.view<T>(), out.view(), options, s); });
    return call.give(out);
  });
}

py::object upsample_mask_op(const py::object& image_array, const py::object& mask_array,
                            const py::object& device, const py::object& stream) {
  const std::string operation = "upsample_mask";
  Argument image(operation, "image", image_array, Layout::kColor);
  Argument mask(operation, "mask", mask_array, Layout::kPlane);
  require_sides(image);
  require_sides(mask);
  Call call(operation, device, stream, {&image, &mask});
  auto out = call.output<float>(image.height(), image.width());
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    with_depth(mask.depth(), [&](auto a) {
      using A = decltype(a);
      call.run([&](auto d, Stream s) {
        upsample_mask<d.value, T, A>(image.view<T>(), mask.view<A>(), out.view(), s);
      });
    });
  });
  return call.give(out);
}

py::object preprocess_op(const py::object& image_array, const Size& size,
                         const std::array<double, 3>& mean, const std::array<double, 3>& deviation,
                         bool scale_by_maximum, bool bgr, int filter, bool half,
                         const py::object& device, const py::object& stream) {
  Argument image("to_tensor", "image", image_array, Layout::kColor);
  require_sides(image);
  require_size("to_tensor", size);
  PreprocessOptions options{static_cast<ResizeFilter>(filter), scale_by_maximum, bgr, {}, {}};
  std::copy(mean.begin(), mean.end(), options.mean);
  std::copy(deviation.begin(), deviation.end(), options.deviation);
  Call call("to_tensor", device, stream, {&image});
  return with_tensor_depth(half ? Depth::kFloat16 : Depth::kFloat32, [&](auto t) {
    using S = decltype(t);
    auto tensor = call.output<S>({1, 3, size[0], size[1]}, 3 * size[0], size[1]);
    with_depth(image.depth(), [&](auto depth) {
      using T = decltype(depth);
      call.run([&](auto d, Stream s) {
        preprocess<d.value, T, S>(image.view<T>(), tensor.view(), options, s);
      });
    });
    return call.give(tensor);
  });
}

// The planes lie one below the other: (count h, w).
py::object class_probability_op(const py::object& array, std::ptrdiff_t count,
                                const std::vector<int>& chosen, const py::object& device,
                                const py::object& stream) {
  Argument planes("class_probability", "prediction", array, Layout::kPrediction);
  ClassSet classes;
  for (const int c : chosen) classes.add(c);
  Call call("class_probability", device, stream, {&planes});
  auto probability = call.output<float>(planes.height() / count, planes.width());
  with_tensor_depth(planes.depth(), [&](auto t) {
    using S = decltype(t);
    call.run([&](auto d, Stream s) {
      class_probability<d.value, S>(planes.view<S>(), probability.view(), classes, s);
    });
  });
  return call.give(probability);
}

py::object postprocess_op(const py::object& array, const Size& size, bool min_max, int filter,
                          const py::object& device, const py::object& stream) {
  const std::string operation = "matte_from_prediction";
  Argument prediction(operation, "prediction", array, Layout::kPrediction);
  require_sides(prediction);
  require_size(operation, size);
  const PostprocessOptions options{static_cast<ResizeFilter>(filter), min_max};
  Call call(operation, device, stream, {&prediction});
  auto mask = call.output<std::uint8_t>(size[0], size[1]);
  with_tensor_depth(prediction.depth(), [&](auto t) {
    using S = decltype(t);
    call.run([&](auto d, Stream s) {
      postprocess<d.value, S>(prediction.view<S>(), mask.view(), options, s);
    });
  });
  return call.give(mask);
}

}  // namespace

void define_resize_operations(py::module_& m) {
  using py::arg;
  m.def("resize", &resize_op, arg("image"), arg("size"), arg("filter"), arg("device"),
        arg("stream"));
  m.def("upsample_mask", &upsample_mask_op, arg("image"), arg("mask"), arg("device"),
        arg("stream"));
  m.def("preprocess", &preprocess_op, arg("image"), arg("size"), arg("mean"), arg("deviation"),
        arg("scale_by_maximum"), arg("bgr"), arg("filter"), arg("half"), arg("device"),
        arg("stream"));
  m.def("class_probability", &class_probability_op, arg("planes"), arg("count"), arg("chosen"),
        arg("device"), arg("stream"));
  m.def("postprocess", &postprocess_op, arg("prediction"), arg("size"), arg("min_max"),
        arg("filter"), arg("device"), arg("stream"));
}

}  // namespace trimatte::bind

// What keying wants beside the keys: linear light, and alpha from known colours.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>

#include "bind/arrays.hpp"
#include "bind/operations.hpp"
#include "ops.hpp"
#include "pixel/project.hpp"

namespace trimatte::bind {
namespace {

using Size = std::array<std::ptrdiff_t, 2>;  // (height, width)

constexpr double kMostNoise = 0.4;

void require_size(const std::string& operation, const Size& size) {
  if (std::min(size[0], size[1]) >= 0) return;
  throw ArgumentError(operation + ": size must have no negative side, got (" +
                      std::to_string(size[0]) + ", " + std::to_string(size[1]) + ")");
}

py::object to_linear_op(const py::object& image_array, const py::object& device,
                        const py::object& stream) {
  Argument image("to_linear", "image", image_array, Layout::kColor);
  Call call("to_linear", device, stream, {&image});
  auto light = call.output<float>(image.height(), image.width(), image.channels());
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) { to_linear<d.value, T>(image.view<T>(), light.view(), s); });
  });
  return call.give(light);
}

void require_float(const Argument& argument, const char* wanted) {
  if (argument.depth() != Depth::kFloat32) argument.refuse(wanted, argument.describe());
}

py::object to_srgb_op(const py::object& light_array, int depth, const py::object& device,
                      const py::object& stream) {
  Argument light("to_srgb", "image", light_array, Layout::kColor);
  require_float(light, "must be (H, W, 3) or (H, W, 4) of float32");
  Call call("to_srgb", device, stream, {&light});
  return with_depth(static_cast<Depth>(depth), [&](auto t) {
    using T = decltype(t);
    auto image = call.output<T>(light.height(), light.width(), light.channels());
    call.run([&](auto d, Stream s) { to_srgb<d.value, T>(light.view<float>(), image.view(), s); });
    return call.give(image);
  });
}

void require_plate(const Argument& plate) {
  const char* wanted = "must be (h, w, 3) of float32, not empty";
  require_float(plate, wanted);
  if (plate.channels() != 3 || plate.height() == 0 || plate.width() == 0)
    plate.refuse(wanted, plate.describe());
}

py::object project_alpha_op(const py::object& image_array, const py::object& foreground_array,
                            const py::object& plate_array, const py::object& trimap_array,
                            const py::object& alpha_array, double noise, int cell,
                            const py::object& device, const py::object& stream) {
  const std::string operation = "project_alpha";
  Argument image(operation, "image", image_array, Layout::kColor);
  Argument foreground(operation, "foreground", foreground_array, Layout::kColor);
  Argument plate(operation, "plate", plate_array, Layout::kColor);
  Argument trimap(operation, "trimap", trimap_array, Layout::kPlane);
  Argument alpha(operation, "alpha", alpha_array, Layout::kPlane);
  foreground.require_size_of(image);
  foreground.require_depth_of(image);
  require_plate(plate);
  require_trimap(trimap, image);
  alpha.require_size_of(image);
  require_float(alpha, "must be (H, W) of float32");
  require_range(operation, "noise", noise, 0.0, kMostNoise);
  const ProjectOptions options{static_cast<float>(noise), cell};
  Call call(operation, device, stream, {&image, &foreground, &plate, &trimap, &alpha});
  auto out = call.output<float>(image.height(), image.width());
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) {
      project_alpha<d.value, T>(image.view<T>(), foreground.view<T>(), plate.view<float>(),
                                trimap.view<std::uint8_t>(), alpha.view<float>(), out.view(),
                                options, s);
    });
  });
  return call.give(out);
}

py::object plate_image_op(const py::object& plate_array, const Size& size, int cell, int depth,
                          const py::object& device, const py::object& stream) {
  const std::string operation = "plate_image";
  Argument plate(operation, "plate", plate_array, Layout::kColor);
  require_plate(plate);
  require_size(operation, size);
  if (cell < 0) throw ArgumentError(operation + ": cell must not be negative");
  Call call(operation, device, stream, {&plate});
  return with_depth(static_cast<Depth>(depth), [&](auto t) {
    using T = decltype(t);
    auto out = call.output<T>(size[0], size[1], 3);
    call.run([&](auto d, Stream s) {
      plate_image<d.value, T>(plate.view<float>(), out.view(), cell, s);
    });
    return call.give(out);
  });
}

}  // namespace

void define_screen_operations(py::module_& m) {
  using py::arg;
  m.def("to_linear", &to_linear_op, arg("image"), arg("device"), arg("stream"));
  m.def("to_srgb", &to_srgb_op, arg("image"), arg("depth"), arg("device"), arg("stream"));
  m.def("project_alpha", &project_alpha_op, arg("image"), arg("foreground"), arg("plate"),
        arg("trimap"), arg("alpha"), arg("noise"), arg("cell"), arg("device"), arg("stream"));
  m.def("plate_image", &plate_image_op, arg("plate"), arg("size"), arg("cell"), arg("depth"),
        arg("device"), arg("stream"));
}

}  // namespace trimatte::bind

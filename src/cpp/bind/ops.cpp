// One m.def per operation: check the arguments, make the result, release the GIL, dispatch.
#include "ops.hpp"

#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <tuple>

#include "bind/arrays.hpp"
#include "bind/operations.hpp"
#include "core/dispatch.hpp"

namespace trimatte::bind {
namespace {

constexpr DeviceKind kCpu = DeviceKind::kCPU;

// Runs f with the GIL released; nothing of Python may be touched inside, results included.
template <class F>
decltype(auto) without_gil(F&& f) {
  const py::gil_scoped_release release;
  return std::forward<F>(f)();
}

// A number in a closed range; NaN is in none.
void require_range(const std::string& operation, const char* name, double value, double low,
                   double high) {
  if (value >= low && value <= high) return;
  const auto text = [](double v) { return py::str(py::float_(v)).cast<std::string>(); };
  throw ArgumentError(operation + ": " + name + " must be in [" + text(low) + ", " + text(high) +
                      "], got " + text(value));
}

py::array chroma_key_op(const py::array& image_array, int channel, double tolerance,
                        double softness, int depth, bool cuda, const std::string& operation) {
  const Argument image(operation, "image", image_array, Layout::kColor);
  require_range(operation, "tolerance", tolerance, 0.0, 255.0);
  require_range(operation, "softness", softness, 0.0, 255.0);
  const KeyOptions options{channel, tolerance, softness};
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(static_cast<Depth>(depth), [&](auto a) -> py::array {
      using A = decltype(a);
      auto alpha = new_image<A>(image.height(), image.width());
      const auto from = image.view<T>();
      const auto to = view_of(alpha);
      without_gil([&] {
        on(cuda ? DeviceKind::kCUDA : DeviceKind::kCPU,
           [&](auto device) { chroma_key<device.value, T, A>(from, to, options, Stream{}); });
      });
      return alpha;
    });
  });
}

// (trimap, (outside, inside)): the radii that were used.
using TrimapResult = std::tuple<py::array, std::tuple<double, double>>;

TrimapResult make_trimap_op(const py::array& mask_array, double low, double high, double outside,
                            double inside, int square) {
  const Argument mask("make_trimap", "mask", mask_array, Layout::kPlane);
  const TrimapOptions options{low, high, outside, inside, square};
  auto trimap = new_image<std::uint8_t>(mask.height(), mask.width());
  const auto to = view_of(trimap);
  TrimapRadii used;
  with_depth(mask.depth(), [&](auto t) {
    using T = decltype(t);
    without_gil([&] { make_trimap<kCpu, T>(mask.view<T>(), to, options, &used, Stream{}); });
  });
  return {trimap, {used.outside, used.inside}};
}

// (alpha, (unknown, iterations, residual, levels))
using AlphaResult = std::tuple<py::array, std::tuple<std::int64_t, int, double, int>>;

AlphaResult estimate_alpha_op(const py::array& image_array, const py::array& trimap_array,
                              int quality) {
  const Argument image("estimate_alpha", "image", image_array, Layout::kColor);
  const Argument trimap("estimate_alpha", "trimap", trimap_array, Layout::kPlane);
  trimap.require_size_of(image);
  if (trimap.depth() != Depth::kUint8)
    throw ArgumentError(
        "estimate_alpha: trimap must be uint8 (0 background, 128 unknown, 255 "
        "foreground), got " +
        trimap.describe());
  const MattingOptions options{static_cast<MattingQuality>(quality)};
  auto alpha = new_image<float>(image.height(), image.width());
  const auto to = view_of(alpha);
  MattingInfo info;
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    without_gil([&] {
      estimate_alpha<kCpu, T>(image.view<T>(), trimap.view<std::uint8_t>(), to, options, &info,
                              Stream{});
    });
  });
  return {alpha, {info.unknown, info.iterations, info.residual, info.levels}};
}

using ForegroundResult = std::tuple<py::array, std::optional<py::array>>;

ForegroundResult estimate_foreground_op(const py::array& image_array, const py::array& alpha_array,
                                        bool want_background) {
  const Argument image("estimate_foreground", "image", image_array, Layout::kColor);
  const Argument alpha("estimate_foreground", "alpha", alpha_array, Layout::kPlane);
  alpha.require_size_of(image);
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) -> ForegroundResult {
      using A = decltype(a);
      auto foreground = new_image<T>(image.height(), image.width(), 3);
      auto background = new_image<T>(want_background ? image.height() : 0,
                                     want_background ? image.width() : 0, 3);
      const auto f = view_of(foreground);
      const auto b = want_background ? view_of(background) : ImageView<T>{};
      without_gil([&] {
        estimate_foreground<kCpu, T, A>(image.view<T>(), alpha.view<A>(), f, b, Stream{});
      });
      return {foreground, want_background ? std::optional<py::array>(background) : std::nullopt};
    });
  });
}

py::array despill_op(const py::array& image_array, int channel, int method, double strength) {
  const Argument image("despill", "image", image_array, Layout::kColor);
  require_range("despill", "strength", strength, 0.0, 1.0);
  const DespillOptions options{channel, static_cast<DespillMethod>(method), strength};
  return with_depth(image.depth(), [&](auto t) -> py::array {
    using T = decltype(t);
    auto out = new_image<T>(image.height(), image.width(), image.channels());
    const auto to = view_of(out);
    without_gil([&] { despill<kCpu, T>(image.view<T>(), to, options, Stream{}); });
    return out;
  });
}

py::array premultiply_op(const py::array& rgba_array, bool forward) {
  const Argument rgba(forward ? "premultiply" : "unpremultiply", "rgba", rgba_array, Layout::kRgba);
  return with_depth(rgba.depth(), [&](auto t) -> py::array {
    using T = decltype(t);
    auto out = new_image<T>(rgba.height(), rgba.width(), 4);
    const auto to = view_of(out);
    without_gil([&] {
      forward ? premultiply<kCpu, T>(rgba.view<T>(), to, Stream{})
              : unpremultiply<kCpu, T>(rgba.view<T>(), to, Stream{});
    });
    return out;
  });
}

py::array cutout_op(const py::array& foreground_array, const py::array& alpha_array) {
  const Argument foreground("cutout", "foreground", foreground_array, Layout::kColor);
  const Argument alpha("cutout", "alpha", alpha_array, Layout::kPlane);
  alpha.require_size_of(foreground);
  return with_depth(foreground.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) -> py::array {
      using A = decltype(a);
      auto rgba = new_image<T>(foreground.height(), foreground.width(), 4);
      const auto to = view_of(rgba);
      without_gil([&] { cutout<kCpu, T, A>(foreground.view<T>(), alpha.view<A>(), to, Stream{}); });
      return rgba;
    });
  });
}

py::array composite_op(const py::array& foreground_array, const py::array& alpha_array,
                       const std::optional<py::array>& background_array,
                       const std::array<float, 3>& color, bool linear) {
  const Argument foreground("composite", "foreground", foreground_array, Layout::kColor);
  const Argument alpha("composite", "alpha", alpha_array, Layout::kPlane);
  alpha.require_size_of(foreground);
  std::optional<Argument> background;
  if (background_array) {
    background.emplace("composite", "background", *background_array, Layout::kColor);
    background->require_size_of(foreground);
    background->require_depth_of(foreground);
  }
  const CompositeOptions options{{color[0], color[1], color[2]}, linear};
  return with_depth(foreground.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) -> py::array {
      using A = decltype(a);
      auto out = new_image<T>(foreground.height(), foreground.width(), 3);
      const auto to = view_of(out);
      const auto back = background ? background->view<T>() : ImageView<const T>{};
      without_gil([&] {
        composite<kCpu, T, A>(foreground.view<T>(), alpha.view<A>(), back, to, options, Stream{});
      });
      return out;
    });
  });
}

}  // namespace

void define_operations(py::module_& m) {
  using py::arg;
  m.def(
      "check",
      [](const py::array& array, const std::string& operation, const std::string& name,
         bool color) {
        const Argument checked(operation, name, array, color ? Layout::kColor : Layout::kPlane);
      },
      "Raises what an operation would raise for this argument.", arg("array"), arg("operation"),
      arg("name"), arg("color"));
  m.def("chroma_key", &chroma_key_op, arg("image"), arg("channel"), arg("tolerance"),
        arg("softness"), arg("depth"), arg("cuda"), arg("operation"));
  m.def("make_trimap", &make_trimap_op, arg("mask"), arg("low"), arg("high"), arg("outside"),
        arg("inside"), arg("square"));
  m.def("estimate_alpha", &estimate_alpha_op, arg("image"), arg("trimap"), arg("quality"));
  m.def("estimate_foreground", &estimate_foreground_op, arg("image"), arg("alpha"),
        arg("want_background"));
  m.def("despill", &despill_op, arg("image"), arg("channel"), arg("method"), arg("strength"));
  m.def("premultiply", &premultiply_op, arg("rgba"), arg("forward"));
  m.def("cutout", &cutout_op, arg("foreground"), arg("alpha"));
  m.def("composite", &composite_op, arg("foreground"), arg("alpha"), arg("background"),
        arg("color"), arg("linear"));
}

}  // namespace trimatte::bind

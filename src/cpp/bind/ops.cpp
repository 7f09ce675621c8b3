// One m.def per operation: check the arguments, choose the device, make the result, run.
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/despill.hpp"
#include "pixel/foreground.hpp"
#include "pixel/key.hpp"
#include "pixel/key_soft.hpp"
#include "pixel/matting.hpp"
#include "pixel/sampling.hpp"
#include "pixel/stabilize.hpp"
#include "pixel/trimap.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/operations.hpp"

namespace trimatte::bind {
namespace {

// `clip`: alphas that become 0 and 1, which another ramp does as well.
KeyOptions key_options(const std::string& operation, int channel, double tolerance, double softness,
                       const std::array<double, 2>& clip) {
  require_range(operation, "tolerance", tolerance, 0.0, 255.0);
  require_range(operation, "softness", softness, 0.0, 255.0);
  return {channel, tolerance + softness * (1.0 - clip[1]), softness * (clip[1] - clip[0])};
}

DespillOptions despill_options(const std::string& operation, int channel, int method,
                               double strength) {
  require_range(operation, "strength", strength, 0.0, 1.0);
  return {channel, static_cast<DespillMethod>(method), strength, 0.0};
}

py::object chroma_key_op(const py::object& image_array, int channel, double tolerance,
                         double softness, const std::array<double, 2>& clip, int depth,
                         const std::string& operation, const py::object& device,
                         const py::object& stream) {
  Argument image(operation, "image", image_array, Layout::kColor);
  const KeyOptions options = key_options(operation, channel, tolerance, softness, clip);
  Call call(operation, device, stream, {&image});
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(static_cast<Depth>(depth), [&](auto a) {
      using A = decltype(a);
      auto alpha = call.output<A>(image.height(), image.width());
      call.run([&](auto d, Stream s) {
        chroma_key<d.value, T, A>(image.view<T>(), alpha.view(), options, s);
      });
      return call.give(alpha);
    });
  });
}

py::object key_cutout_op(const py::object& image_array, int channel, double tolerance,
                         double softness, const std::array<double, 2>& clip, int despill,
                         double strength, bool premultiplied, const py::object& device,
                         const py::object& stream) {
  const std::string operation = "key_cutout";
  Argument image(operation, "image", image_array, Layout::kColor);
  const KeyOptions key = key_options(operation, channel, tolerance, softness, clip);
  const DespillOptions spill = despill_options(operation, channel, despill, strength);
  Call call(operation, device, stream, {&image});
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    auto rgba = call.output<T>(image.height(), image.width(), 4);
    call.run([&](auto d, Stream s) {
      key_cutout<d.value, T>(image.view<T>(), rgba.view(), key, spill, premultiplied, s);
    });
    return call.give(rgba);
  });
}

// What the soft methods key by, checked.
SoftKeyOptions soft_key_options(const std::string& operation, int method, int channel,
                                const std::array<double, 3>& color, double tolerance,
                                double softness, bool linear, const std::array<double, 2>& clip,
                                int cell) {
  constexpr double kMost = 100.0;
  require_range(operation, "tolerance", tolerance, 0.0, kMost);
  require_range(operation, "softness", softness, 0.0, kMost);
  return {static_cast<SoftKeyMethod>(method),
          channel,
          {color[0], color[1], color[2]},
          tolerance,
          softness,
          linear,
          clip[0],
          clip[1],
          cell};
}

// The grid of a soft method, or none.
std::optional<Argument> grid_argument(const std::string& operation, const py::object& array,
                                      const SoftKeyOptions& options) {
  if (array.is_none()) return std::nullopt;
  const bool model = options.method == SoftKeyMethod::kPlate;
  Argument grid(operation, model ? "screen.model" : "plate", array, Layout::kGrid);
  if (grid.channels() != (model ? 4 : 3) || grid.height() == 0 || grid.width() == 0)
    grid.refuse(model ? "must be (h, w, 4), not empty" : "must be (h, w, 3), not empty",
                grid.describe());
  return grid;
}

std::vector<Argument*> together(Argument& image, std::optional<Argument>& grid) {
  std::vector<Argument*> all{&image};
  if (grid) all.push_back(&*grid);
  return all;
}

py::object soft_key_op(const py::object& image_array, const py::object& grid_array, int method,
                       int channel, const std::array<double, 3>& color, double tolerance,
                       double softness, bool linear, const std::array<double, 2>& clip, int cell,
                       int depth, const std::string& operation, const py::object& device,
                       const py::object& stream) {
  Argument image(operation, "image", image_array, Layout::kColor);
  const SoftKeyOptions options =
      soft_key_options(operation, method, channel, color, tolerance, softness, linear, clip, cell);
  std::optional<Argument> grid = grid_argument(operation, grid_array, options);
  Call call(operation, device, stream, together(image, grid));
  const auto cells = grid ? grid->view<float>() : ImageView<const float>{};
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(static_cast<Depth>(depth), [&](auto a) {
      using A = decltype(a);
      auto alpha = call.output<A>(image.height(), image.width());
      call.run([&](auto d, Stream s) {
        soft_key<d.value, T, A>(image.view<T>(), alpha.view(), cells, options, s);
      });
      return call.give(alpha);
    });
  });
}

py::object soft_key_cutout_op(const py::object& image_array, const py::object& grid_array,
                              int method, int channel, const std::array<double, 3>& color,
                              double tolerance, double softness, bool linear,
                              const std::array<double, 2>& clip, int cell, int despill,
                              double strength, bool premultiplied, const py::object& device,
                              const py::object& stream) {
  const std::string operation = "key_cutout";
  Argument image(operation, "image", image_array, Layout::kColor);
  const SoftKeyOptions options =
      soft_key_options(operation, method, channel, color, tolerance, softness, linear, clip, cell);
  const DespillOptions spill = despill_options(operation, channel, despill, strength);
  std::optional<Argument> grid = grid_argument(operation, grid_array, options);
  Call call(operation, device, stream, together(image, grid));
  const auto cells = grid ? grid->view<float>() : ImageView<const float>{};
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    auto rgba = call.output<T>(image.height(), image.width(), 4);
    call.run([&](auto d, Stream s) {
      soft_key_cutout<d.value, T>(image.view<T>(), rgba.view(), cells, options, spill,
                                  premultiplied, s);
    });
    return call.give(rgba);
  });
}

py::object decode_op(const py::object& image_array, bool linear, const std::string& operation,
                     const std::string& name, const py::object& device, const py::object& stream) {
  Argument image(operation, name, image_array, Layout::kColor);
  Call call(operation, device, stream, {&image});
  auto light = call.output<float>(image.height(), image.width(), 3);
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    call.run(
        [&](auto d, Stream s) { decode<d.value, T>(image.view<T>(), light.view(), linear, s); });
  });
  return call.give(light);
}

// (trimap, (outside, inside)): where the radii had to be reduced, to what. On a GPU, where knowing
// it would mean to wait, None.
using TrimapResult =
    std::tuple<py::object, std::tuple<std::optional<double>, std::optional<double>>>;

TrimapResult make_trimap_op(const py::object& mask_array, double low, double high, double outside,
                            double inside, int square, double network_pixel,
                            const std::string& operation, const py::object& device,
                            const py::object& stream) {
  Argument mask(operation, "mask", mask_array, Layout::kPlane);
  const TrimapOptions options{low, high, outside, inside, square, network_pixel};
  Call call(operation, device, stream, {&mask});
  auto trimap = call.output<std::uint8_t>(mask.height(), mask.width());
  TrimapRadii used;
  with_depth(mask.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) {
      make_trimap<d.value, T>(mask.view<T>(), trimap.view(), options,
                              call.on_host() ? &used : nullptr, s);
    });
  });
  const auto reduced = [](bool lost, double radius) {
    return lost ? std::optional(radius) : std::nullopt;
  };
  return {
      call.give(trimap),
      {reduced(used.lost_background, used.outside), reduced(used.lost_foreground, used.inside)}};
}

// (alpha, info or None); the info is (unknown, iterations, residual, levels, seconds by level).
using AlphaInfo = std::tuple<std::int64_t, int, double, int, std::vector<double>>;
using AlphaResult = std::tuple<py::object, std::optional<AlphaInfo>>;

AlphaInfo tuple_of(const MattingInfo& info) {
  std::vector<double> seconds(info.seconds,
                              info.seconds + std::min(info.levels, MattingInfo::kMostLevels));
  return {info.unknown, info.iterations, info.residual, info.levels, std::move(seconds)};
}

// Calls the Python function that `context` is; what it raises ends the operation.
void report_progress(void* context, double done) {
  const py::gil_scoped_acquire gil;
  (*static_cast<const py::object*>(context))(done);
}

AlphaResult estimate_alpha_op(const py::object& image_array, const py::object& trimap_array,
                              const py::object& mask_array, int quality, bool want_info,
                              const py::object& progress, const py::object& device,
                              const py::object& stream) {
  const std::string operation = "estimate_alpha";
  Argument image(operation, "image", image_array, Layout::kColor);
  Argument trimap(operation, "trimap", trimap_array, Layout::kPlane);
  require_trimap(trimap, image);
  std::vector<Argument*> arrays{&image, &trimap};
  std::optional<Argument> mask;
  if (!mask_array.is_none())
    arrays.push_back(&mask.emplace(operation, "mask", mask_array, Layout::kPlane));
  MattingOptions options;
  options.quality = static_cast<MattingQuality>(quality);
  py::object report = progress;
  if (!report.is_none()) {
    options.progress = report_progress;
    options.context = &report;
  }
  Call call(operation, device, stream, arrays);
  auto alpha = call.output<float>(image.height(), image.width());
  std::optional<Output<float>> rough;
  if (mask) rough = call.output<float>(mask->height(), mask->width());
  MattingInfo info;
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) {
      if (mask)
        with_depth(mask->depth(), [&](auto m) {
          using M = decltype(m);
          decode<d.value, M>(mask->view<M>(), rough->view(), false, s);
        });
      estimate_alpha<d.value, T>(image.view<T>(), trimap.view<std::uint8_t>(),
                                 rough ? rough->view() : ImageView<float>{}, alpha.view(), options,
                                 want_info ? &info : nullptr, s);
    });
  });
  if (!want_info) return {call.give(alpha), std::nullopt};
  return {call.give(alpha), tuple_of(info)};
}

// (alpha, confidence or None)
using SampledAlpha = std::tuple<py::object, py::object>;

SampledAlpha sample_alpha_op(const py::object& image_array, const py::object& trimap_array,
                             bool want_confidence, const py::object& device,
                             const py::object& stream) {
  const std::string operation = "estimate_alpha";
  Argument image(operation, "image", image_array, Layout::kColor);
  Argument trimap(operation, "trimap", trimap_array, Layout::kPlane);
  require_trimap(trimap, image);
  Call call(operation, device, stream, {&image, &trimap});
  auto alpha = call.output<float>(image.height(), image.width());
  std::optional<Output<float>> confidence;
  if (want_confidence) confidence = call.output<float>(image.height(), image.width());
  const auto to = confidence ? confidence->view() : ImageView<float>{};
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) {
      sample_alpha<d.value, T>(image.view<T>(), trimap.view<std::uint8_t>(), alpha.view(), to,
                               SamplingOptions{}, s);
    });
  });
  return {call.give(alpha), confidence ? call.give(*confidence) : py::none()};
}

py::object guide_alpha_op(const py::object& image_array, const py::object& trimap_array,
                          const py::object& device, const py::object& stream) {
  const std::string operation = "estimate_alpha";
  Argument image(operation, "image", image_array, Layout::kColor);
  Argument trimap(operation, "trimap", trimap_array, Layout::kPlane);
  require_trimap(trimap, image);
  Call call(operation, device, stream, {&image, &trimap});
  auto alpha = call.output<float>(image.height(), image.width());
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) {
      guide_alpha<d.value, T>(image.view<T>(), trimap.view<std::uint8_t>(), alpha.view(), s);
    });
  });
  return call.give(alpha);
}

py::object stabilize_alpha_op(const py::object& image_array, const py::object& alpha_array,
                              const py::object& previous_image_array,
                              const py::object& previous_alpha_array, double strength,
                              const py::object& device, const py::object& stream) {
  const std::string operation = "stabilize_alpha";
  Argument image(operation, "image", image_array, Layout::kColor);
  Argument alpha(operation, "alpha", alpha_array, Layout::kPlane);
  Argument previous(operation, "previous_image", previous_image_array, Layout::kColor);
  Argument previous_alpha(operation, "previous_alpha", previous_alpha_array, Layout::kPlane);
  for (Argument* other : {&alpha, &previous, &previous_alpha}) other->require_size_of(image);
  previous.require_depth_of(image);
  previous_alpha.require_depth_of(alpha);
  if (previous.channels() != image.channels())
    previous.refuse("must have as many channels as image", previous.describe());
  require_range(operation, "strength", strength, 0.0, 1.0);
  const StabilizeOptions options{strength};
  Call call(operation, device, stream, {&image, &alpha, &previous, &previous_alpha});
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) {
      using A = decltype(a);
      auto out = call.output<A>(image.height(), image.width());
      call.run([&](auto d, Stream s) {
        stabilize_alpha<d.value, T, A>(image.view<T>(), alpha.view<A>(), previous.view<T>(),
                                       previous_alpha.view<A>(), out.view(), options, s);
      });
      return call.give(out);
    });
  });
}

// (foreground, background or None)
using ForegroundResult = std::tuple<py::object, py::object>;

ForegroundResult estimate_foreground_op(const py::object& image_array,
                                        const py::object& alpha_array,
                                        const py::object& plate_array,
                                        const std::optional<std::array<float, 3>>& color,
                                        int quality, bool want_background, const py::object& device,
                                        const py::object& stream) {
  const std::string operation = "estimate_foreground";
  Argument image(operation, "image", image_array, Layout::kColor);
  Argument alpha(operation, "alpha", alpha_array, Layout::kPlane);
  alpha.require_size_of(image);
  std::vector<Argument*> arguments{&image, &alpha};
  std::optional<Argument> plate;
  if (!plate_array.is_none()) {
    plate.emplace(operation, "background", plate_array, Layout::kColor);
    plate->require_size_of(image);
    plate->require_depth_of(image);
    arguments.push_back(&*plate);
  }
  ForegroundOptions options{static_cast<ForegroundQuality>(quality), plate || color, {}};
  if (color) std::copy(color->begin(), color->end(), options.color);
  Call call(operation, device, stream, arguments);
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) -> ForegroundResult {
      using A = decltype(a);
      auto foreground = call.output<T>(image.height(), image.width(), 3);
      std::optional<Output<T>> background;
      if (want_background) background = call.output<T>(image.height(), image.width(), 3);
      const auto known = plate ? plate->view<T>() : ImageView<const T>{};
      const auto to = background ? background->view() : ImageView<T>{};
      call.run([&](auto d, Stream s) {
        estimate_foreground<d.value, T, A>(image.view<T>(), alpha.view<A>(), known,
                                           foreground.view(), to, options, s);
      });
      return {call.give(foreground), background ? call.give(*background) : py::none()};
    });
  });
}

py::object despill_op(const py::object& image_array, int channel, int method, double strength,
                      double restore, const py::object& kept_array, const py::object& device,
                      const py::object& stream) {
  Argument image("despill", "image", image_array, Layout::kColor);
  DespillOptions options = despill_options("despill", channel, method, strength);
  require_range("despill", "restore", restore, 0.0, 1.0);
  options.restore = restore;
  std::vector<Argument*> arguments{&image};
  std::optional<Argument> kept;
  if (!kept_array.is_none()) {
    kept.emplace("despill", "alpha", kept_array, Layout::kPlane);
    kept->require_size_of(image);
    arguments.push_back(&*kept);
  }
  Call call("despill", device, stream, arguments);
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    auto out = call.output<T>(image.height(), image.width(), image.channels());
    const auto held = kept ? kept->view<std::uint8_t>() : ImageView<const std::uint8_t>{};
    call.run([&](auto d, Stream s) {
      despill<d.value, T>(image.view<T>(), held, out.view(), options, s);
    });
    return call.give(out);
  });
}

py::object subtract_plate_op(const py::object& image_array, const py::object& alpha_array,
                             const py::object& plate_array, const std::array<float, 3>& color,
                             const py::object& device, const py::object& stream) {
  Argument image("despill", "image", image_array, Layout::kColor);
  Argument alpha("despill", "alpha", alpha_array, Layout::kPlane);
  alpha.require_size_of(image);
  std::vector<Argument*> arguments{&image, &alpha};
  std::optional<Argument> plate;
  if (!plate_array.is_none()) {
    plate.emplace("despill", "plate", plate_array, Layout::kColor);
    plate->require_size_of(image);
    plate->require_depth_of(image);
    arguments.push_back(&*plate);
  }
  const PlateOptions options{{color[0], color[1], color[2]}};
  Call call("despill", device, stream, arguments);
  return with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) {
      using A = decltype(a);
      auto out = call.output<T>(image.height(), image.width(), image.channels());
      const auto screen = plate ? plate->view<T>() : ImageView<const T>{};
      call.run([&](auto d, Stream s) {
        subtract_plate<d.value, T, A>(image.view<T>(), alpha.view<A>(), screen, out.view(), options,
                                      s);
      });
      return call.give(out);
    });
  });
}

py::object premultiply_op(const py::object& rgba_array, bool forward, const py::object& device,
                          const py::object& stream) {
  const std::string operation = forward ? "premultiply" : "unpremultiply";
  Argument rgba(operation, "rgba", rgba_array, Layout::kRgba);
  Call call(operation, device, stream, {&rgba});
  return with_depth(rgba.depth(), [&](auto t) {
    using T = decltype(t);
    auto out = call.output<T>(rgba.height(), rgba.width(), 4);
    call.run([&](auto d, Stream s) {
      forward ? premultiply<d.value, T>(rgba.view<T>(), out.view(), s)
              : unpremultiply<d.value, T>(rgba.view<T>(), out.view(), s);
    });
    return call.give(out);
  });
}

py::object cutout_op(const py::object& foreground_array, const py::object& alpha_array,
                     const py::object& device, const py::object& stream) {
  Argument foreground("cutout", "foreground", foreground_array, Layout::kColor);
  Argument alpha("cutout", "alpha", alpha_array, Layout::kPlane);
  alpha.require_size_of(foreground);
  Call call("cutout", device, stream, {&foreground, &alpha});
  return with_depth(foreground.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) {
      using A = decltype(a);
      auto rgba = call.output<T>(foreground.height(), foreground.width(), 4);
      call.run([&](auto d, Stream s) {
        cutout<d.value, T, A>(foreground.view<T>(), alpha.view<A>(), rgba.view(), s);
      });
      return call.give(rgba);
    });
  });
}

py::object limit_alpha_op(const py::object& alpha_array, const py::object& rgba_array,
                          const py::object& device, const py::object& stream) {
  Argument alpha("limit_alpha", "alpha", alpha_array, Layout::kPlane);
  Argument rgba("limit_alpha", "rgba", rgba_array, Layout::kRgba);
  alpha.require_size_of(rgba);
  if (alpha.depth() != Depth::kFloat32) alpha.refuse("must be (H, W) of float32", alpha.describe());
  Call call("limit_alpha", device, stream, {&alpha, &rgba});
  auto out = call.output<float>(alpha.height(), alpha.width());
  with_depth(rgba.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) {
      limit_alpha<d.value, T>(alpha.view<float>(), rgba.view<T>(), out.view(), s);
    });
  });
  return call.give(out);
}

py::object composite_op(const py::object& foreground_array, const py::object& alpha_array,
                        const py::object& background_array, const std::array<float, 3>& color,
                        bool linear, const py::object& device, const py::object& stream) {
  Argument foreground("composite", "foreground", foreground_array, Layout::kColor);
  Argument alpha("composite", "alpha", alpha_array, Layout::kPlane);
  alpha.require_size_of(foreground);
  std::vector<Argument*> arguments{&foreground, &alpha};
  std::optional<Argument> background;
  if (!background_array.is_none()) {
    background.emplace("composite", "background", background_array, Layout::kColor);
    background->require_size_of(foreground);
    background->require_depth_of(foreground);
    arguments.push_back(&*background);
  }
  const CompositeOptions options{{color[0], color[1], color[2]}, linear};
  Call call("composite", device, stream, arguments);
  return with_depth(foreground.depth(), [&](auto t) {
    using T = decltype(t);
    return with_depth(alpha.depth(), [&](auto a) {
      using A = decltype(a);
      auto out = call.output<T>(foreground.height(), foreground.width(), 3);
      const auto back = background ? background->view<T>() : ImageView<const T>{};
      call.run([&](auto d, Stream s) {
        composite<d.value, T, A>(foreground.view<T>(), alpha.view<A>(), back, out.view(), options,
                                 s);
      });
      return call.give(out);
    });
  });
}

}  // namespace

void define_operations(py::module_& m) {
  using py::arg;
  m.def(
      "check",
      [](const py::object& array, const std::string& operation, const std::string& name,
         bool color) {
        const Argument checked(operation, name, array, color ? Layout::kColor : Layout::kPlane);
      },
      "Raises what an operation would raise for this argument.", arg("array"), arg("operation"),
      arg("name"), arg("color"));
  m.def("chroma_key", &chroma_key_op, arg("image"), arg("channel"), arg("tolerance"),
        arg("softness"), arg("clip"), arg("depth"), arg("operation"), arg("device"), arg("stream"));
  m.def("key_cutout", &key_cutout_op, arg("image"), arg("channel"), arg("tolerance"),
        arg("softness"), arg("clip"), arg("despill"), arg("strength"), arg("premultiplied"),
        arg("device"), arg("stream"));
  m.def("soft_key", &soft_key_op, arg("image"), arg("grid"), arg("method"), arg("channel"),
        arg("color"), arg("tolerance"), arg("softness"), arg("linear"), arg("clip"), arg("cell"),
        arg("depth"), arg("operation"), arg("device"), arg("stream"));
  m.def("soft_key_cutout", &soft_key_cutout_op, arg("image"), arg("grid"), arg("method"),
        arg("channel"), arg("color"), arg("tolerance"), arg("softness"), arg("linear"), arg("clip"),
        arg("cell"), arg("despill"), arg("strength"), arg("premultiplied"), arg("device"),
        arg("stream"));
  m.def("decode", &decode_op, "Colours in float, in linear light or as they are encoded.",
        arg("image"), arg("linear"), arg("operation"), arg("name"), arg("device"), arg("stream"));
  m.def("make_trimap", &make_trimap_op, arg("mask"), arg("low"), arg("high"), arg("outside"),
        arg("inside"), arg("square"), arg("network_pixel"), arg("operation"), arg("device"),
        arg("stream"));
  m.def("estimate_alpha", &estimate_alpha_op, arg("image"), arg("trimap"), arg("mask"),
        arg("quality"), arg("want_info"), arg("progress"), arg("device"), arg("stream"));
  m.def("sample_alpha", &sample_alpha_op, arg("image"), arg("trimap"), arg("want_confidence"),
        arg("device"), arg("stream"));
  m.def("guide_alpha", &guide_alpha_op, arg("image"), arg("trimap"), arg("device"), arg("stream"));
  m.def("stabilize_alpha", &stabilize_alpha_op, arg("image"), arg("alpha"), arg("previous_image"),
        arg("previous_alpha"), arg("strength"), arg("device"), arg("stream"));
  m.def("estimate_foreground", &estimate_foreground_op, arg("image"), arg("alpha"), arg("plate"),
        arg("color"), arg("quality"), arg("want_background"), arg("device"), arg("stream"));
  m.def("despill", &despill_op, arg("image"), arg("channel"), arg("method"), arg("strength"),
        arg("restore"), arg("kept"), arg("device"), arg("stream"));
  m.def("subtract_plate", &subtract_plate_op, arg("image"), arg("alpha"), arg("plate"),
        arg("color"), arg("device"), arg("stream"));
  m.def("premultiply", &premultiply_op, arg("rgba"), arg("forward"), arg("device"), arg("stream"));
  m.def("cutout", &cutout_op, arg("foreground"), arg("alpha"), arg("device"), arg("stream"));
  m.def("limit_alpha", &limit_alpha_op, arg("alpha"), arg("rgba"), arg("device"), arg("stream"));
  m.def("composite", &composite_op, arg("foreground"), arg("alpha"), arg("background"),
        arg("color"), arg("linear"), arg("device"), arg("stream"));
}

}  // namespace trimatte::bind

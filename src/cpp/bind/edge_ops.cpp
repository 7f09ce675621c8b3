// What is done to the edges of an alpha: choke, feather, mattes that hold it.
#include <pybind11/stl.h>

#include <optional>
#include <utility>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/operations.hpp"
#include "ops.hpp"
#include "pixel/choke.hpp"
#include "pixel/feather.hpp"
#include "pixel/resize.hpp"
#include "pixel/trimap.hpp"

namespace trimatte::bind {
namespace {

py::object choke_op(const py::object& alpha_array, double radius, const std::string& operation,
                    const py::object& device, const py::object& stream) {
  Argument alpha(operation, "alpha", alpha_array, Layout::kPlane);
  require_range(operation, "radius", radius, -kLargestChoke, kLargestChoke);
  const ChokeOptions options{radius};
  Call call(operation, device, stream, {&alpha});
  return with_depth(alpha.depth(), [&](auto t) {
    using T = decltype(t);
    auto out = call.output<T>(alpha.height(), alpha.width());
    call.run([&](auto d, Stream s) { choke<d.value, T>(alpha.view<T>(), out.view(), options, s); });
    return call.give(out);
  });
}

py::object feather_op(const py::object& alpha_array, double radius, const std::string& operation,
                      const py::object& device, const py::object& stream) {
  Argument alpha(operation, "alpha", alpha_array, Layout::kPlane);
  require_range(operation, "radius", radius, 0.0, kLargestFeather);
  const FeatherOptions options{radius};
  Call call(operation, device, stream, {&alpha});
  return with_depth(alpha.depth(), [&](auto t) {
    using T = decltype(t);
    auto out = call.output<T>(alpha.height(), alpha.width());
    call.run(
        [&](auto d, Stream s) { feather<d.value, T>(alpha.view<T>(), out.view(), options, s); });
    return call.give(out);
  });
}

// Two mattes are of one depth.
py::object hold_mattes_op(const py::object& alpha_array, const py::object& garbage_array,
                          const py::object& core_array, const py::object& device,
                          const py::object& stream) {
  const std::string operation = "hold_mattes";
  Argument alpha(operation, "alpha", alpha_array, Layout::kPlane);
  std::vector<Argument*> arguments{&alpha};
  std::optional<Argument> garbage, core;
  const auto read = [&](std::optional<Argument>& matte, const char* name, const py::object& array) {
    if (array.is_none()) return;
    matte.emplace(operation, name, array, Layout::kPlane);
    matte->require_size_of(alpha);
    arguments.push_back(&*matte);
  };
  read(garbage, "garbage", garbage_array);
  read(core, "core", core_array);
  if (garbage && core) core->require_depth_of(*garbage);
  Call call(operation, device, stream, arguments);
  const Depth depth = garbage ? garbage->depth() : core ? core->depth() : alpha.depth();
  return with_depth(alpha.depth(), [&](auto a) {
    using A = decltype(a);
    return with_depth(depth, [&](auto m) {
      using M = decltype(m);
      auto out = call.output<A>(alpha.height(), alpha.width());
      const auto view = [](const std::optional<Argument>& matte) {
        return matte ? matte->view<M>() : ImageView<const M>{};
      };
      call.run([&](auto d, Stream s) {
        hold_mattes<d.value, A, M>(alpha.view<A>(), view(garbage), view(core), out.view(), s);
      });
      return call.give(out);
    });
  });
}

// (garbage, core)
py::tuple sure_mattes_op(const py::object& mask_array, double low, double high,
                         std::ptrdiff_t reach,
                         const std::pair<std::ptrdiff_t, std::ptrdiff_t>& size,
                         const py::object& device, const py::object& stream) {
  const std::string operation = "sure_mattes";
  Argument mask(operation, "mask", mask_array, Layout::kPlane);
  require_range(operation, "reach", static_cast<double>(reach), 0.0, kLargestResizeSide);
  const auto [height, width] = size;
  if (height < 0 || width < 0 || (height * width > 0 && mask.height() * mask.width() == 0))
    mask.refuse("must not be empty where the mattes are not", mask.describe());
  const SureOptions options{low, high, static_cast<int>(reach)};
  Call call(operation, device, stream, {&mask});
  auto garbage = call.output<std::uint8_t>(height, width);
  auto core = call.output<std::uint8_t>(height, width);
  with_depth(mask.depth(), [&](auto t) {
    using T = decltype(t);
    call.run([&](auto d, Stream s) {
      sure_mattes<d.value, T>(mask.view<T>(), garbage.view(), core.view(), options, s);
    });
  });
  return py::make_tuple(call.give(garbage), call.give(core));
}

}  // namespace

void define_edge_operations(py::module_& m) {
  using py::arg;
  m.def("choke", &choke_op, arg("alpha"), arg("radius"), arg("operation"), arg("device"),
        arg("stream"));
  m.def("feather", &feather_op, arg("alpha"), arg("radius"), arg("operation"), arg("device"),
        arg("stream"));
  m.def("hold_mattes", &hold_mattes_op, arg("alpha"), arg("garbage"), arg("core"), arg("device"),
        arg("stream"));
  m.def("sure_mattes", &sure_mattes_op, arg("mask"), arg("low"), arg("high"), arg("reach"),
        arg("size"), arg("device"), arg("stream"));
}

}  // namespace trimatte::bind

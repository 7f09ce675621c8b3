// Learning a screen: on the CPU, from an image of the host.
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <tuple>

#include "bind/arrays.hpp"
#include "bind/operations.hpp"
#include "cpu/screen.hpp"

namespace trimatte::bind {
namespace {

template <int N>
py::array_t<float> array_of(const CellGrid<N>& grid) {
  return py::array_t<float>({grid.height, grid.width, std::ptrdiff_t{N}}, grid.values.data());
}

template <int N>
CellGrid<N> grid_of(const py::object& object) {
  const py::array_t<float, py::array::c_style | py::array::forcecast> array(object);
  CellGrid<N> grid(array.shape(0), array.shape(1));
  std::copy_n(array.data(), grid.values.size(), grid.values.begin());
  return grid;
}

// (key colour in [0, 1], is linear, noise, share of the image, model, plate)
using Learned =
    std::tuple<std::array<float, 3>, bool, float, double, py::array_t<float>, py::array_t<float>>;

Learned fit_screen_op(const py::object& image_array, const py::object& plate_array,
                      const std::optional<std::array<float, 3>>& key, int channel, int transfer,
                      const py::object& known_plate) {
  const std::string operation = "fit_screen";
  Argument image(operation, "image", image_array, Layout::kColor);
  std::optional<Argument> plate;
  if (!plate_array.is_none()) {
    plate.emplace(operation, "plate", plate_array, Layout::kColor);
    plate->require_size_of(image);
    plate->require_depth_of(image);
  }
  ScreenOptions options;
  ScreenFit fit;
  if (key) fit.key = *key;
  if (!known_plate.is_none()) fit.plate = grid_of<3>(known_plate);
  options.channel = channel;
  options.transfer = static_cast<ScreenOptions::Transfer>(transfer);
  with_depth(image.depth(), [&](auto t) {
    using T = decltype(t);
    const auto clean = plate ? plate->view<T>() : ImageView<const T>{};
    const py::gil_scoped_release release;
    const InterruptScope scope(check_python);
    fit = fit_screen<T>(image.view<T>(), clean, options, fit);
  });
  return {fit.key, fit.linear, fit.noise, fit.share, array_of(fit.model), array_of(fit.plate)};
}

}  // namespace

void define_fit_screen(py::module_& m) {
  using py::arg;
  m.def("fit_screen", &fit_screen_op, arg("image"), arg("plate"), arg("key"), arg("channel"),
        arg("transfer"), arg("known_plate"));
}

}  // namespace trimatte::bind

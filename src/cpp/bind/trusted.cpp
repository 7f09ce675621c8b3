#include "bind/trusted.hpp"

#include <pybind11/pybind11.h>

#include "bind/operations.hpp"

namespace py = pybind11;

namespace trimatte::bind {
namespace {

thread_local int scopes = 0;  // entered by this thread

struct Trusted {};

}  // namespace

bool values_are_trusted() {
  return scopes > 0;
}

void define_trusted(py::module_& m) {
  py::class_<Trusted>(
      m, "trusted",
      "Context manager: operations that this thread calls inside do not scan float samples.\n\n"
      "For arrays that were made, or already checked, by trimatte. Shapes and dtypes are still\n"
      "checked. Scopes nest. Other threads are not affected, so do not await or yield inside.")
      .def(py::init<>())
      .def("__enter__", [](const Trusted&) { ++scopes; })
      .def(
          "__exit__",
          [](const Trusted&, const py::object&, const py::object&, const py::object&) { --scopes; },
          py::arg("kind"), py::arg("error"), py::arg("trace"));
}

}  // namespace trimatte::bind

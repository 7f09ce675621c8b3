#include "bind/trusted.hpp"

#include <pybind11/pybind11.h>

#include <utility>

#include "bind/operations.hpp"

namespace py = pybind11;

namespace trimatte::bind {
namespace {

thread_local bool trusted = false;

// What a scope found, so that scopes nest and their exit restores it.
struct Trusted {
  bool inside;
  bool outside = false;
};

}  // namespace

bool values_are_trusted() {
  return trusted;
}

void define_trusted(py::module_& m) {
  m.def("is_trusted", &values_are_trusted,
        "Whether this thread is within trusted(): arrays come from operations, not from a caller.");
  py::class_<Trusted>(
      m, "trusted",
      "Context manager: operations that this thread calls inside do not scan float samples.\n\n"
      "For arrays that were made, or already checked, by trimatte. Shapes and dtypes are still\n"
      "checked. Scopes nest: trusted(False) scans again, for a caller's function. Other threads\n"
      "are not affected, so do not await or yield inside.")
      .def(py::init([](bool values) { return Trusted{values}; }), py::arg("values") = true)
      .def("__enter__",
           [](Trusted& scope) { scope.outside = std::exchange(trusted, scope.inside); })
      .def(
          "__exit__",
          [](const Trusted& scope, const py::object&, const py::object&, const py::object&) {
            trusted = scope.outside;
          },
          py::arg("kind"), py::arg("error"), py::arg("trace"));
}

}  // namespace trimatte::bind

// The compiled module trimatte._core: errors, facts about the build, operations.
#include <pybind11/pybind11.h>

#include <new>

#include "bind/arrays.hpp"
#include "bind/device_array.hpp"
#include "bind/interrupt.hpp"
#include "bind/kept.hpp"
#include "bind/operations.hpp"
#include "core/cpu_count.hpp"
#include "core/cuda.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/work_memory.hpp"
#include "cpu/target.hpp"

namespace py = pybind11;

namespace {

// An exception type with two bases: our own family and the built-in one that callers expect.
py::object new_exception(py::module_& module, const char* name, py::object base, PyObject* builtin,
                         const char* doc) {
  const std::string qualified = std::string("trimatte.") + name;
  const py::tuple bases = builtin ? py::tuple(py::make_tuple(base, py::handle(builtin)))
                                  : py::tuple(py::make_tuple(base));
  auto type = py::reinterpret_steal<py::object>(
      PyErr_NewExceptionWithDoc(qualified.c_str(), doc, bases.ptr(), nullptr));
  if (!type) throw py::error_already_set();
  module.attr(name) = type;
  return type;
}

PyObject* argument_error = nullptr;
PyObject* device_error = nullptr;
PyObject* engine_error = nullptr;

}  // namespace

// pybind11's entry point has another name, for ours to come first: in a sub-interpreter its very
// first step may wait for ever.
#define PyInit__core init_by_pybind11
PYBIND11_MODULE(_core, m) {
  m.doc() = "Compiled core of trimatte; use the package `trimatte` instead.";

  const py::object error =
      new_exception(m, "Error", py::reinterpret_borrow<py::object>(PyExc_Exception), nullptr,
                    "Base of all errors raised by trimatte.");
  argument_error = new_exception(m, "ArgumentError", error, PyExc_ValueError,
                                 "An argument is not what the operation accepts.")
                       .release()
                       .ptr();
  device_error = new_exception(m, "DeviceError", error, PyExc_RuntimeError,
                               "The device asked for is not there or failed.")
                     .release()
                     .ptr();
  engine_error = new_exception(m, "EngineError", error, PyExc_RuntimeError,
                               "A network could not be loaded, built or run.")
                     .release()
                     .ptr();
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const trimatte::ArgumentError& e) {
      PyErr_SetString(argument_error, e.what());
    } catch (const trimatte::DeviceError& e) {
      PyErr_SetString(device_error, e.what());
    } catch (const trimatte::bind::Cancelled& e) {
      PyErr_SetString(engine_error, e.what());
    } catch (const trimatte::OutOfMemory& e) {
      PyErr_SetString(PyExc_MemoryError, e.what());
    } catch (const std::bad_alloc&) {
      PyErr_SetString(PyExc_MemoryError, "trimatte: not enough memory for the work buffers");
    }
  });

  m.def("set_num_threads", &trimatte::set_thread_count, py::arg("count"));
  m.def("get_num_threads", &trimatte::thread_count);
  m.def("cpu_count", &trimatte::cpu_count, "Cores that this thread may use, within its quota.");
  m.def("cpu_target", &trimatte::cpu_target_name);
  m.def("cuda_status", [] {
    const trimatte::CudaStatus status = trimatte::cuda_status();
    return py::make_tuple(status.available, status.sentence);
  });
  m.attr("__version__") = TRIMATTE_VERSION;
  m.attr("cuda_architectures") = TRIMATTE_CUDA_ARCHITECTURES;
  m.attr("compiler") = TRIMATTE_COMPILER;

  trimatte::bind::define_device_array(m);
  m.def("to_device", &trimatte::bind::to_device, py::arg("array"), py::arg("device"),
        py::arg("stream"));
  m.def("place", &trimatte::bind::place, py::arg("array"), py::arg("device"), py::arg("operation"),
        py::arg("stream") = py::none());
  m.def(
      "collect",
      [](bool wait) { wait ? trimatte::bind::wait_for_kept() : trimatte::bind::release_kept(); },
      py::arg("wait"));
  m.def("free_memory", [] {
    trimatte::free_work_memory();
    trimatte::cuda::trim_pools();
  });
  trimatte::bind::define_allocator(m);
  trimatte::bind::define_cancellation(m);
  trimatte::bind::define_operations(m);
  trimatte::bind::define_edge_operations(m);
  trimatte::bind::define_resize_operations(m);
  trimatte::bind::define_fit_screen(m);
  trimatte::bind::define_screen_operations(m);
  trimatte::bind::define_trusted(m);
  trimatte::bind::define_work_stream(m);
}
#undef PyInit__core

extern "C" PYBIND11_EXPORT PyObject* PyInit__core();
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return init_by_pybind11();
  PyErr_SetString(PyExc_ImportError,
                  "trimatte works in the main interpreter only, not in a sub-interpreter; for "
                  "several at a time use threads, or processes started with 'spawn'");
  return nullptr;
}

#include "bind/interrupt.hpp"

#include <pybind11/pybind11.h>

#include <atomic>
#include <memory>

#include "bind/operations.hpp"

namespace py = pybind11;

namespace trimatte::bind {
namespace {

using Flag = std::atomic<bool>;

thread_local std::shared_ptr<const Flag> watched;

class Cancellation {
 public:
  void cancel() { flag_->store(true, std::memory_order_relaxed); }
  void watch() const { watched = flag_; }

 private:
  std::shared_ptr<Flag> flag_ = std::make_shared<Flag>(false);
};

}  // namespace

void check_python() {
  if (watched) {
    if (watched->load(std::memory_order_relaxed)) throw Cancelled();
    return;
  }
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

void define_cancellation(py::module_& m) {
  py::class_<Cancellation>(m, "Cancellation",
                           "Calls off operations of other threads: those that watch it.")
      .def(py::init<>())
      .def("cancel", &Cancellation::cancel,
           "From now on operations on the CPU end early, with an EngineError, on the threads that "
           "watch.")
      .def("watch", &Cancellation::watch, "Let operations that this thread calls heed it.");
}

}  // namespace trimatte::bind

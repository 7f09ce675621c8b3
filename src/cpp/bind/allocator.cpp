// trimatte.set_allocator: GPU memory from functions of the caller.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "bind/operations.hpp"
#include "core/cuda.hpp"
#include "core/error.hpp"

namespace py = pybind11;

namespace trimatte::bind {
namespace {

constexpr std::uintptr_t kAlignment = 256;  // cudaMalloc's

class PythonAllocator final : public cuda::Allocator {
 public:
  PythonAllocator(py::function allocate, py::function release)
      : allocate_(std::move(allocate)), release_(std::move(release)) {}

  // Memory may come back when the interpreter is gone. Then its functions are too.
  ~PythonAllocator() override {
    if (!Py_IsInitialized()) {
      allocate_.release();
      release_.release();
      return;
    }
    const py::gil_scoped_acquire gil;
    allocate_ = {};
    release_ = {};
  }

  void* allocate(std::size_t bytes, int device, Stream stream) override {
    const py::gil_scoped_acquire gil;
    const py::object made = allocate_(bytes, device, handle_of(stream));
    const auto pointer = address_of(made);
    auto* const memory = reinterpret_cast<void*>(pointer);
    if (pointer != 0 && pointer % kAlignment == 0) return memory;
    const std::string message = "set_allocator: allocate must return the address of " +
                                std::to_string(bytes) + " bytes, a multiple of " +
                                std::to_string(kAlignment) + ", got " + std::string(py::repr(made));
    if (pointer != 0) release(memory, bytes, device, stream);
    throw DeviceError(message);
  }

  void release(void* memory, std::size_t bytes, int device, Stream stream) noexcept override {
    if (!Py_IsInitialized()) return;
    const py::gil_scoped_acquire gil;
    const py::error_scope kept;  // it may be released while an error is on its way
    try {
      release_(reinterpret_cast<std::uintptr_t>(memory), bytes, device, handle_of(stream));
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable(release_);
    }
  }

 private:
  static std::uintptr_t handle_of(Stream stream) {
    return reinterpret_cast<std::uintptr_t>(stream.handle);
  }
  // 0 where it is none.
  static std::uintptr_t address_of(const py::object& made) {
    if (py::isinstance<py::bool_>(made)) return 0;
    const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(made.ptr()));
    const std::size_t value = index ? PyLong_AsSize_t(index.ptr()) : 0;
    if (!PyErr_Occurred()) return value;
    PyErr_Clear();
    return 0;
  }

  py::function allocate_, release_;
};

}  // namespace

void define_allocator(py::module_& m) {
  m.def(
      "set_allocator",
      [](const py::object& allocate, const py::object& release) {
        cuda::set_allocator(
            allocate.is_none()
                ? nullptr
                : std::make_shared<PythonAllocator>(py::function(allocate), py::function(release)));
      },
      py::arg("allocate"), py::arg("release"));
}

}  // namespace trimatte::bind

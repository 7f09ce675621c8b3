// What sessions of networks put on a stream beside the work of their runtime: memory, copies,
// waits, and recordings of all that.
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/device_array.hpp"
#include "bind/kept.hpp"
#include "bind/operations.hpp"
#include "core/cuda.hpp"
#include "core/error.hpp"

namespace trimatte::bind {
namespace {

// A GPU and a stream of it.
class WorkStream {
 public:
  explicit WorkStream(int device) : device_(device) {
    cuda::enter();
    const cuda::DeviceScope scope(device);
    auto own = std::make_unique<cuda::OwnStream>();
    stream_.stream = own->stream();
    stream_.owner = py::capsule(own.release(),
                                [](void* stream) { delete static_cast<cuda::OwnStream*>(stream); });
  }

  // The stream, or else the array's own; what it is given from now on finds the array's contents.
  WorkStream(const DeviceArray& array, const py::object& stream, const std::string& operation)
      : device_(array.device()),
        stream_(stream.is_none() ? array.stream() : parse_stream(stream, operation)) {
    cuda::enter();
    release_kept();
    const cuda::DeviceScope scope(device_);
    array.make_ready_for(stream_.stream);
  }

  int device() const { return device_; }
  std::uintptr_t handle() const { return reinterpret_cast<std::uintptr_t>(stream_.stream.handle); }

  void enter() { scopes_.push_back(std::make_unique<cuda::DeviceScope>(device_)); }
  void exit(const py::object&, const py::object&, const py::object&) { scopes_.pop_back(); }

  DeviceArray empty(std::vector<std::ptrdiff_t> shape, const py::object& dtype) const {
    const auto depth = depth_of(py::dtype::from_args(dtype));
    if (!depth)
      throw ArgumentError("empty: dtype must be bool, uint8, uint16, float16 or float32, got " +
                          py::str(dtype).cast<std::string>());
    const cuda::DeviceScope scope(device_);
    return {std::move(shape), *depth, device_, stream_};
  }

  void copy(const DeviceArray& to, const DeviceArray& from) const {
    if (to.shape() != from.shape() || to.depth() != from.depth() || to.device() != from.device() ||
        !to.is_packed())
      throw ArgumentError("copy: the arrays must be alike, got " + from.describe() + " for " +
                          to.describe());
    const cuda::DeviceScope scope(device_);
    from.copy_to(to.data(), stream_.stream);
  }

  // Arrays one after another along their first side, in new memory.
  DeviceArray joined(const std::vector<DeviceArray>& arrays) const {
    if (arrays.empty()) throw ArgumentError("joined: arrays must be at least one, got none");
    std::vector<std::ptrdiff_t> shape = arrays[0].shape();
    for (const DeviceArray& array : arrays) {
      std::vector<std::ptrdiff_t> alike = array.shape();
      if (&array != &arrays[0] && !alike.empty()) shape[0] += alike[0];
      if (!alike.empty()) alike[0] = arrays[0].shape()[0];
      if (alike.empty() || alike != arrays[0].shape() || array.depth() != arrays[0].depth() ||
          array.device() != device_)
        throw ArgumentError("joined: the arrays must be alike, got " + array.describe() +
                            " beside " + arrays[0].describe());
    }
    const cuda::DeviceScope scope(device_);
    DeviceArray out(shape, arrays[0].depth(), device_, stream_);
    std::vector<py::object> read;
    std::ptrdiff_t first = 0;
    for (const DeviceArray& array : arrays) {
      const std::ptrdiff_t last = first + array.shape()[0];
      array.make_ready_for(stream_.stream);
      array.copy_to(out.part(first, last).data(), stream_.stream);
      read.push_back(py::cast(array));
      first = last;
    }
    bind::keep(std::move(read), stream_.stream);  // streams of their own may free them
    return out;
  }

  void wait(const cuda::Event& event) const {
    const cuda::DeviceScope scope(device_);
    event.wait(stream_.stream);
  }

  std::shared_ptr<cuda::Event> keep(std::vector<py::object> objects) const {
    const cuda::DeviceScope scope(device_);
    return bind::keep(std::move(objects), stream_.stream);
  }

  cuda::Graph record(const std::function<void()>& work) const {
    const cuda::DeviceScope scope(device_);
    return cuda::Graph::record(stream_.stream, work);
  }

  void launch(const cuda::Graph& graph) const {
    const cuda::DeviceScope scope(device_);
    graph.launch(stream_.stream);
  }

 private:
  int device_;
  StreamArgument stream_;
  std::vector<std::unique_ptr<cuda::DeviceScope>> scopes_;
};

}  // namespace

void define_work_stream(py::module_& m) {
  using py::arg;
  py::class_<cuda::Event, std::shared_ptr<cuda::Event>>(m, "Event", "A point in a stream's work.")
      .def_property_readonly("done", &cuda::Event::done, "Whether it is reached.");
  py::class_<cuda::Graph>(m, "Graph", "Work that was recorded, see `WorkStream.record`.");
  py::class_<WorkStream>(
      m, "WorkStream",
      "A stream of a GPU for a session's work; nothing here waits for the GPU.\n\n"
      "As a context manager it makes its GPU the current one of the thread.")
      .def(py::init<int>(), "A stream of its own.", arg("device"))
      .def(py::init<const DeviceArray&, const py::object&, const std::string&>(),
           "The stream, or else the array's own, made to wait for the array's contents.",
           arg("array"), arg("stream"), arg("operation"))
      .def_property_readonly("device", &WorkStream::device, "Index of the GPU.")
      .def_property_readonly("handle", &WorkStream::handle, "Handle; 0 is the legacy default.")
      .def("__enter__", &WorkStream::enter)
      .def("__exit__", &WorkStream::exit, arg("kind"), arg("error"), arg("trace"))
      .def("empty", &WorkStream::empty, "New memory, not initialised.", arg("shape"), arg("dtype"))
      .def("copy", &WorkStream::copy, "Copies between two arrays of one shape and dtype.",
           arg("to"), arg("source"))
      .def("joined", &WorkStream::joined,
           "New memory with arrays one after another along their first side, of whatever streams.",
           arg("arrays"))
      .def("wait", &WorkStream::wait, "Later work here waits for the event.", arg("event"))
      .def("keep", &WorkStream::keep,
           "Keeps objects alive until the work so far is done, which is the event.", arg("objects"))
      .def("record", &WorkStream::record,
           "What `work` puts on this stream, which must be one of its own, instead of running it.",
           arg("work"))
      .def("launch", &WorkStream::launch, "Puts recorded work on the stream.", arg("graph"));
  m.def("gpu_named", &gpu_named, "Index of the GPU that `device` names.", arg("device"),
        arg("operation"));
  m.def(
      "gpu_facts",
      [](int device) {
        cuda::enter();
        const cuda::DeviceFacts facts = cuda::facts_of(device);
        return py::make_tuple(facts.name, facts.major, facts.minor, facts.driver);
      },
      "Name, compute capability (two numbers) and the driver's CUDA version.", arg("device"));
}

}  // namespace trimatte::bind

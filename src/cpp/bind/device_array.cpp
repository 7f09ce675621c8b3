#include "bind/device_array.hpp"

#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <utility>

#include "bind/kept.hpp"
#include "core/cuda.hpp"
#include "core/error.hpp"
#include "third_party/dlpack/dlpack.h"

namespace trimatte::bind {
namespace {

// The legacy default stream is 0 to CUDA, and 1 where 0 would be taken for "none".
std::uintptr_t number_of(Stream stream) {
  const auto handle = reinterpret_cast<std::uintptr_t>(stream.handle);
  return handle == 0 ? 1 : handle;
}
Stream stream_of(std::uintptr_t number) {
  return {reinterpret_cast<void*>(number == 1 ? 0 : number)};
}

// The value of a Python int that fits; bool is none.
std::optional<long long> whole_number(const py::object& value) {
  if (!py::isinstance<py::int_>(value) || py::isinstance<py::bool_>(value)) return std::nullopt;
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  return overflow == 0 ? std::optional(number) : std::nullopt;
}

// Work given to `then` from now on waits for what `first` has been given.
void order(Stream first, Stream then) {
  if (first == then) return;
  cuda::Event::record(first).wait(then);
}

std::vector<std::ptrdiff_t> packed_strides(const std::vector<std::ptrdiff_t>& shape,
                                           std::ptrdiff_t item) {
  std::vector<std::ptrdiff_t> strides(shape.size());
  for (std::size_t i = shape.size(); i-- > 0; item *= shape[i]) strides[i] = item;
  return strides;
}

py::tuple tuple_of(const std::vector<std::ptrdiff_t>& values) {
  py::tuple tuple(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) tuple[i] = values[i];
  return tuple;
}

class PooledMemory : public Memory {
 public:
  PooledMemory(std::size_t bytes, int device, const StreamArgument& stream)
      : device_(device), stream_(stream), data_(allocate(bytes, stream.stream)) {}
  ~PooledMemory() override {
    cuda::release(data_, device_, stream_.stream);
    release_kept();
  }
  void* data() const { return data_; }

 private:
  // Where memory is scarce this waits for work, whose host callbacks may want the GIL.
  static void* allocate(std::size_t bytes, Stream stream) {
    const py::gil_scoped_release release;
    return cuda::allocate(bytes, stream);
  }

  int device_;
  StreamArgument stream_;  // has to live as long as the memory
  void* data_;
};

class ObjectMemory : public Memory {
 public:
  explicit ObjectMemory(py::object owner) : owner_(std::move(owner)) {}

 private:
  py::object owner_;
};

template <class Managed>
class CapsuleMemory : public Memory {
 public:
  explicit CapsuleMemory(Managed* managed) : managed_(managed) {}
  ~CapsuleMemory() override {
    if (managed_->deleter) managed_->deleter(managed_);
  }

 private:
  Managed* managed_;
};

std::optional<Depth> depth_named(const DLDataType& type) {
  if (type.lanes != 1) return std::nullopt;
  if (type.code == kDLBool && type.bits == 8) return Depth::kBool;
  if (type.code == kDLUInt && type.bits == 8) return Depth::kUint8;
  if (type.code == kDLUInt && type.bits == 16) return Depth::kUint16;
  if (type.code == kDLFloat && type.bits == 16) return Depth::kFloat16;
  if (type.code == kDLFloat && type.bits == 32) return Depth::kFloat32;
  return std::nullopt;
}

DLDataType type_of(Depth depth) {
  const auto bits = static_cast<std::uint8_t>(8 * size_of(depth));
  switch (depth) {
    case Depth::kBool: return {kDLBool, bits, 1};
    case Depth::kFloat16:
    case Depth::kFloat32: return {kDLFloat, bits, 1};
    default: return {kDLUInt, bits, 1};
  }
}

std::string words_for(const DLDataType& type) {
  const char* kind = type.code == kDLInt     ? "int"
                     : type.code == kDLUInt  ? "uint"
                     : type.code == kDLFloat ? "float"
                                             : "type ";
  return kind + std::to_string(type.bits);
}

// A tensor on its way out: what its pointers point to.
template <class Managed>
struct Exported {
  Managed managed{};
  DeviceArray array;
  std::vector<std::int64_t> shape, strides;
};

template <class Managed>
py::object export_capsule(const DeviceArray& array, const char* name, bool read_only) {
  auto out = std::make_unique<Exported<Managed>>(Exported<Managed>{{}, array, {}, {}});
  for (std::size_t i = 0; i < array.shape().size(); ++i) {
    out->shape.push_back(array.shape()[i]);
    out->strides.push_back(array.strides()[i] / size_of(array.depth()));
  }
  DLTensor& tensor = out->managed.dl_tensor;
  tensor.data = array.data();
  tensor.device = {kDLCUDA, array.device()};
  tensor.ndim = static_cast<std::int32_t>(out->shape.size());
  tensor.dtype = type_of(array.depth());
  tensor.shape = out->shape.data();
  tensor.strides = out->strides.data();
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    out->managed.version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
    out->managed.flags = read_only ? DLPACK_FLAG_BITMASK_READ_ONLY : 0;
  }
  out->managed.manager_ctx = out.get();
  out->managed.deleter = [](Managed* managed) {  // from any thread, with or without the GIL
    if (!Py_IsInitialized()) return;             // the process is about to end
    const py::gil_scoped_acquire gil;
    delete static_cast<Exported<Managed>*>(managed->manager_ctx);
  };
  const auto destroy = [](PyObject* capsule) {  // unless somebody has taken it
    const char* now = PyCapsule_GetName(capsule);
    if (std::string(now).rfind("used_", 0) == 0) return;
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, now));
    managed->deleter(managed);
  };
  PyObject* capsule = PyCapsule_New(&out->managed, name, destroy);
  if (!capsule) throw py::error_already_set();
  out.release();
  return py::reinterpret_steal<py::object>(capsule);
}

}  // namespace

StreamArgument parse_stream(const py::object& value, const std::string& operation) {
  const auto handle_in = [&](const py::object& number) -> std::optional<std::uintptr_t> {
    if (number.is_none()) return 0;
    const py::object plain = py::hasattr(number, "value") ? number.attr("value") : number;
    if (plain.is_none()) return 0;  // a null ctypes pointer
    const auto handle = whole_number(plain);
    if (!handle || *handle < 0) return std::nullopt;
    return static_cast<std::uintptr_t>(*handle);
  };
  std::optional<std::uintptr_t> handle;
  if (py::hasattr(value, "__cuda_stream__")) {
    const py::object protocol = value.attr("__cuda_stream__");
    const py::object pair = PyCallable_Check(protocol.ptr()) ? protocol() : protocol;
    // (version, handle); all that versions may add comes after these.
    if (py::isinstance<py::tuple>(pair) && py::len(pair) >= 2)
      handle = handle_in(pair[py::int_(1)]);
  } else {
    for (const char* name : {"cuda_stream", "ptr", "handle"})
      if (!handle && py::hasattr(value, name)) handle = handle_in(value.attr(name));
    if (!handle) handle = handle_in(value);
  }
  if (!handle)
    throw ArgumentError(operation +
                        ": stream must be a CUDA stream (an object with __cuda_stream__, "
                        ".cuda_stream, .ptr or .handle, or its handle as a number), got " +
                        py::repr(value).cast<std::string>().substr(0, 80));
  return {stream_of(*handle), value};
}

DeviceArray::DeviceArray(std::vector<std::ptrdiff_t> shape, Depth depth, int device,
                         StreamArgument stream)
    : shape_(std::move(shape)),
      strides_(packed_strides(shape_, size_of(depth))),
      depth_(depth),
      device_(device),
      stream_(std::move(stream)) {
  const auto memory = std::make_shared<PooledMemory>(
      static_cast<std::size_t>(size() * size_of(depth)), device, stream_);
  data_ = memory->data();
  memory_ = memory;
}

std::ptrdiff_t DeviceArray::size() const {
  std::ptrdiff_t count = 1;
  for (const std::ptrdiff_t side : shape_) count *= side;
  return count;
}

std::string DeviceArray::describe() const {
  return py::str(tuple_of(shape_)).cast<std::string>() + " " +
         py::str(dtype_of(depth_)).cast<std::string>() + " on cuda:" + std::to_string(device_);
}

DeviceArray DeviceArray::borrow(const py::object& other, const py::object& stream,
                                const std::string& operation, const std::string& name) {
  const std::string wanted = operation + ": " + name + " ";
  cuda::enter();
  const StreamArgument ours = stream.is_none() ? StreamArgument{} : parse_stream(stream, operation);
  return py::hasattr(other, "__dlpack_device__") ? from_dlpack(other, ours, wanted)
                                                 : from_interface(other, ours, wanted);
}

DeviceArray DeviceArray::from_dlpack(const py::object& other, const StreamArgument& stream,
                                     const std::string& wanted) {
  using namespace py::literals;
  const py::object number = py::int_(number_of(stream.stream));
  // The default streams are each GPU's own, and lenders look at the current one.
  const cuda::DeviceScope scope(other.attr("__dlpack_device__")()[py::int_(1)].cast<int>());
  py::object capsule;
  try {
    capsule = other.attr("__dlpack__")(
        "stream"_a = number,
        "max_version"_a = py::make_tuple(DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION));
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
    capsule = other.attr("__dlpack__")("stream"_a = number);  // older than version 1
  }
  DeviceArray array;
  const auto take = [&](const DLTensor& tensor) {
    const auto depth = depth_named(tensor.dtype);
    if (!depth)
      throw ArgumentError(wanted + "must be bool, uint8, uint16, float16 or float32, got " +
                          words_for(tensor.dtype));
    array.depth_ = *depth;
    array.device_ = tensor.device.device_id;
    array.data_ = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
    array.shape_.assign(tensor.shape, tensor.shape + tensor.ndim);
    array.strides_ = packed_strides(array.shape_, size_of(*depth));
    for (std::int32_t i = 0; tensor.strides && i < tensor.ndim; ++i)
      array.strides_[static_cast<std::size_t>(i)] = tensor.strides[i] * size_of(*depth);
  };
  // From the moment that the capsule is renamed its tensor is ours to delete.
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) {
    auto* managed = static_cast<DLManagedTensorVersioned*>(
        PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    if (managed->version.major != DLPACK_MAJOR_VERSION)
      throw ArgumentError(wanted + "comes as DLPack " + std::to_string(managed->version.major) +
                          ", and version 1 is understood");
    PyCapsule_SetName(capsule.ptr(), "used_dltensor_versioned");
    array.memory_ = std::make_shared<CapsuleMemory<DLManagedTensorVersioned>>(managed);
    array.read_only_ = (managed->flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0;
    take(managed->dl_tensor);
  } else if (PyCapsule_IsValid(capsule.ptr(), "dltensor")) {
    auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
    PyCapsule_SetName(capsule.ptr(), "used_dltensor");
    array.memory_ = std::make_shared<CapsuleMemory<DLManagedTensor>>(managed);
    take(managed->dl_tensor);
  } else {
    throw ArgumentError(wanted + "must give a DLPack capsule that nobody has taken yet");
  }
  array.stream_ = stream;
  array.borrowed_ = true;
  return array;
}

DeviceArray DeviceArray::from_interface(const py::object& other, const StreamArgument& stream,
                                        const std::string& wanted) {
  const py::dict interface = other.attr("__cuda_array_interface__");
  const auto has = [&](const char* key) {
    return interface.contains(key) && !interface[key].is_none();
  };
  if (has("mask")) throw ArgumentError(wanted + "must not have a mask of missing values");
  DeviceArray array;
  const py::object typestr = interface["typestr"];
  const auto depth = depth_of(py::dtype(typestr.cast<std::string>()));
  if (!depth)
    throw ArgumentError(wanted + "must be bool, uint8, uint16, float16 or float32, got " +
                        py::str(typestr).cast<std::string>());
  array.depth_ = *depth;
  array.shape_ = interface["shape"].cast<std::vector<std::ptrdiff_t>>();
  array.strides_ = has("strides") ? interface["strides"].cast<std::vector<std::ptrdiff_t>>()
                                  : packed_strides(array.shape_, size_of(*depth));
  const py::tuple data = interface["data"];
  array.data_ = reinterpret_cast<void*>(data[0].cast<std::uintptr_t>());
  array.read_only_ = data[1].cast<bool>();
  array.device_ = array.size() == 0 ? cuda::current_device() : cuda::device_of(array.data_);
  if (array.device_ < 0)
    throw ArgumentError(wanted + "must lie in the memory of a GPU that this process can use");
  array.memory_ = std::make_shared<ObjectMemory>(other);
  array.stream_ = stream;
  array.borrowed_ = true;
  if (has("stream")) {
    const cuda::DeviceScope scope(array.device_);
    order(stream_of(interface["stream"].cast<std::uintptr_t>()), stream.stream);
  }
  return array;
}

DeviceArray DeviceArray::upload(const py::array& array, int device, const StreamArgument& stream) {
  const py::array packed = py::array::ensure(array, py::array::c_style);
  if (!packed) throw py::error_already_set();
  const auto depth = depth_of(packed.dtype());
  if (!depth)
    throw ArgumentError("to_device: array must be bool, uint8, uint16, float16 or float32, got " +
                        py::str(packed.dtype()).cast<std::string>());
  DeviceArray out({packed.shape(), packed.shape() + packed.ndim()}, *depth, device, stream);
  const void* from = packed.data();
  const auto bytes = static_cast<std::size_t>(packed.nbytes());
  const py::gil_scoped_release release;
  cuda::upload(out.data(), from, bytes, stream.stream);
  return out;
}

DeviceArray DeviceArray::packed(const StreamArgument& stream) const {
  DeviceArray out(shape_, depth_, device_, stream);
  copy_to(out.data_, stream.stream);
  return out;
}

void DeviceArray::copy_to(void* memory, Stream stream) const {
  if (is_packed()) {
    cuda::copy(memory, data_, static_cast<std::size_t>(size() * size_of(depth_)), stream);
  } else {
    cuda::pack(memory, data_, shape_, strides_, size_of(depth_), stream);
  }
}

bool DeviceArray::is_packed() const {
  return strides_ == packed_strides(shape_, size_of(depth_));
}

DeviceArray DeviceArray::view_as(const py::object& dtype) const {
  const auto wanted = depth_of(py::dtype::from_args(dtype));
  if (!wanted || size_of(*wanted) != size_of(depth_))
    throw ArgumentError("view: dtype must be of the size of " +
                        py::str(dtype_of(depth_)).cast<std::string>() + ", got " +
                        py::str(dtype).cast<std::string>());
  DeviceArray out = *this;
  out.depth_ = *wanted;
  return out;
}

DeviceArray DeviceArray::reshaped(const std::vector<std::ptrdiff_t>& shape) const {
  std::ptrdiff_t items = 1;
  bool fits = true;
  for (const std::ptrdiff_t side : shape)
    fits = fits && side >= 0 && !__builtin_mul_overflow(items, side, &items);
  if (!fits || items != size())
    throw ArgumentError("reshape: shape must have as many items as " + describe() + ", got " +
                        py::str(tuple_of(shape)).cast<std::string>());
  if (!is_packed()) {
    cuda::enter();
    const cuda::DeviceScope scope(device_);
    return packed(stream_).reshaped(shape);
  }
  DeviceArray out = *this;
  out.shape_ = shape;
  out.strides_ = packed_strides(shape, size_of(depth_));
  return out;
}

DeviceArray DeviceArray::part(std::ptrdiff_t first, std::ptrdiff_t last) const {
  if (shape_.empty() || first < 0 || last < first || last > shape_[0])
    throw ArgumentError("part: first and last must be in the first side of " + describe() +
                        ", got " + std::to_string(first) + " and " + std::to_string(last));
  DeviceArray out = *this;
  out.data_ = static_cast<std::byte*>(data_) + first * strides_[0];
  out.shape_[0] = last - first;
  return out;
}

DeviceArray DeviceArray::window(const py::slice& rows, const py::slice& columns) const {
  if (shape_.size() < 2)
    throw ArgumentError("window: array must have two sides, got " + describe());
  DeviceArray out = *this;
  std::ptrdiff_t offset = 0;
  for (const auto& [side, slice] : {std::pair(0, rows), std::pair(1, columns)}) {
    const auto i = static_cast<std::size_t>(side);
    std::ptrdiff_t first = 0, last = 0, step = 0;
    if (!slice.compute(shape_[i], &first, &last, &step, &out.shape_[i]))
      throw py::error_already_set();
    offset += first * strides_[i];
    out.strides_[i] = step * strides_[i];
  }
  if (out.size() > 0) out.data_ = static_cast<std::byte*>(data_) + offset;
  return out;
}

void DeviceArray::make_ready_for(Stream stream) const {
  order(stream_.stream, stream);
}

py::array DeviceArray::to_host() const {
  py::array out(dtype_of(depth_), shape_);
  cuda::enter();
  const cuda::DeviceScope scope(device_);
  const DeviceArray from = is_packed() ? *this : packed(stream_);
  void* to = out.mutable_data();
  const auto bytes = static_cast<std::size_t>(out.nbytes());
  {
    const py::gil_scoped_release release;
    cuda::download(to, from.data_, bytes, stream_.stream);
  }
  release_kept();
  return out;
}

void DeviceArray::wait() const {
  cuda::enter();
  const cuda::DeviceScope scope(device_);
  {
    const py::gil_scoped_release release;
    cuda::synchronize(stream_.stream);
  }
  release_kept();
}

py::dict DeviceArray::cuda_array_interface() const {
  py::dict interface;
  interface["shape"] = tuple_of(shape_);
  interface["typestr"] = dtype_of(depth_).attr("str");
  const auto address = size() == 0 ? 0 : reinterpret_cast<std::uintptr_t>(data_);
  interface["data"] = py::make_tuple(address, read_only_);
  interface["version"] = 3;
  interface["strides"] = is_packed() ? py::object(py::none()) : py::object(tuple_of(strides_));
  interface["stream"] = number_of(stream_.stream);
  return interface;
}

py::object DeviceArray::dlpack(const py::object& stream, const py::object& max_version,
                               const py::object& device, const py::object& copy) const {
  if (!device.is_none() && !device.equal(py::make_tuple(int{kDLCUDA}, device_)))
    throw py::buffer_error("__dlpack__: the array stays on cuda:" + std::to_string(device_) +
                           "; to_host() copies it to the host");
  if (!copy.is_none() && copy.cast<bool>())
    throw py::buffer_error("__dlpack__: the array is shared, never copied");
  const bool versioned =
      !max_version.is_none() && max_version.cast<py::tuple>()[0].cast<int>() >= 1;
  if (read_only_ && !versioned)
    throw py::buffer_error("__dlpack__: the array is read-only, which only DLPack 1 can say");
  const auto number = stream.is_none() ? 1 : whole_number(stream);
  if (!number || *number == 0 || *number < -1)
    throw ArgumentError("__dlpack__: stream must be None, -1, 1, 2 or a handle, got " +
                        py::repr(stream).cast<std::string>().substr(0, 80));
  if (*number != -1) {
    cuda::enter();
    const cuda::DeviceScope scope(device_);
    order(stream_.stream, stream_of(static_cast<std::uintptr_t>(*number)));
  }
  return versioned
             ? export_capsule<DLManagedTensorVersioned>(*this, "dltensor_versioned", read_only_)
             : export_capsule<DLManagedTensor>(*this, "dltensor", read_only_);
}

void define_device_array(py::module_& m) {
  using py::arg;
  py::class_<DeviceArray>(
      m, "DeviceArray",
      "An array in GPU memory: what operations return for arrays on a GPU.\n\n"
      "CuPy, PyTorch, JAX, Numba and PyCUDA take it without a copy: it has ``__dlpack__`` and\n"
      "``__cuda_array_interface__``. Its contents are in the order of ``stream``; both protocols\n"
      "tell the taker, so that work on another stream waits. As long as work on another stream\n"
      "uses it, keep a reference to it.")
      .def_property_readonly(
          "shape", [](const DeviceArray& a) { return tuple_of(a.shape()); }, "Sides, as a tuple.")
      .def_property_readonly(
          "strides", [](const DeviceArray& a) { return tuple_of(a.strides()); },
          "Bytes from one item to the next along each side.")
      .def_property_readonly(
          "dtype", [](const DeviceArray& a) { return dtype_of(a.depth()); }, "NumPy dtype.")
      .def_property_readonly(
          "ndim", [](const DeviceArray& a) { return a.shape().size(); }, "Number of sides.")
      .def_property_readonly("size", &DeviceArray::size, "Number of items.")
      .def_property_readonly(
          "nbytes", [](const DeviceArray& a) { return a.size() * size_of(a.depth()); },
          "Bytes of all items.")
      .def_property_readonly(
          "device", [](const DeviceArray& a) { return "cuda:" + std::to_string(a.device()); },
          "Where it lies: \"cuda:0\".")
      .def_property_readonly(
          "stream",
          [](const DeviceArray& a) {
            return reinterpret_cast<std::uintptr_t>(a.stream().stream.handle);
          },
          "Handle of the stream that its contents are in the order of; 0 is the legacy default.")
      .def("view", &DeviceArray::view_as, arg("dtype"),
           "The same memory as items of another dtype of the same size.")
      .def("reshape", &DeviceArray::reshaped, arg("shape"),
           "The same items with other sides; the same memory where they lie side by side.")
      .def("part", &DeviceArray::part, arg("first"), arg("last"),
           "The same memory from `first` to before `last` along the first side.")
      .def("to_host", &DeviceArray::to_host, "A copy as a NumPy array; waits for the work.")
      .def("__len__",
           [](const DeviceArray& a) {
             if (a.shape().empty())
               throw py::type_error("a DeviceArray without sides has no len()");
             return a.shape()[0];
           })
      .def("__repr__",
           [](const DeviceArray& a) { return "<trimatte.DeviceArray " + a.describe() + ">"; })
      .def(
          "__array__",
          [](const DeviceArray&, const py::object&, const py::object&) -> py::array {
            throw py::type_error(
                "a DeviceArray is not copied to the host unasked; use its to_host()");
          },
          arg("dtype") = py::none(), arg("copy") = py::none(), "Refuses: use `to_host`.")
      .def_property_readonly("__cuda_array_interface__", &DeviceArray::cuda_array_interface,
                             "CUDA Array Interface, version 3.")
      .def(
          "__dlpack_device__",
          [](const DeviceArray& a) { return py::make_tuple(int{kDLCUDA}, a.device()); },
          "(2, index of the GPU).")
      .def("__dlpack__", &DeviceArray::dlpack, py::kw_only(), arg("stream") = py::none(),
           arg("max_version") = py::none(), arg("dl_device") = py::none(), arg("copy") = py::none(),
           "A DLPack capsule, ready for work on `stream`.");
  // Not methods of the public class.
  m.def("window", &DeviceArray::window, "The same memory at some rows and columns.", arg("array"),
        arg("rows"), arg("columns"));
  m.def("wait_for", &DeviceArray::wait, "Waits until an array's contents are there.", arg("array"));
  m.def("borrow", &DeviceArray::borrow,
        "Another library's GPU array as a DeviceArray, ready for work on the stream.", arg("array"),
        arg("stream"), arg("operation"), arg("name"));
}

}  // namespace trimatte::bind

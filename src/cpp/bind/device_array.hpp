// Arrays in GPU memory: borrowed from another library or our own, and exported to any of them by
// DLPack and by __cuda_array_interface__, never copied.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bind/depth.hpp"
#include "core/device.hpp"

namespace trimatte::bind {

// A stream, and the object that keeps it alive (None for a plain number).
struct StreamArgument {
  Stream stream;
  py::object owner = py::none();
};

// From an int, or an object with __cuda_stream__, .cuda_stream, .ptr or .handle.
StreamArgument parse_stream(const py::object& value, const std::string& operation);

// What an array's memory belongs to: our pool, or the object that it was borrowed from. Destroyed
// with the GIL held.
class Memory {
 public:
  virtual ~Memory() = default;
};

class DeviceArray {
 public:
  // New memory, not initialised, in the order of the stream; the device is current.
  DeviceArray(std::vector<std::ptrdiff_t> shape, Depth depth, int device, StreamArgument stream);

  // Another library's array. Its contents are ready for work on `stream` from now on.
  static DeviceArray borrow(const py::object& other, const py::object& stream,
                            const std::string& operation, const std::string& name);
  // A copy of a packed host array.
  static DeviceArray upload(const py::array& array, int device, const StreamArgument& stream);

  py::array to_host() const;                           // a copy; waits
  void wait() const;                                   // until the contents are there
  DeviceArray packed(const StreamArgument&) const;     // a copy whose samples lie side by side
  void copy_to(void* memory, Stream stream) const;     // likewise, into memory on its GPU
  bool is_packed() const;                              // the samples lie side by side
  DeviceArray view_as(const py::object& dtype) const;  // the same memory as another dtype
  DeviceArray reshaped(const std::vector<std::ptrdiff_t>& shape) const;  // a copy if not packed
  DeviceArray part(std::ptrdiff_t first, std::ptrdiff_t last) const;     // of its first side
  DeviceArray window(const py::slice& rows, const py::slice& columns) const;  // the same memory
  void make_ready_for(Stream stream) const;  // later work there finds the contents

  void* data() const { return data_; }
  Depth depth() const { return depth_; }
  int device() const { return device_; }
  const StreamArgument& stream() const { return stream_; }
  bool borrowed() const { return borrowed_; }
  const std::vector<std::ptrdiff_t>& shape() const { return shape_; }
  const std::vector<std::ptrdiff_t>& strides() const { return strides_; }  // bytes
  std::ptrdiff_t size() const;
  std::string describe() const;  // "(1080, 1920, 3) uint8 on cuda:0"

  py::dict cuda_array_interface() const;
  py::object dlpack(const py::object& stream, const py::object& max_version,
                    const py::object& device, const py::object& copy) const;

 private:
  DeviceArray() = default;
  static DeviceArray from_dlpack(const py::object& other, const StreamArgument& stream,
                                 const std::string& wanted);
  static DeviceArray from_interface(const py::object& other, const StreamArgument& stream,
                                    const std::string& wanted);

  std::shared_ptr<Memory> memory_;
  void* data_ = nullptr;
  std::vector<std::ptrdiff_t> shape_, strides_;
  Depth depth_ = Depth::kUint8;
  int device_ = 0;
  StreamArgument stream_;
  bool borrowed_ = false, read_only_ = false;
};

void define_device_array(py::module_& m);

}  // namespace trimatte::bind

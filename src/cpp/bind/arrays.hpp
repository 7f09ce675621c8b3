// One call of an operation: its arguments, NumPy's or a GPU's, with every check on the way; where
// it runs; and its results.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bind/depth.hpp"
#include "bind/device_array.hpp"
#include "bind/interrupt.hpp"
#include "core/cuda.hpp"
#include "core/dispatch.hpp"
#include "core/error.hpp"
#include "core/image_view.hpp"

namespace trimatte::bind {

// What an argument may look like.
enum class Layout {
  kColor,       // (H, W, 3) or (H, W, 4)
  kRgba,        // (H, W, 4)
  kPlane,       // (H, W)
  kImage,       // any of these
  kGrid,        // (h, w, 3) or (h, w, 4) of float32, of any value
  kPrediction,  // (H, W) of a network's samples: float32 or float16, of any value
};

// An argument of an operation, named for the messages.
class Argument {
 public:
  Argument(std::string operation, std::string name, const py::object& value, Layout layout);

  Depth depth() const { return depth_; }
  std::ptrdiff_t height() const { return shape_[0]; }
  std::ptrdiff_t width() const { return shape_[1]; }
  int channels() const { return shape_.size() == 3 ? static_cast<int>(shape_[2]) : 1; }
  std::string describe() const;  // "(1080, 1920, 3) uint8", or "... on cuda:0"

  template <class T>
  ImageView<const T> view() const {
    return {static_cast<const T*>(data_), height(), width(), channels(), stride_};
  }

  void require_size_of(const Argument& other) const;
  void require_depth_of(const Argument& other) const;
  [[noreturn]] void refuse(const std::string& wanted, const std::string& got) const;

 private:
  friend class Call;

  void read_layout(const std::vector<std::ptrdiff_t>& strides);
  void check_values() const;
  void move_to(int device, const StreamArgument& stream);

  std::string operation_, name_;
  std::optional<py::array> host_;     // either this ...
  std::optional<DeviceArray> given_;  // ... or this was given
  std::optional<DeviceArray> copy_;   // what the GPU reads where that is neither
  std::string dtype_;
  Depth depth_ = Depth::kUint8;
  std::vector<std::ptrdiff_t> shape_;
  std::ptrdiff_t stride_ = 0;  // bytes from row to row
  bool packed_rows_ = false;
  const void* data_ = nullptr;
};

// A number in a closed range; NaN is in none.
void require_range(const std::string& operation, const char* name, double value, double low,
                   double high);

// A trimap in uint8, of the image's size.
void require_trimap(const Argument& trimap, const Argument& image);

// A result: memory where the operation runs.
template <class T>
class Output {
 public:
  const ImageView<T>& view() const { return view_; }

 private:
  friend class Call;
  ImageView<T> view_;
  std::optional<py::array> host_;
  std::optional<DeviceArray> array_;
};

class Call {
 public:
  // Where the arguments lie, unless `device` says otherwise: None, "cpu", "cuda", "cuda:1", "auto".
  Call(std::string operation, const py::object& device, const py::object& stream,
       std::vector<Argument*> arguments);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Results are NumPy arrays, and complete when `run` returns.
  bool on_host() const { return !kept_on_gpu_; }

  template <class T>
  Output<T> output(std::ptrdiff_t height, std::ptrdiff_t width, int channels = 1) {
    std::vector<std::ptrdiff_t> shape{height, width};
    if (channels > 1) shape.push_back(channels);
    return output<T>(shape, height, width, channels);
  }
  // The same memory as an image for the operation, and as an array of another shape for the caller.
  template <class T>
  Output<T> output(const std::vector<std::ptrdiff_t>& shape, std::ptrdiff_t height,
                   std::ptrdiff_t width, int channels = 1) {
    Output<T> out;
    if (!kept_on_gpu_) out.host_ = py::array(dtype_of(kDepthOf<T>), shape);
    if (device_.kind == DeviceKind::kCUDA)
      out.array_ = DeviceArray(shape, kDepthOf<T>, device_.index, stream_);
    void* data = out.array_ ? out.array_->data() : out.host_->mutable_data();
    out.view_ = {static_cast<T*>(data), height, width, channels,
                 width * channels * static_cast<std::ptrdiff_t>(sizeof(T))};
    return out;
  }

  // body(device, stream) without the GIL: nothing of Python may be touched inside.
  template <class Body>
  void run(const Body& body) {
    try {
      const py::gil_scoped_release release;
      const InterruptScope scope(check_python);
      on(device_.kind, [&](auto device) { body(device, stream_.stream); });
    } catch (...) {  // some of the work may be under way
      keep_until_done();
      throw;
    }
    keep_until_done();
  }

  template <class T>
  py::object give(const Output<T>& out) const {
    if (!out.array_) return *out.host_;
    if (kept_on_gpu_) return py::cast(*out.array_);
    download(*out.array_, *out.host_);
    return *out.host_;
  }

 private:
  void require_together() const;
  void keep_until_done();
  void download(const DeviceArray& from, py::array to) const;

  std::string operation_;
  std::vector<Argument*> arguments_;
  Device device_;
  StreamArgument stream_;
  bool kept_on_gpu_ = false;
  std::optional<cuda::DeviceScope> scope_;
};

// The GPU for device="cuda" (-1) or "cuda:<index>"; a DeviceError says why there is none.
int require_cuda(int index, const std::string& operation);

// The same for a `device` that a caller gives, which must be one of these.
int gpu_named(const py::object& device, const std::string& operation);

// An array where an operation with this `device` would work on it: itself, or a copy on the GPU.
py::object place(const py::object& array, const py::object& device, const std::string& operation,
                 const py::object& stream);

// A copy of a host array on the GPU that `device` names.
DeviceArray to_device(const py::array& array, const py::object& device, const py::object& stream);

}  // namespace trimatte::bind

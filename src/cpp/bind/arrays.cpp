#include "bind/arrays.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <utility>

#include "bind/kept.hpp"
#include "bind/trusted.hpp"
#include "core/parallel.hpp"

namespace trimatte::bind {
namespace {

const char* words_for(Layout layout) {
  switch (layout) {
    case Layout::kColor: return "(H, W, 3) or (H, W, 4) of uint8, uint16 or float32";
    case Layout::kRgba: return "(H, W, 4) of uint8, uint16 or float32";
    case Layout::kPlane: return "(H, W) of uint8, uint16 or float32";
    case Layout::kImage: return "(H, W), (H, W, 3) or (H, W, 4) of uint8, uint16 or float32";
    case Layout::kGrid: return "(h, w, 3) or (h, w, 4) of float32";
    case Layout::kPrediction: break;
  }
  return "(H, W) of float32 or float16";
}

bool shape_fits(const std::vector<std::ptrdiff_t>& shape, Layout layout) {
  const bool plane = shape.size() == 2;
  const bool rgba = shape.size() == 3 && shape[2] == 4;
  const bool color = rgba || (shape.size() == 3 && shape[2] == 3);
  switch (layout) {
    case Layout::kColor:
    case Layout::kGrid: return color;
    case Layout::kRgba: return rgba;
    case Layout::kImage: return plane || color;
    default: return plane;
  }
}

// How an array whose shape does not fit becomes one that does.
const char* advice(const std::vector<std::ptrdiff_t>& shape, Layout layout) {
  const bool planes_first = shape.size() == 3 && (shape[0] == 3 || shape[0] == 4);
  switch (layout) {
    case Layout::kColor:
      if (shape.size() == 2) return "; stack a grey image three times";
      [[fallthrough]];
    case Layout::kRgba:
    case Layout::kImage:
      if (planes_first) return "; permute(1, 2, 0) takes channels from the front to the end";
      return shape.size() == 4 ? "; take one image of a batch" : "";
    case Layout::kPlane: return shape.size() == 3 ? "; take one channel of it" : "";
    default: return "";
  }
}

bool depth_fits(std::optional<Depth> depth, Layout layout) {
  if (layout == Layout::kGrid) return depth == Depth::kFloat32;
  if (layout == Layout::kPrediction) return depth == Depth::kFloat32 || depth == Depth::kFloat16;
  return depth == Depth::kUint8 || depth == Depth::kUint16 || depth == Depth::kFloat32;
}

// The first sample that is no number in [0, 1], give or take 1/255 of overshoot; 0.5 if there is
// none.
float worst_sample(const ImageView<const float>& view) {
  constexpr float kSlack = 1.0f / 255.0f;
  std::atomic<float> worst{0.5f};
  parallel_rows(view.height, view.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const float* row = view.row(y);
      const std::ptrdiff_t count = view.width * view.channels;
      int bad = 0;
      for (std::ptrdiff_t i = 0; i < count; ++i)
        bad |= !(row[i] >= -kSlack && row[i] <= 1.0f + kSlack);
      for (std::ptrdiff_t i = 0; bad && i < count; ++i)
        if (!(row[i] >= -kSlack && row[i] <= 1.0f + kSlack)) {
          worst.store(row[i]);
          return;
        }
    }
  });
  return worst.load();
}

// What a caller's device= asks for.
struct Wish {
  enum Kind { kWhereItLies, kAuto, kCpu, kCuda } kind;
  int index = -1;  // of the GPU; -1: the current one

  bool allows(int device) const {
    return kind == kWhereItLies || kind == kAuto ||
           (kind == kCuda && (index < 0 || index == device));
  }
};

constexpr const char* kDevices = "None, 'cpu', 'cuda', 'cuda:0' and so on, or 'auto'";
constexpr const char* kGpus = "'cuda', 'cuda:0' and so on";

[[noreturn]] void refuse_device(const py::object& device, const std::string& operation,
                                const char* accepted) {
  throw ArgumentError(operation + ": device must be " + accepted + ", got " +
                      py::repr(device).cast<std::string>().substr(0, 80));
}

Wish parse_device(const py::object& device, const std::string& operation, const char* accepted) {
  if (device.is_none()) return {Wish::kWhereItLies};
  const std::string text = py::isinstance<py::str>(device) ? device.cast<std::string>() : "";
  if (text == "cpu") return {Wish::kCpu};
  if (text == "auto") return {Wish::kAuto};
  if (text == "cuda") return {Wish::kCuda};
  if (text.rfind("cuda:", 0) == 0) {
    int index = -1;
    const char *begin = text.data() + 5, *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, index);
    if (error == std::errc() && stop == end && index >= 0) return {Wish::kCuda, index};
  }
  refuse_device(device, operation, accepted);
}

// What device="auto" means for arrays on the host: a GPU that can be used, else the CPU. Says
// which, and why, at its first use.
bool auto_means_cuda() {
  const CudaStatus status = cuda_status();
  static bool said = false;  // guarded by the GIL
  if (!std::exchange(said, true)) {
    const py::object logger = py::module_::import("logging").attr("getLogger")("trimatte");
    // A user who expected a GPU should see without asking that there is none.
    logger.attr(status.available ? "info" : "warning")(
        std::string("device='auto' uses ") + (status.available ? "the GPU. " : "the CPU. ") +
        status.sentence);
  }
  return status.available;
}

// Where work on an array that lies on a GPU, or on the host, is done.
Device choose_device(std::optional<int> lies_on, const py::object& device,
                     const std::string& operation) {
  const Wish wish = parse_device(device, operation, kDevices);
  if (lies_on && !wish.allows(*lies_on))
    throw ArgumentError(operation +
                        ": device must be that of the arrays, cuda:" + std::to_string(*lies_on) +
                        ", or None, got " + py::repr(device).cast<std::string>() +
                        "; to_device() and to_host() copy an array");
  if (lies_on) return {DeviceKind::kCUDA, *lies_on};
  if (wish.kind == Wish::kCuda || (wish.kind == Wish::kAuto && auto_means_cuda()))
    return {DeviceKind::kCUDA, require_cuda(wish.index, operation)};
  return {};
}

DeviceArray upload_to(int device, const py::array& array, const StreamArgument& stream) {
  cuda::enter();
  const cuda::DeviceScope scope(device);
  return DeviceArray::upload(array, device, stream);
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// Argument

Argument::Argument(std::string operation, std::string name, const py::object& value, Layout layout)
    : operation_(std::move(operation)), name_(std::move(name)) {
  std::vector<std::ptrdiff_t> strides;
  std::optional<Depth> depth;
  if (py::isinstance<DeviceArray>(value)) {
    given_ = value.cast<DeviceArray>();
    shape_ = given_->shape();
    strides = given_->strides();
    depth = given_->depth();
    data_ = given_->data();
    dtype_ = py::str(dtype_of(*depth)).cast<std::string>();
  } else {
    host_ = py::reinterpret_borrow<py::array>(value);
    shape_.assign(host_->shape(), host_->shape() + host_->ndim());
    strides.assign(host_->strides(), host_->strides() + host_->ndim());
    depth = depth_of(host_->dtype());
    dtype_ = py::str(host_->dtype()).cast<std::string>();
    data_ = host_->data();
  }
  const std::string wanted = std::string("must be ") + words_for(layout);
  if (!shape_fits(shape_, layout)) {
    refuse(wanted + advice(shape_, layout), describe());
  }
  if (!depth_fits(depth, layout)) refuse(wanted, describe());
  depth_ = *depth;
  read_layout(strides);
  const bool any_value = layout == Layout::kPrediction || layout == Layout::kGrid;
  if (host_ && depth_ == Depth::kFloat32 && !any_value && !values_are_trusted()) check_values();
}

// Takes the stride of the rows, and refuses what rows may not be like.
void Argument::read_layout(const std::vector<std::ptrdiff_t>& strides) {
  const std::ptrdiff_t item = size_of(depth_);
  const bool empty = std::find(shape_.begin(), shape_.end(), 0) != shape_.end();
  const std::ptrdiff_t pixel = item * channels();
  packed_rows_ = empty || ((strides[1] == pixel || width() <= 1) &&
                           (shape_.size() == 2 || strides[2] == item));
  if (!packed_rows_ && host_) refuse("must have contiguous pixels within a row", "strided pixels");
  bool aligned = reinterpret_cast<std::uintptr_t>(data_) % static_cast<std::uintptr_t>(item) == 0;
  for (std::size_t i = 0; i < shape_.size(); ++i)
    aligned = aligned && (shape_[i] <= 1 || strides[i] % item == 0);
  if (!aligned) refuse("must be aligned to its samples", "a misaligned array");
  stride_ = strides[0];
}

std::string Argument::describe() const {
  if (given_) return given_->describe();
  std::string text = "(";
  for (std::size_t i = 0; i < shape_.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape_[i]);
  return text + (shape_.size() == 1 ? ",) " : ") ") + dtype_;
}

void Argument::check_values() const {
  constexpr std::ptrdiff_t kLargeImage = 1 << 16;        // in pixels
  const ImageView<const float> samples = view<float>();  // of `host_`, which this keeps alive
  std::optional<py::gil_scoped_release> release;
  // Getting the GIL back may take longer than the scan of a small image.
  if (samples.height * samples.width > kLargeImage) release.emplace();
  const float worst = worst_sample(samples);
  release.reset();
  if (worst == 0.5f) return;
  const std::string hint = worst > 2.0f && worst <= 255.0f ? "; divide a 0..255 image by 255" : "";
  refuse("must have float samples in [0, 1]" + hint, std::to_string(worst));
}

void Argument::require_size_of(const Argument& other) const {
  if (height() == other.height() && width() == other.width()) return;
  refuse("must have the height and width of " + other.name_ + " " + other.describe(), describe());
}

void Argument::require_depth_of(const Argument& other) const {
  if (depth_ == other.depth_) return;
  refuse("must have the dtype of " + other.name_ + " " + other.describe(), describe());
}

void Argument::refuse(const std::string& wanted, const std::string& got) const {
  throw ArgumentError(operation_ + ": " + name_ + " " + wanted + ", got " + got);
}

void require_range(const std::string& operation, const char* name, double value, double low,
                   double high) {
  if (value >= low && value <= high) return;
  const auto text = [](double v) { return py::str(py::float_(v)).cast<std::string>(); };
  throw ArgumentError(operation + ": " + name + " must be in [" + text(low) + ", " + text(high) +
                      "], got " + text(value));
}

void require_trimap(const Argument& trimap, const Argument& image) {
  trimap.require_size_of(image);
  if (trimap.depth() != Depth::kUint8)
    trimap.refuse("must be uint8 (0 background, 128 unknown, 255 foreground)", trimap.describe());
}

// Makes the argument readable by work on a stream of a GPU, which is current.
void Argument::move_to(int device, const StreamArgument& stream) {
  if (host_) {
    copy_ = DeviceArray::upload(*host_, device, stream);
  } else {
    given_->make_ready_for(stream.stream);
    if (packed_rows_) return;
    copy_ = given_->packed(stream);
  }
  data_ = copy_->data();
  stride_ = copy_->strides()[0];
}

// ---------------------------------------------------------------------------------------------
// Call

Call::Call(std::string operation, const py::object& device, const py::object& stream,
           std::vector<Argument*> arguments)
    : operation_(std::move(operation)), arguments_(std::move(arguments)) {
  require_together();
  const Argument& first = *arguments_[0];
  kept_on_gpu_ = first.given_.has_value();
  device_ = choose_device(kept_on_gpu_ ? std::optional(first.given_->device()) : std::nullopt,
                          device, operation_);
  if (device_.kind == DeviceKind::kCPU) {
    if (!stream.is_none())
      throw ArgumentError(operation_ + ": stream must be None for work on the CPU, got " +
                          py::repr(stream).cast<std::string>().substr(0, 80));
    return;
  }
  cuda::enter();
  release_kept();
  if (!stream.is_none()) {
    stream_ = parse_stream(stream, operation_);
  } else if (kept_on_gpu_) {
    stream_ = arguments_[0]->given_->stream();
  }
  scope_.emplace(device_.index);
  for (Argument* argument : arguments_) argument->move_to(device_.index, stream_);
}

void Call::require_together() const {
  const Argument& first = *arguments_[0];
  for (const Argument* argument : arguments_) {
    const bool together = argument->given_.has_value() == first.given_.has_value() &&
                          (!first.given_ || argument->given_->device() == first.given_->device());
    if (!together)
      argument->refuse("must lie where " + first.name_ + " " + first.describe() +
                           " lies; to_device() and to_host() copy an array",
                       argument->describe());
  }
}

// Arguments that others own, or whose memory another stream may free, are held until this point of
// the stream is reached.
void Call::keep_until_done() {
  if (!kept_on_gpu_) return;  // copies of our own
  std::vector<py::object> arrays;
  for (const Argument* argument : arguments_)
    if (argument->given_->borrowed() || !(argument->given_->stream().stream == stream_.stream))
      arrays.push_back(py::cast(*argument->given_));
  if (!arrays.empty()) keep(std::move(arrays), stream_.stream);
}

void Call::download(const DeviceArray& from, py::array to) const {
  void* data = to.mutable_data();
  const auto bytes = static_cast<std::size_t>(to.nbytes());
  const py::gil_scoped_release release;
  cuda::download(data, from.data(), bytes, stream_.stream);
}

py::object place(const py::object& array, const py::object& device, const std::string& operation,
                 const py::object& stream) {
  const bool on_gpu = py::isinstance<DeviceArray>(array);
  std::optional<int> lies_on;
  if (on_gpu) lies_on = array.cast<DeviceArray>().device();
  const Device chosen = choose_device(lies_on, device, operation);
  if (on_gpu || chosen.kind == DeviceKind::kCPU) return array;
  return py::cast(upload_to(chosen.index, py::reinterpret_borrow<py::array>(array),
                            stream.is_none() ? StreamArgument{} : parse_stream(stream, operation)));
}

DeviceArray to_device(const py::array& array, const py::object& device, const py::object& stream) {
  return upload_to(gpu_named(device, "to_device"), array,
                   stream.is_none() ? StreamArgument{} : parse_stream(stream, "to_device"));
}

int gpu_named(const py::object& device, const std::string& operation) {
  const Wish wish = parse_device(device, operation, kGpus);
  if (wish.kind != Wish::kCuda) refuse_device(device, operation, kGpus);
  return require_cuda(wish.index, operation);
}

int require_cuda(int index, const std::string& operation) {
  const std::string asked = index < 0 ? "cuda" : "cuda:" + std::to_string(index);
  const int count = cuda::device_count();
  if (count == 0)
    throw DeviceError(operation + ": device='" + asked + "' cannot be used here. " +
                      cuda_status().sentence);
  if (index >= count)
    throw DeviceError(operation + ": device='" + asked + "' is not there: this machine has " +
                      (count == 1 ? "cuda:0 only" : "cuda:0 to cuda:" + std::to_string(count - 1)));
  return index < 0 ? cuda::current_device() : index;
}

}  // namespace trimatte::bind

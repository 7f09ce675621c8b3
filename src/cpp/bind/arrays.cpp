#include "bind/arrays.hpp"

#include <atomic>
#include <cmath>

#include "core/parallel.hpp"

namespace trimatte::bind {
namespace {

const char* shape_words(Layout layout) {
  switch (layout) {
    case Layout::kColor: return "(H, W, 3) or (H, W, 4)";
    case Layout::kRgba: return "(H, W, 4)";
    case Layout::kImage: return "(H, W), (H, W, 3) or (H, W, 4)";
    case Layout::kPlane: break;
  }
  return "(H, W)";
}

bool shape_fits(const py::array& array, Layout layout) {
  if (array.ndim() == 2) return layout == Layout::kPlane || layout == Layout::kImage;
  if (array.ndim() != 3 || layout == Layout::kPlane) return false;
  return array.shape(2) == 4 || (layout != Layout::kRgba && array.shape(2) == 3);
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

}  // namespace

Argument::Argument(std::string operation, std::string name, py::array array, Layout layout)
    : operation_(std::move(operation)), name_(std::move(name)), array_(std::move(array)) {
  const std::string wanted =
      std::string("must be ") + shape_words(layout) + " of uint8, uint16 or float32";
  if (!shape_fits(array_, layout)) {
    std::string hint;
    if (layout == Layout::kColor && array_.ndim() == 2) hint = "; stack a grey image three times";
    if (layout == Layout::kPlane && array_.ndim() == 3) hint = "; take one channel of it";
    refuse(wanted + hint, describe());
  }
  if (py::isinstance<py::array_t<std::uint8_t>>(array_)) {
    depth_ = Depth::kUint8;
  } else if (py::isinstance<py::array_t<std::uint16_t>>(array_)) {
    depth_ = Depth::kUint16;
  } else if (py::isinstance<py::array_t<float>>(array_)) {
    depth_ = Depth::kFloat32;
  } else {
    refuse(wanted, describe());
  }
  const py::ssize_t item = array_.itemsize();
  const bool packed =
      array_.ndim() == 2
          ? array_.strides(1) == item || width() <= 1
          : array_.strides(2) == item && (array_.strides(1) == item * channels() || width() <= 1);
  if (!packed && array_.size() > 0)
    refuse("must have contiguous pixels within a row", "strided pixels");
  if (reinterpret_cast<std::uintptr_t>(array_.data()) % static_cast<std::uintptr_t>(item) != 0 ||
      (height() > 1 && array_.strides(0) % item != 0))
    refuse("must be aligned to its samples", "a misaligned array");
  if (depth_ == Depth::kFloat32) check_values();
}

std::string describe(const py::array& array) {
  std::string text = "(";
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    text += (i ? ", " : "") + std::to_string(array.shape(i));
  text += array.ndim() == 1 ? ",) " : ") ";
  return text + py::str(array.dtype()).cast<std::string>();
}

void Argument::check_values() const {
  const float worst = worst_sample(view<float>());
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

}  // namespace trimatte::bind

// Device memory that an operation works in.
#pragma once

#include <cstddef>
#include <utility>

#include "core/cuda.hpp"
#include "core/image_view.hpp"
#include "launch.cuh"

namespace trimatte::cuda {

// An array in device memory: taken and given back in stream order, on the GPU that is current.
// Its contents are undefined.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::ptrdiff_t count, Stream stream)
      : data_(static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T), stream))),
        count_(count),
        device_(current_device()),
        stream_(stream) {}
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    std::swap(device_, other.device_);
    std::swap(stream_, other.stream_);
    return *this;
  }
  ~Buffer() {
    if (data_) release(data_, device_, stream_);
  }

  T* data() const { return data_; }
  std::ptrdiff_t size() const { return count_; }

  void fill_zero() const {
    check(
        cudaMemsetAsync(data_, 0, static_cast<std::size_t>(count_) * sizeof(T), handle_of(stream_)),
        "memset");
  }

 private:
  T* data_ = nullptr;
  std::ptrdiff_t count_ = 0;
  int device_ = 0;
  Stream stream_;
};

// An image in device memory, rows packed.
template <class T>
class ImageBuffer {
 public:
  ImageBuffer(std::ptrdiff_t height, std::ptrdiff_t width, int channels, Stream stream)
      : buffer_(height * width * channels, stream),
        view_{buffer_.data(), height, width, channels,
              width * channels * static_cast<std::ptrdiff_t>(sizeof(T))} {}
  const ImageView<T>& view() const { return view_; }
  void fill_zero() const { buffer_.fill_zero(); }
  ImageView<const T> read() const { return view_; }

 private:
  Buffer<T> buffer_;
  ImageView<T> view_;
};

}  // namespace trimatte::cuda

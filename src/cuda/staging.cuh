// Host images on the device for the length of one operation.
#pragma once

#include <new>

#include "core/image_view.hpp"
#include "launch.cuh"

namespace trimatte::cuda {

// Packed device memory, allocated and freed in stream order.
template <class T>
class StagedImage {
 public:
  StagedImage(std::ptrdiff_t height, std::ptrdiff_t width, int channels, Stream stream)
      : view_{nullptr, height, width, channels,
              width * channels * static_cast<std::ptrdiff_t>(sizeof(T))},
        stream_(static_cast<cudaStream_t>(stream.handle)) {
    void* memory = nullptr;
    const auto bytes = static_cast<std::size_t>(view_.stride * height);
    const cudaError_t status = cudaMallocAsync(&memory, bytes, stream_);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // not to be blamed on the next call
      throw std::bad_alloc();
    }
    check(status, "cudaMallocAsync");
    view_.data = static_cast<T*>(memory);
  }
  StagedImage(const StagedImage&) = delete;
  StagedImage& operator=(const StagedImage&) = delete;
  ~StagedImage() { cudaFreeAsync(view_.data, stream_); }

 protected:
  std::size_t row_bytes() const { return static_cast<std::size_t>(view_.stride); }
  std::size_t rows() const { return static_cast<std::size_t>(view_.height); }

  ImageView<T> view_;
  cudaStream_t stream_;
};

template <class T>
class StagedInput : StagedImage<T> {
 public:
  StagedInput(const ImageView<const T>& host, Stream stream)
      : StagedImage<T>(host.height, host.width, host.channels, stream) {
    for (std::ptrdiff_t y = 0; y < host.height; ++y)  // rows may run backwards: one copy each
      check(cudaMemcpyAsync(this->view_.row(y), host.row(y), this->row_bytes(),
                            cudaMemcpyHostToDevice, this->stream_),
            "copy to the device");
  }
  ImageView<const T> view() const { return this->view_; }
};

template <class T>
class StagedOutput : StagedImage<T> {
 public:
  StagedOutput(const ImageView<T>& host, Stream stream)
      : StagedImage<T>(host.height, host.width, host.channels, stream), host_(host) {}
  const ImageView<T>& view() const { return this->view_; }

  // Copies the result to the host and waits for it.
  void fetch() const {
    check(cudaMemcpy2DAsync(host_.data, static_cast<std::size_t>(host_.stride), this->view_.data,
                            this->row_bytes(), this->row_bytes(), this->rows(),
                            cudaMemcpyDeviceToHost, this->stream_),
          "copy to the host");
    check(cudaStreamSynchronize(this->stream_), "kernel");
  }

 private:
  ImageView<T> host_;
};

}  // namespace trimatte::cuda

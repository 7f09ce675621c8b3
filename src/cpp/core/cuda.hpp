// The CUDA runtime as the bindings need it, without a CUDA header. src/cuda/runtime.cu defines it;
// in builds without the CUDA backend cpu/no_cuda.cpp does, where everything but cuda_status throws.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/device.hpp"

namespace trimatte {

struct CudaStatus {
  bool available = false;
  std::string sentence;  // what was found, or why it cannot be used
};
CudaStatus cuda_status();

namespace cuda {

int device_count();
int current_device();

struct DeviceFacts {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int driver = 0;            // the CUDA version that the driver is for: 13000
};
DeviceFacts facts_of(int device);

int device_of(const void* pointer);  // the GPU whose memory it is, or -1

// Makes a GPU the current one of this thread, and at its end the one that was. Where it is already,
// nothing is touched: a context that the caller made current (PyCUDA) stays current.
class DeviceScope {
 public:
  explicit DeviceScope(int index);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  [[maybe_unused]] int previous_ = -1;  // not used without CUDA
};

// What every call begins with: throws a DeviceError in a child that was forked after CUDA's first
// use.
void enter();

// A source of GPU memory other than our own pool. Called from any thread.
class Allocator {
 public:
  Allocator() = default;
  Allocator(const Allocator&) = delete;
  virtual ~Allocator() = default;

  // Memory of a GPU, which is the current one, for work on the stream. Never null.
  virtual void* allocate(std::size_t bytes, int device, Stream) = 0;
  virtual void release(void* memory, std::size_t bytes, int device, Stream) noexcept = 0;
};
// The source of all memory from now on; null: our own pool. What was taken goes back to where it
// came from.
void set_allocator(std::shared_ptr<Allocator>);

// Memory of the current GPU, in stream order, from the allocator that is set, or from a pool of our
// own that keeps what it has. Throws OutOfMemory, or what the allocator throws. Releasing never
// throws; in a forked child it does nothing.
void* allocate(std::size_t bytes, Stream);
void release(void* memory, int device, Stream) noexcept;
void trim_pools();  // gives back what is not in use, of GPU memory and of pinned memory

// Copies between host and current GPU, by way of pinned memory (src/cuda/staging.cu). An upload is
// over, for the host's side, when it returns; so is a download, for both.
void upload(void* to, const void* from, std::size_t bytes, Stream);
void download(void* to, const void* from, std::size_t bytes, Stream);
void copy(void* to, const void* from, std::size_t bytes, Stream);  // within GPU memory
void synchronize(Stream);

// Makes a strided array of up to 4 sides packed; strides and the size of an item in bytes.
void pack(void* to, const void* from, const std::vector<std::ptrdiff_t>& shape,
          const std::vector<std::ptrdiff_t>& strides, std::ptrdiff_t item, Stream);

// A point in a stream's work.
class Event {
 public:
  Event() = default;
  static Event record(Stream);
  Event(Event&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), device_(other.device_) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(device_, other.device_);
    return *this;
  }
  ~Event();

  bool done() const;         // true for an empty event
  void wait(Stream) const;   // the stream goes on when this point is reached
  void synchronize() const;  // so does the calling thread

 private:
  void* handle_ = nullptr;
  int device_ = 0;
};

// A stream of the current GPU that waits for no other.
class OwnStream {
 public:
  OwnStream();
  Stream stream() const { return {handle_.get()}; }

 private:
  struct Destroy {
    void operator()(void* handle) const noexcept;  // work on it goes on
  };
  std::unique_ptr<void, Destroy> handle_;
};

// Work recorded once, and given to streams again and again at the price of one launch. Destroy it
// when its last launch is over.
class Graph {
 public:
  // What `work` puts on the stream, instead of running it. The stream must be an OwnStream's, and
  // have no other user meanwhile.
  static Graph record(Stream, const std::function<void()>& work);
  void launch(Stream) const;

 private:
  struct Destroy {
    void operator()(void* handle) const noexcept;
  };
  std::unique_ptr<void, Destroy> handle_;
};

}  // namespace cuda
}  // namespace trimatte

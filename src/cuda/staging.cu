// Copies between the host and a GPU, by way of pinned memory: what is pinned is copied while the
// host goes on, and by streams beside each other.
#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "core/cuda.hpp"
#include "launch.cuh"
#include "staging.cuh"

namespace trimatte::cuda {
namespace {

constexpr std::size_t kBlock = std::size_t{4} << 20;
constexpr int kMost = 16;                              // blocks that there are at once
constexpr std::size_t kSmall = std::size_t{64} << 10;  // that the driver stages by itself
constexpr std::size_t kAhead = 3;                      // blocks of one download

struct FreeHost {
  void operator()(void* memory) const noexcept {
    if (cudaFreeHost(memory) != cudaSuccess) cudaGetLastError();
  }
};

// Pinned memory, and when the last copy from it or into it is over.
struct Block {
  std::unique_ptr<void, FreeHost> memory;
  Event done;
};

// The blocks, in the order in which they were given back. Never destroyed: copies may be under way
// when static destructors run.
class Blocks {
 public:
  // One that nobody uses; none where pinned memory cannot be had, or, if it may not wait, where all
  // are in use.
  Block take(bool wait) {
    std::unique_lock lock(mutex_);
    while (true) {
      const bool ready = !free_.empty() && free_.front().done.done();
      if (ready || (wait && made_ == kMost && !free_.empty())) {
        Block block = std::move(free_.front());
        free_.pop_front();
        return block;
      }
      if (made_ < kMost) break;
      if (!wait) return {};
      given_back_.wait(lock);
    }
    ++made_;
    lock.unlock();
    void* memory = nullptr;
    if (cudaHostAlloc(&memory, kBlock, cudaHostAllocPortable) == cudaSuccess)
      return {std::unique_ptr<void, FreeHost>(memory), {}};
    cudaGetLastError();
    lose();
    return {};
  }

  void give_back(Block block) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(block));
    given_back_.notify_one();
  }

  void trim() {
    std::deque<Block> unused;  // freed without the lock
    const std::lock_guard lock(mutex_);
    while (!free_.empty() && free_.front().done.done()) {
      unused.push_back(std::move(free_.front()));
      free_.pop_front();
      --made_;
    }
  }

 private:
  void lose() {
    const std::lock_guard lock(mutex_);
    --made_;
    given_back_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable given_back_;
  std::deque<Block> free_;
  int made_ = 0;
};

Blocks& blocks() {
  static Blocks* const all = new Blocks;
  return *all;
}

// A block in one thread's hands.
class Lease {
 public:
  explicit Lease(bool wait) : block_(blocks().take(wait)) {}
  Lease(Lease&&) = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (block_.memory) blocks().give_back(std::move(block_));
  }

  explicit operator bool() const { return block_.memory != nullptr; }
  void* memory() const { return block_.memory.get(); }
  void wait() const { block_.done.synchronize(); }
  void used_on(Stream stream) {
    try {
      block_.done = Event::record(stream);
    } catch (...) {  // the next to take the block must not find the copy under way
      cudaStreamSynchronize(handle_of(stream));
      cudaGetLastError();
      throw;
    }
  }

 private:
  Block block_;
};

void copy_async(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, Stream stream) {
  check(cudaMemcpyAsync(to, from, bytes, kind, handle_of(stream)),
        kind == cudaMemcpyHostToDevice ? "copy to the device" : "copy to the host");
}

// Whether a copy from it may go on when the call has returned.
bool is_pinned(const void* memory) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, memory) == cudaSuccess)
    return attributes.type == cudaMemoryTypeHost || attributes.type == cudaMemoryTypeManaged;
  cudaGetLastError();
  return false;
}

// Without pinned memory of ours.
void copy_directly(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                   Stream stream) {
  copy_async(to, from, bytes, kind, stream);
  synchronize(stream);
}

}  // namespace

void trim_staging() {
  blocks().trim();
}

void upload(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes <= kSmall) {
    if (bytes == 0) return;
    copy_async(to, from, bytes, cudaMemcpyHostToDevice, stream);
    if (is_pinned(from)) synchronize(stream);
    return;
  }
  for (std::size_t first = 0; first < bytes; first += kBlock) {
    const std::size_t size = std::min(kBlock, bytes - first);
    auto* const target = static_cast<std::byte*>(to) + first;
    const auto* const source = static_cast<const std::byte*>(from) + first;
    Lease block(true);
    if (!block) {
      copy_directly(target, source, size, cudaMemcpyHostToDevice, stream);
      continue;
    }
    block.wait();
    std::memcpy(block.memory(), source, size);
    copy_async(target, block.memory(), size, cudaMemcpyHostToDevice, stream);
    block.used_on(stream);
  }
}

void download(void* to, const void* from, std::size_t bytes, Stream stream) {
  struct Part {
    Lease block;
    std::size_t first, size;
  };
  if (bytes <= kSmall) {
    if (bytes > 0) copy_directly(to, from, bytes, cudaMemcpyDeviceToHost, stream);
    return;
  }
  std::deque<Part> parts;
  std::size_t asked = 0;
  while (asked < bytes || !parts.empty()) {
    while (asked < bytes && parts.size() < kAhead) {
      const std::size_t size = std::min(kBlock, bytes - asked);
      const auto* const source = static_cast<const std::byte*>(from) + asked;
      // Whoever has one block and waits for another might wait for those who do the same.
      Lease block(parts.empty());
      if (!block && !parts.empty()) break;
      if (block) {
        block.wait();
        copy_async(block.memory(), source, size, cudaMemcpyDeviceToHost, stream);
        block.used_on(stream);
        parts.push_back({std::move(block), asked, size});
      } else {
        copy_directly(static_cast<std::byte*>(to) + asked, source, size, cudaMemcpyDeviceToHost,
                      stream);
      }
      asked += size;
    }
    if (parts.empty()) continue;
    const Part& part = parts.front();
    part.block.wait();
    std::memcpy(static_cast<std::byte*>(to) + part.first, part.block.memory(), part.size);
    parts.pop_front();
  }
}

}  // namespace trimatte::cuda

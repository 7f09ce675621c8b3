// Work memory of the CPU backend: planes of floats, taken from one arena a pyramid level.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <memory>
#include <vector>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace trimatte {

// A borrowed array of floats: zeroed when taken, aligned for the widest vectors.
class Plane {
 public:
  Plane() = default;
  explicit Plane(float* data) : data_(data) {}
  float* get() const { return data_; }
  operator float*() const { return data_; }

 private:
  float* data_ = nullptr;
};

// Zeroed memory, asked for at once. On Linux it comes in huge pages where there are any: a solve
// touches each page a few times only, and the faults of small ones cost as much as the arithmetic.
class Arena {
 public:
  Arena() = default;
  // Room for `planes` planes of `floats` each.
  Arena(std::size_t floats, std::size_t planes)
      : bytes_((padded(floats) * planes) * sizeof(float)) {
    if (bytes_ == 0) return;
#if defined(__linux__)
    void* memory = mmap(nullptr, bytes_ + kHugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    if (bytes_ >= 2 * kHugePage) madvise(memory, bytes_ + kHugePage, MADV_HUGEPAGE);
    base_ = memory;
#else
    base_ = std::calloc(bytes_ + 64, 1);
    if (!base_) throw std::bad_alloc();
#endif
    const auto address = reinterpret_cast<std::size_t>(base_);
    next_ = reinterpret_cast<float*>((address + 63) / 64 * 64);
    end_ = next_ + bytes_ / sizeof(float);
  }
  Arena(Arena&& other) noexcept { swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Arena() {
    if (!base_) return;
#if defined(__linux__)
    munmap(base_, bytes_ + kHugePage);
#else
    std::free(base_);
#endif
  }

  // `planes` planes in a row, each `floats` behind the other.
  Plane take(std::size_t floats, std::size_t planes = 1) {
#if defined(__SANITIZE_ADDRESS__)
    // On its own, so that the sanitizer sees where it ends.
    own_.push_back(std::make_unique<float[]>(floats * planes));
    return Plane(own_.back().get());
#endif
    float* taken = next_;
    next_ += padded(floats * planes);
    if (next_ > end_) throw std::length_error("trimatte: a work arena is too small");
    return Plane(taken);
  }

 private:
  static constexpr std::size_t kHugePage = 2 << 20;

  // Whole cache lines, and a few more, so that planes do not start at the same place of a cache
  // set.
  static std::size_t padded(std::size_t floats) { return (floats + 15) / 16 * 16 + 80; }

  void swap(Arena& other) {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    std::swap(next_, other.next_);
    std::swap(end_, other.end_);
#if defined(__SANITIZE_ADDRESS__)
    std::swap(own_, other.own_);
#endif
  }

  void* base_ = nullptr;
  std::size_t bytes_ = 0;
  float* next_ = nullptr;
  float* end_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  std::vector<std::unique_ptr<float[]>> own_;
#endif
};

}  // namespace trimatte

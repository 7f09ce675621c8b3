// Work memory of the CPU backend: planes of floats, taken from one arena a pyramid level.
#pragma once

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/work_memory.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <algorithm>
#include <limits>
#include <memory>
#include <vector>
#endif

namespace trimatte {

// A borrowed array of floats, aligned for the widest vectors.
class Plane {
 public:
  Plane() = default;
  explicit Plane(float* data) : data_(data) {}
  float* get() const { return data_; }
  operator float*() const { return data_; }

 private:
  float* data_ = nullptr;
};

// An array of work memory, unset.
template <class T>
class WorkArray {
 public:
  WorkArray() = default;
  explicit WorkArray(std::ptrdiff_t count)
      : memory_(take_work_memory(static_cast<std::size_t>(count) * sizeof(T))) {}
  WorkArray(WorkArray&& other) noexcept : memory_(std::exchange(other.memory_, {})) {}
  WorkArray& operator=(WorkArray&& other) noexcept {
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~WorkArray() { give_back_work_memory(memory_); }
  T* data() const { return static_cast<T*>(memory_.data); }
  T& operator[](std::ptrdiff_t i) const { return data()[i]; }

 private:
  WorkMemory memory_;
};

class Arena {
 public:
  Arena() = default;
  // Room for `planes` planes of `floats` each.
  Arena(std::size_t floats, std::size_t planes) {
    const std::size_t bytes = padded(floats) * planes * sizeof(float);
    if (bytes == 0) return;
    memory_ = take_work_memory(bytes);
    next_ = static_cast<float*>(memory_.data);
    end_ = next_ + bytes / sizeof(float);
  }
  Arena(Arena&& other) noexcept { swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Arena() { give_back_work_memory(memory_); }

  // `planes` planes in a row, each `floats` behind the other, zeroed.
  Plane take(std::size_t floats, std::size_t planes = 1) {
    const Plane plane = take_unset(floats, planes);
#if defined(__SANITIZE_ADDRESS__)
    std::memset(plane.get(), 0, floats * planes * sizeof(float));
#else
    if (!memory_.zeroed) std::memset(plane.get(), 0, floats * planes * sizeof(float));
#endif
    return plane;
  }

  // The same with whatever they held before.
  Plane take_unset(std::size_t floats, std::size_t planes = 1) {
#if defined(__SANITIZE_ADDRESS__)
    // On its own, so that the sanitizer sees where it ends, and so that what is used unset shows.
    own_.push_back(std::make_unique<float[]>(floats * planes));
    std::fill_n(own_.back().get(), floats * planes, std::numeric_limits<float>::quiet_NaN());
    return Plane(own_.back().get());
#endif
    float* taken = next_;
    next_ += padded(floats * planes);
    if (next_ > end_) throw std::length_error("trimatte: a work arena is too small");
    return Plane(taken);
  }

 private:
  // Whole cache lines, and a few more, so that planes do not start at the same place of a cache
  // set.
  static std::size_t padded(std::size_t floats) { return (floats + 15) / 16 * 16 + 80; }

  void swap(Arena& other) {
    std::swap(memory_, other.memory_);
    std::swap(next_, other.next_);
    std::swap(end_, other.end_);
#if defined(__SANITIZE_ADDRESS__)
    std::swap(own_, other.own_);
#endif
  }

  WorkMemory memory_;
  float* next_ = nullptr;
  float* end_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  std::vector<std::unique_ptr<float[]>> own_;
#endif
};

}  // namespace trimatte

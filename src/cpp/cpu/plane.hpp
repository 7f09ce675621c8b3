// Owned work memory of the CPU backend.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace trimatte {

// Zeroed floats, aligned for the widest vectors.
class Plane {
 public:
  Plane() = default;
  explicit Plane(std::size_t count) : data_(allocate(count)) {}
  float* get() const { return data_.get(); }
  operator float*() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  static float* allocate(std::size_t count) {
    const std::size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
    void* p = std::aligned_alloc(64, bytes ? bytes : 64);
    if (!p) throw std::bad_alloc();
    std::memset(p, 0, bytes);
    return static_cast<float*>(p);
  }
  std::unique_ptr<float[], Free> data_;
};

}  // namespace trimatte

// Host memory that operations work in, kept between calls: asking the system for pages and having
// them cleared costs a solve as much as its arithmetic.
#pragma once

#include <cstddef>

namespace trimatte {

struct WorkMemory {
  void* data = nullptr;
  std::size_t bytes = 0;
  bool zeroed = false;  // fresh from the system
};

// What is kept for the next call, at most; and how much more than was ever in use at once may be
// held, in use and kept together.
inline constexpr std::size_t kKeptWorkMemory = std::size_t{512} << 20;
inline constexpr std::size_t kSpareWorkMemory = std::size_t{16} << 20;

// At least `bytes`, aligned to a page; std::bad_alloc if there is none.
WorkMemory take_work_memory(std::size_t bytes);
void give_back_work_memory(WorkMemory memory) noexcept;

// Gives what is kept and not in use back to the system.
void free_work_memory() noexcept;

struct WorkMemoryUse {
  std::size_t in_use = 0, kept = 0;  // bytes
};
WorkMemoryUse work_memory_use();

}  // namespace trimatte

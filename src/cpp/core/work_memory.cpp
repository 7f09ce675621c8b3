#include "core/work_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace trimatte {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10, kHugePage = std::size_t{2} << 20;

// On Linux in huge pages where there are any: the faults of small ones are what costs.
WorkMemory from_system(std::size_t bytes) {
#if defined(__linux__)
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (bytes >= 2 * kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
#else
  void* memory = std::calloc(bytes, 1);
  if (!memory) throw std::bad_alloc();
#endif
  return {memory, bytes, true, false};
}

void to_system(const WorkMemory& memory) noexcept {
#if defined(__linux__)
  munmap(memory.data, memory.bytes);
#else
  std::free(memory.data);
#endif
}

// Nobody waits for its lock: who does not get it goes to the system. So a child forked while
// another thread held it works as well.
struct Kept {
  static constexpr std::size_t kMost = 64;  // pieces
  std::mutex mutex;
  std::size_t bytes = 0, count = 0, in_use = 0, most_in_use = 0;
  WorkMemory pieces[kMost];

  // A piece of this size, or an empty one.
  WorkMemory take(std::size_t size) {
    in_use += size;
    most_in_use = std::max(most_in_use, in_use);
    for (std::size_t i = count; i-- > 0;)
      if (pieces[i].bytes == size) return remove(i);
    while (count > 0 && in_use + bytes > most_in_use + kSpareWorkMemory) to_system(remove(0));
    return {};
  }
  bool keep(const WorkMemory& piece) {
    if (piece.counted) in_use -= piece.bytes;
    if (piece.bytes > kKeptWorkMemory) return false;
    // What was used last is likely to be asked for again: others go first.
    while (count == kMost || bytes + piece.bytes > kKeptWorkMemory) to_system(remove(0));
    pieces[count++] = piece;
    bytes += piece.bytes;
    return true;
  }

  WorkMemory remove(std::size_t i) {
    const WorkMemory piece = pieces[i];
    pieces[i] = pieces[--count];
    bytes -= piece.bytes;
    return piece;
  }
};

Kept& kept() {
  static Kept* const all = new Kept;  // outlives static destructors, as pool threads do
  return *all;
}

}  // namespace

WorkMemory take_work_memory(std::size_t bytes) {
  // Powers of two, so that pieces fit again; pages that are never touched cost nothing.
  bytes = std::bit_ceil(std::max(bytes, kPiece));
  Kept& all = kept();
  const std::unique_lock lock(all.mutex, std::try_to_lock);
  if (!lock) return from_system(bytes);
  WorkMemory memory = all.take(bytes);
  if (!memory.data) memory = from_system(bytes);
  memory.counted = true;
  return memory;
}

void give_back_work_memory(WorkMemory memory) noexcept {
  if (!memory.data) return;
  memory.zeroed = false;
  Kept& all = kept();
  const std::unique_lock lock(all.mutex, std::try_to_lock);
  if (!lock || !all.keep(memory)) to_system(memory);
}

void free_work_memory() noexcept {
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  while (all.count > 0) to_system(all.remove(0));
}

}  // namespace trimatte

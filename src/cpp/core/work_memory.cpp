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
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
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
  return {memory, bytes, true};
}

void to_system(const WorkMemory& memory) noexcept {
#if defined(__linux__)
  munmap(memory.data, memory.bytes);
#else
  std::free(memory.data);
#endif
}

// Guarded by `mutex`.
struct Kept {
  static constexpr std::size_t kMost = 64;  // pieces
  std::mutex mutex;
  std::size_t bytes = 0, count = 0, in_use = 0, most_in_use = 0;
  WorkMemory pieces[kMost];

  WorkMemory take(std::size_t size) {
    WorkMemory memory = find(size);
    if (!memory.data) memory = from_system(size);  // may throw: what failed was never in use
    in_use += size;
    most_in_use = std::max(most_in_use, in_use);
    return memory;
  }

  void give_back(const WorkMemory& piece) {
    in_use -= piece.bytes;
    if (piece.bytes > kKeptWorkMemory) return to_system(piece);
    // What was used last is likely to be asked for again: others go first.
    while (count == kMost || bytes + piece.bytes > kKeptWorkMemory) to_system(remove(0));
    pieces[count++] = piece;
    bytes += piece.bytes;
  }

  void clear() {
    while (count > 0) to_system(remove(0));
  }

 private:
  // A piece of this size, or an empty one, once there is room for another.
  WorkMemory find(std::size_t size) {
    for (std::size_t i = count; i-- > 0;)
      if (pieces[i].bytes == size) return remove(i);
    const std::size_t then = in_use + size, most = std::max(most_in_use, then) + kSpareWorkMemory;
    while (count > 0 && then + bytes > most) to_system(remove(0));
    return {};
  }

  WorkMemory remove(std::size_t i) {
    const WorkMemory piece = pieces[i];
    pieces[i] = pieces[--count];
    bytes -= piece.bytes;
    return piece;
  }
};

Kept* make_kept();

Kept& kept() {
  static Kept* const all = make_kept();  // outlives static destructors, as pool threads do
  return *all;
}

// A process forks while no thread is inside: else the lock would stay locked in the child.
Kept* make_kept() {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork([] { kept().mutex.lock(); }, [] { kept().mutex.unlock(); },
                 [] { kept().mutex.unlock(); });
#endif
  return new Kept;
}

}  // namespace

WorkMemory take_work_memory(std::size_t bytes) {
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  // Powers of two, so that pieces fit again; pages that are never touched cost nothing.
  return all.take(std::bit_ceil(std::max(bytes, kPiece)));
}

void give_back_work_memory(WorkMemory memory) noexcept {
  if (!memory.data) return;
  memory.zeroed = false;
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  all.give_back(memory);
}

void free_work_memory() noexcept {
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  all.clear();
}

WorkMemoryUse work_memory_use() {
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  return {all.in_use, all.bytes};
}

}  // namespace trimatte

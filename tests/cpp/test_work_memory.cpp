#include <atomic>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include "check.hpp"
#include "core/work_memory.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace trimatte;

namespace {

constexpr std::size_t kMebi = std::size_t{1} << 20;

void take_and_give_back(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const WorkMemory small = take_work_memory(kMebi), large = take_work_memory(3 * kMebi);
    std::memset(small.data, 1, 64);
    give_back_work_memory(small);
    give_back_work_memory(large);
  }
}

}  // namespace

TEST(work_memory_pieces_are_used_again) {
  free_work_memory();
  const WorkMemory first = take_work_memory(3 * kMebi);
  CHECK(first.bytes == 4 * kMebi && first.zeroed);
  CHECK(work_memory_use().in_use == 4 * kMebi && work_memory_use().kept == 0);
  give_back_work_memory(first);
  CHECK(work_memory_use().in_use == 0 && work_memory_use().kept == 4 * kMebi);
  const WorkMemory again = take_work_memory(4 * kMebi);
  CHECK(again.data == first.data && !again.zeroed);
  give_back_work_memory(again);
  free_work_memory();
  CHECK(work_memory_use().in_use == 0 && work_memory_use().kept == 0);
}

TEST(work_memory_counts_what_threads_take_at_once) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([] { take_and_give_back(20000); });
  for (std::thread& thread : threads) thread.join();
  CHECK(work_memory_use().in_use == 0);
  free_work_memory();
}

TEST(work_memory_that_there_is_not_is_not_in_use) {
  bool thrown = false;
  try {
    take_work_memory(std::size_t{1} << 60);
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  CHECK(thrown);
  CHECK(work_memory_use().in_use == 0);
  // Nor does it count as what was once in use: of two sizes in turn, one is kept.
  const WorkMemory first = take_work_memory(64 * kMebi);
  give_back_work_memory(first);
  const WorkMemory second = take_work_memory(128 * kMebi);
  CHECK(work_memory_use().kept == 0);
  give_back_work_memory(second);
  free_work_memory();
}

#if defined(__unix__) || defined(__APPLE__)
TEST(work_memory_is_free_in_a_forked_child) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!stop) take_and_give_back(10);
    });
  for (int i = 0; i < 200; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // ends a child that waits for ever
      free_work_memory();
      take_and_give_back(1);
      _exit(0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    if (status != 0) break;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  free_work_memory();
}
#endif

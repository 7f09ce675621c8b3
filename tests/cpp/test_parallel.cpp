#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "core/interrupt.hpp"
#include "core/parallel.hpp"

using namespace trimatte;

TEST(threads_every_item_once) {
  for (const int threads : {1, 2, 5})
    for (const std::ptrdiff_t count : {0, 1, 7, 1000}) {
      set_thread_count(threads);
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
      parallel_for(count, 3, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        for (std::ptrdiff_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
      });
      bool once = true;
      for (const auto& h : hits) once &= h == 1;
      CHECK(once);
    }
  set_thread_count(0);
}

TEST(threads_many_callers_share_the_pool) {
  set_thread_count(3);
  std::atomic<std::ptrdiff_t> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        parallel_for(64, 4,
                     [&](std::ptrdiff_t begin, std::ptrdiff_t end) { total += end - begin; });
    });
  for (std::thread& t : callers) t.join();
  CHECK(total == 4 * 200 * 64);
  set_thread_count(0);
}

TEST(threads_an_exception_reaches_the_caller) {
  set_thread_count(3);
  bool caught = false;
  try {
    parallel_for(100, 1, [](std::ptrdiff_t begin, std::ptrdiff_t) {
      if (begin == 41) throw std::runtime_error("41");
    });
  } catch (const std::runtime_error&) {
    caught = true;
  }
  CHECK(caught);
  set_thread_count(0);
}

TEST(threads_work_may_nest) {
  set_thread_count(3);
  std::atomic<int> total{0};
  parallel_for(8, 1, [&](std::ptrdiff_t, std::ptrdiff_t) {
    parallel_for(8, 1, [&](std::ptrdiff_t, std::ptrdiff_t) { ++total; });
  });
  CHECK(total == 64);
  set_thread_count(0);
}

TEST(threads_an_interrupt_ends_the_work_of_its_thread_only) {
  struct Interrupt {};
  const auto wait = [](std::ptrdiff_t, std::ptrdiff_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    bool ended = false, other_ended = false;
    std::thread other([&] {
      try {
        parallel_for(10, 1, wait);
      } catch (const Interrupt&) {
        other_ended = true;
      }
    });
    try {
      const InterruptScope scope([] { throw Interrupt(); });
      parallel_for(1000, 1, wait);
    } catch (const Interrupt&) {
      ended = true;
    }
    other.join();
    CHECK(ended);
    CHECK(!other_ended);
    parallel_for(6, 1, wait);  // the scope is over
  }
  set_thread_count(0);
}

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
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

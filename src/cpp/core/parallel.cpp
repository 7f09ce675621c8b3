#include "core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/cpu_count.hpp"
#include "core/interrupt.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace trimatte {
namespace {

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Job {
  detail::ChunkFunction function;
  void* context;
  std::ptrdiff_t count;
  std::ptrdiff_t grain;
  int max_workers;
  std::atomic<std::ptrdiff_t> next{0};
  int workers = 0;  // pool threads inside the job; guarded by Pool::mutex
  std::atomic<bool> failed{false};
  std::exception_ptr error{};  // written by the thread that sets `failed`, read after the join

  bool open() const { return next.load(std::memory_order_relaxed) < count; }

  void work() {
    for (;;) {
      const std::ptrdiff_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      try {
        check_interrupt();
        function(context, begin, std::min(begin + grain, count));
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
        next.store(count, std::memory_order_relaxed);
        return;
      }
    }
  }
};

// Callers from any number of threads share the pool: each puts its job on the list and works on it
// itself, idle pool threads join the first job that still has chunks to give.
class Pool {
 public:
  void run(Job& job, int helpers) {
    {
      std::lock_guard lock(mutex_);
      start_threads(helpers);
      jobs_.push_back(&job);
    }
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    job.work();
    {
      std::lock_guard lock(mutex_);
      jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
    }
    for (int spins = 0;; ++spins) {  // chunks are short: the last helper leaves soon
      {
        std::lock_guard lock(mutex_);
        if (job.workers == 0) return;
      }
      if (spins < 64) {
        for (int i = 0; i < 16; ++i) relax();
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  // As many threads as are wanted, or as the system allows: the caller works in any case.
  void start_threads(int wanted) {
    try {
      for (; static_cast<int>(threads_) < wanted; ++threads_)
        std::thread([this] { loop(); }).detach();
    } catch (const std::system_error&) {
    }
  }

  Job* take() {
    std::lock_guard lock(mutex_);
    for (Job* job : jobs_) {
      if (job->open() && job->workers < job->max_workers) {
        ++job->workers;
        return job;
      }
    }
    return nullptr;
  }

  void loop() {
    // A solver hands out hundreds of short jobs in a row: spin for some 30 us before sleeping.
    constexpr int kSpins = 2000;
    std::uint32_t seen = 0;
    for (;;) {
      if (Job* job = take()) {
        job->work();
        std::lock_guard lock(mutex_);
        --job->workers;
        continue;
      }
      std::uint32_t now = epoch_.load(std::memory_order_acquire);
      for (int spins = 0; now == seen && spins < kSpins; ++spins) {
        relax();
        now = epoch_.load(std::memory_order_acquire);
      }
      if (now == seen) epoch_.wait(seen, std::memory_order_acquire);
      seen = epoch_.load(std::memory_order_acquire);
    }
  }

  std::mutex mutex_;
  std::vector<Job*> jobs_;
  std::size_t threads_ = 0;
  std::atomic<std::uint32_t> epoch_{0};
};

std::atomic<int> requested_threads{0};

// Never destroyed: pool threads may outlive static destructors. Forgotten in a forked child, where
// its threads do not exist; the child makes its own at first use.
std::atomic<Pool*> current_pool{nullptr};

Pool& pool() {
  if (Pool* existing = current_pool.load(std::memory_order_acquire)) return *existing;
#if defined(__unix__) || defined(__APPLE__)
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { current_pool.store(nullptr); });
  (void)registered;
#endif
  Pool* mine = new Pool;
  Pool* expected = nullptr;
  if (current_pool.compare_exchange_strong(expected, mine)) return *mine;
  delete mine;
  return *expected;
}

int default_threads() {
  if (const char* text = std::getenv("TRIMATTE_NUM_THREADS")) {
    const int count = std::atoi(text);
    if (count > 0) return count;
  }
  return cpu_count();
}

}  // namespace

int thread_count() {
  const int count = requested_threads.load(std::memory_order_relaxed);
  if (count > 0) return count;
  static const int fallback = default_threads();
  return fallback;
}

void set_thread_count(int count) {
  requested_threads.store(count, std::memory_order_relaxed);
}

void detail::parallel_chunks(std::ptrdiff_t count, std::ptrdiff_t grain, ChunkFunction function,
                             void* context) {
  if (count <= 0) return;
  const std::ptrdiff_t chunks = (count + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<std::ptrdiff_t>(thread_count(), chunks));
  if (threads <= 1) {
    for (std::ptrdiff_t begin = 0; begin < count; begin += grain) {
      check_interrupt();
      function(context, begin, std::min(begin + grain, count));
    }
    return;
  }
  Job job{function, context, count, grain, threads - 1};
  pool().run(job, threads - 1);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace trimatte

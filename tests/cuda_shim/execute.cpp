// Runs kernels: one fiber a CUDA thread, threads and blocks in the order of cuda_shim::schedule.
//
// Built without ThreadSanitizer even where the kernels have it: what happens in here is neither a
// race of the kernel nor an order that the kernel may rely on. The orders that CUDA does promise
// are told to it by acquire and release: launch -> threads -> end of the kernel, barriers.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__) || CUDA_SHIM_TSAN
extern "C" void __sanitizer_symbolize_pc(void* pc, const char* format, char* out, std::size_t size);
#endif
#if CUDA_SHIM_TSAN
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_ignore_thread_begin();
void __tsan_ignore_thread_end();
}
#endif

namespace cuda_shim {
namespace {

constexpr unsigned kWarp = 32;
constexpr std::size_t kStack = 256 << 10;

// ---- Orders, for ThreadSanitizer

#if CUDA_SHIM_TSAN
constexpr bool kTracked = true;
using Order = char;  // its address is what counts
void release(Order& order) {
  __tsan_release(&order);
}
void acquire(Order& order) {
  __tsan_acquire(&order);
}
// What a fiber takes from the heap for the shim, and gives back, is not the kernel's doing.
struct Untracked {
  Untracked() { __tsan_ignore_thread_begin(); }
  ~Untracked() { __tsan_ignore_thread_end(); }
};
#else
constexpr bool kTracked = false;
struct Order {};
void release(Order&) {}
void acquire(Order&) {}
struct Untracked {
  ~Untracked() {}
};
#endif

// ---- Stacks, and the switch from one to another

#if defined(__x86_64__)

extern "C" void cuda_shim_switch(void** save, void* to);
asm(R"(
  .pushsection .text
  .hidden cuda_shim_switch
  .globl cuda_shim_switch
  .type cuda_shim_switch, @function
cuda_shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size cuda_shim_switch, .-cuda_shim_switch
  .popsection
)");

// Where a stack was left.
class Context {
 public:
  Context() = default;
  Context(char* stack, void (*enter)()) {
    constexpr int kSaved = 6;                                   // registers
    void** top = reinterpret_cast<void**>(stack + kStack) - 1;  // no return address: the last frame
    *top = nullptr;
    *--top = reinterpret_cast<void*>(enter);
    for (int i = 0; i < kSaved; ++i) *--top = nullptr;
    top_ = top;
  }
  void switch_to(Context& other) { cuda_shim_switch(&top_, other.top_); }

 private:
  void* top_ = nullptr;
};

#else

class Context {
 public:
  Context() = default;
  Context(char* stack, void (*enter)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = kStack;
    context_.uc_link = nullptr;
    makecontext(&context_, enter, 0);
  }
  void switch_to(Context& other) { swapcontext(&context_, &other.context_); }

 private:
  ucontext_t context_;
};

#endif

void enter_fiber();

struct Fiber {
  Fiber() : stack(new_stack()), context(stack, enter_fiber) {
#if CUDA_SHIM_TSAN
    tsan = __tsan_create_fiber(0);
#endif
  }
  Fiber(const Fiber&) = delete;

  // The page below the stack is no memory: an overflow stops there.
  static char* new_stack() {
    const auto guard = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* pages = mmap(nullptr, guard + kStack, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages, guard, PROT_NONE) != 0) {
      std::perror("cuda_shim: a fiber's stack");
      std::abort();
    }
    return static_cast<char*>(pages) + guard;
  }

  char* stack;
  Context context;
  unsigned thread = 0;   // the CUDA thread that it runs
  void* fake = nullptr;  // AddressSanitizer's stack
  void* tsan = nullptr;
};

// Fibers that no block uses, for the next one: they never end.
class FiberPool {
 public:
  Fiber* take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return new Fiber;
    Fiber* fiber = idle_.back();
    idle_.pop_back();
    return fiber;
  }
  void give_back(const std::vector<Fiber*>& fibers) {
    const std::lock_guard lock(mutex_);
    idle_.insert(idle_.end(), fibers.rbegin(), fibers.rend());
  }

 private:
  std::mutex mutex_;
  std::vector<Fiber*> idle_;
};
FiberPool& fiber_pool = *new FiberPool;  // never destroyed: static destructors may use it

// ---- Messages

std::string name_of(const Launch& launch) {
  std::string name;
#if defined(__SANITIZE_ADDRESS__) || CUDA_SHIM_TSAN
  char text[512] = "";
  __sanitizer_symbolize_pc(const_cast<void*>(launch.kernel), "%f, %S", text, sizeof(text));
  name = text;
#else
  name = launch.signature;
#endif
  const auto side = [](dim3 d) {
    return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
  };
  return name + " (grid " + side(launch.grid) + ", block " + side(launch.block) + ")";
}

[[noreturn]] void stop(const Launch& launch, const std::string& why) {
  std::fprintf(stderr, "cuda_shim: %s in kernel %s\n", why.c_str(), name_of(launch).c_str());
  std::fflush(nullptr);
  std::abort();
}

constexpr const char* name_of(Barrier kind) {
  switch (kind) {
    case Barrier::kPlain: return "__syncthreads";
    case Barrier::kOr: return "__syncthreads_or";
    case Barrier::kAnd: return "__syncthreads_and";
    case Barrier::kCount: return "__syncthreads_count";
    case Barrier::kGrid: return "this_grid().sync()";
  }
  return "";
}

// ---- A grid and its blocks

unsigned count_of(dim3 d) {
  return d.x * d.y * d.z;
}
uint3 place(unsigned i, dim3 d) {
  return {i % d.x, i / d.x % d.y, i / (d.x * d.y)};
}

// 0 ... count - 1 as the schedule says.
std::vector<unsigned> ordered(unsigned count) {
  std::vector<unsigned> order(count);
  std::iota(order.begin(), order.end(), 0u);
  const unsigned seed = schedule;
  if (seed == kDescending) std::reverse(order.begin(), order.end());
  if (seed > kDescending) std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  return order;
}

// Where the blocks of a cooperative grid wait for each other.
class GridBarrier {
 public:
  explicit GridBarrier(const Launch& launch) : launch_(launch), blocks_(count_of(launch.grid)) {}

  void arrive() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    check();
    const unsigned turn = turn_;
    if (waiting_ == blocks_) {
      waiting_ = 0;
      ++turn_;
      all_.notify_all();
    }
    all_.wait(lock, [&] { return turn_ != turn; });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ++ended_;
    check();
  }
  Order order[2];  // of odd and even turns: a block may be one ahead

 private:
  void check() const {
    if (waiting_ == 0 || ended_ == 0 || waiting_ + ended_ < blocks_) return;
    stop(launch_, "divergent barrier: " + std::to_string(waiting_) + " of " +
                      std::to_string(blocks_) +
                      " blocks wait at this_grid().sync(), the others "
                      "have ended,");
  }

  const Launch& launch_;
  std::mutex mutex_;
  std::condition_variable all_;
  unsigned blocks_, waiting_ = 0, ended_ = 0, turn_ = 0;
};

// Lanes of a warp that wait for each other.
struct Meeting {
  const char* what;
  unsigned mask, arrived, unread;
  std::uint64_t values[kWarp];
  Order order;
};

// Runs blocks of a launch, one after the other, on the OS thread that made it.
class Crew {
 public:
  Crew(const Launch& launch, GridBarrier* grid);
  ~Crew();
  Crew(const Crew&) = delete;
  void run_block(unsigned block);

  // Of the CUDA thread that runs:
  int barrier(Barrier kind, bool predicate);
  template <class Read>
  auto meet(const char* what, unsigned mask, std::uint64_t value, const Read& read);
  unsigned lane() const { return running_->thread % kWarp; }

  // Of a fiber, which outlives the crew: it asks anew whose it is after each switch.
  __attribute__((noinline)) static Crew& current();
  __attribute__((noinline)) void run_threads();
  __attribute__((noinline)) void arrived(Fiber&);
  void leave();
  Fiber* running() const { return running_; }

 private:
  enum class State : std::uint8_t { kReady, kAtBarrier, kInWarp, kEnded };
  struct Thread {
    uint3 index;
    State state;
    Fiber* fiber;
  };
  using Meetings = std::vector<Meeting*>;

  void start_threads();
  bool resume_ready();
  void resume(Fiber&);
  void open_barrier();
  Meeting& join(Meetings&, const char* what, unsigned mask);
  [[noreturn]] void report_divergence() const;

  const Launch& launch_;
  GridBarrier* const grid_;
  const unsigned count_;
  const std::vector<unsigned> order_;
  std::vector<Thread> threads_;
  std::vector<Fiber*> fibers_, idle_;
  std::vector<Meetings> meetings_;  // of each warp, not yet complete
  Fiber* running_ = nullptr;
  unsigned started_ = 0, ended_ = 0;

  Barrier kind_ = Barrier::kPlain;
  unsigned waiting_ = 0, votes_ = 0, result_ = 0, turn_ = 0, grid_turn_ = 0;

  Order begin_, end_, barrier_[2];  // barriers of odd and even turns: a thread may be one ahead

  Context scheduler_;
  void* scheduler_tsan_ = nullptr;
  void* scheduler_fake_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  std::size_t scheduler_size_ = 0;
};

thread_local Crew* crew = nullptr;

Crew& Crew::current() {
  return *crew;
}

Crew::Crew(const Launch& launch, GridBarrier* grid)
    : launch_(launch),
      grid_(grid),
      count_(count_of(launch.block)),
      order_(ordered(count_)),
      threads_(count_),
      meetings_((count_ + kWarp - 1) / kWarp) {
  for (unsigned t = 0; t < count_; ++t) threads_[t].index = place(t, launch.block);
  blockDim = launch.block;
  gridDim = launch.grid;
#if CUDA_SHIM_TSAN
  scheduler_tsan_ = __tsan_get_current_fiber();
#endif
  crew = this;
}

Crew::~Crew() {
  crew = nullptr;
  fiber_pool.give_back(fibers_);
}

void Crew::run_block(unsigned block) {
  blockIdx = place(block, launch_.grid);
  started_ = ended_ = 0;
  release(begin_);
  start_threads();
  while (ended_ < count_) {
    if (waiting_ == count_) open_barrier();
    if (!resume_ready()) report_divergence();
  }
  acquire(end_);
}

// A fiber goes on with the next thread where one has ended, so that most need only one fiber.
// ThreadSanitizer must see each on its own.
void Crew::start_threads() {
  idle_ = fibers_;
  while (started_ < count_) {
    if (idle_.empty()) {
      fibers_.push_back(fiber_pool.take());
      idle_.push_back(fibers_.back());
    }
    Fiber* const fiber = idle_.back();
    idle_.pop_back();
    resume(*fiber);
  }
}

void Crew::run_threads() {
  do {
    Fiber& fiber = *running_;
    fiber.thread = order_[started_++];
    Thread& thread = threads_[fiber.thread];
    thread.fiber = &fiber;
    thread.state = State::kReady;
    threadIdx = thread.index;
    acquire(begin_);
    launch_.body();
    release(end_);
    thread.state = State::kEnded;
    ++ended_;
  } while (!kTracked && started_ < count_);
  if (!kTracked) idle_.push_back(running_);
}

bool Crew::resume_ready() {
  bool any = false;
  for (const unsigned t : order_) {
    if (threads_[t].state != State::kReady) continue;
    any = true;
    threadIdx = threads_[t].index;
    resume(*threads_[t].fiber);
  }
  return any;
}

void Crew::resume(Fiber& fiber) {
  running_ = &fiber;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&scheduler_fake_, fiber.stack, kStack);
#endif
#if CUDA_SHIM_TSAN
  __tsan_switch_to_fiber(fiber.tsan, 1);  // 1: without an order between them
#endif
  scheduler_.switch_to(fiber.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(scheduler_fake_, nullptr, nullptr);
#endif
}

void Crew::leave() {
  Fiber& fiber = *running_;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fiber.fake, scheduler_stack_, scheduler_size_);
#endif
#if CUDA_SHIM_TSAN
  __tsan_switch_to_fiber(scheduler_tsan_, 1);
#endif
  fiber.context.switch_to(scheduler_);
  current().arrived(fiber);
}

void Crew::arrived([[maybe_unused]] Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fiber.fake, &scheduler_stack_, &scheduler_size_);
#endif
}

void enter_fiber() {
  Crew::current().arrived(*Crew::current().running());
  for (;;) {
    Crew::current().run_threads();
    Crew::current().leave();
  }
}

// ---- Where threads wait

int Crew::barrier(Barrier kind, bool predicate) {
  if (waiting_ > 0 && kind != kind_)
    stop(launch_, std::string("divergent barrier: some threads wait at ") + name_of(kind_) +
                      ", others at " + name_of(kind) + ",");
  kind_ = kind;
  ++waiting_;
  votes_ += predicate;
  threads_[running_->thread].state = State::kAtBarrier;
  Order& order = kind == Barrier::kGrid ? grid_->order[grid_turn_ % 2] : barrier_[turn_ % 2];
  release(order);
  leave();
  acquire(order);
  switch (kind) {
    case Barrier::kAnd: return result_ == count_;
    case Barrier::kCount: return static_cast<int>(result_);
    default: return result_ > 0;
  }
}

void Crew::open_barrier() {
  if (kind_ == Barrier::kGrid) {
    grid_->arrive();
    ++grid_turn_;
  } else {
    ++turn_;
  }
  result_ = votes_;
  waiting_ = votes_ = 0;
  for (Thread& thread : threads_) thread.state = State::kReady;
}

// The meeting of this lane with the others of the mask, who call the same function.
Meeting& Crew::join(Meetings& meetings, const char* what, unsigned mask) {
  for (Meeting* meeting : meetings)
    if (meeting->mask == mask && meeting->what == what) return *meeting;
  const Untracked untracked;
  meetings.push_back(new Meeting{what, mask, 0, static_cast<unsigned>(std::popcount(mask)), {}, {}});
  // What a lane outside the mask gives:
  std::fill_n(meetings.back()->values, kWarp, 0xCBCBCBCBCBCBCBCBu);
  return *meetings.back();
}

// Leaves `value` for the other lanes of the mask, waits for theirs, and reads them.
template <class Read>
auto Crew::meet(const char* what, unsigned mask, std::uint64_t value, const Read& read) {
  Fiber& fiber = *running_;
  const unsigned bit = 1u << lane(), first = fiber.thread / kWarp * kWarp;
  if (!(mask & bit)) stop(launch_, std::string(what) + ": a lane is not in its own mask,");
  Meetings& meetings = meetings_[fiber.thread / kWarp];
  Meeting& meeting = join(meetings, what, mask);
  meeting.arrived |= bit;
  meeting.values[lane()] = value;
  release(meeting.order);
  if (meeting.arrived == mask) {
    std::erase(meetings, &meeting);
    for (unsigned i = 0; i < kWarp; ++i)
      if (mask >> i & 1u) threads_[first + i].state = State::kReady;
  } else {
    threads_[fiber.thread].state = State::kInWarp;
    leave();
  }
  const auto result = read(meeting);
  if (--meeting.unread == 0) {
    const Untracked untracked;
    delete &meeting;
  }
  return result;
}

void Crew::report_divergence() const {
  std::string where =
      std::to_string(ended_) + " of " + std::to_string(count_) + " threads have ended";
  if (waiting_ > 0) where = std::to_string(waiting_) + " wait at " + name_of(kind_) + ", " + where;
  for (const Meetings& meetings : meetings_)
    for (const Meeting* meeting : meetings) {
      char lanes[96];
      std::snprintf(lanes, sizeof(lanes), "; of lanes %08x, %08x wait in %s", meeting->mask,
                    meeting->arrived, meeting->what);
      where += lanes;
    }
  stop(launch_, "divergent barrier: " + where + ",");
}

// ---- Grids

// All blocks at once, for they wait for each other.
void run_together(const Launch& launch) {
  GridBarrier grid(launch);
  std::vector<std::thread> threads;
  for (const unsigned block : ordered(count_of(launch.grid)))
    threads.emplace_back([&launch, &grid, block] {
      Crew(launch, &grid).run_block(block);
      grid.end();
    });
  for (std::thread& thread : threads) thread.join();
}

// Two crews in turn, without an order between a block and the next: so ThreadSanitizer sees races
// between neighbouring blocks.
void run_in_turn(const Launch& launch) {
  const auto order = ordered(count_of(launch.grid));
  unsigned turn = 0;  // raw: a lock or a std::atomic might be an order
  const auto work = [&](unsigned me) {
    Crew crew(launch, nullptr);
    for (unsigned i = me; i < order.size(); i += 2) {
      for (unsigned now; (now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != i;)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, nullptr, nullptr, 0);
      crew.run_block(order[i]);
      __atomic_store_n(&turn, i + 1, __ATOMIC_RELEASE);
      syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
  };
  std::thread even(work, 0u), odd(work, 1u);
  even.join();
  odd.join();
}

Order fences;

}  // namespace

int barrier(Barrier kind, bool predicate) {
  return Crew::current().barrier(kind, predicate);
}

unsigned lane() {
  return Crew::current().lane();
}

std::uint64_t exchange(const char* what, unsigned mask, std::uint64_t value, unsigned source) {
  return Crew::current().meet(what, mask, value,
                              [&](const Meeting& meeting) { return meeting.values[source]; });
}

unsigned vote(const char* what, unsigned mask, bool predicate) {
  return Crew::current().meet(what, mask, predicate, [&](const Meeting& meeting) {
    unsigned lanes = 0;
    for (unsigned i = 0; i < kWarp; ++i)
      if (mask >> i & 1u) lanes |= static_cast<unsigned>(meeting.values[i]) << i;
    return lanes;
  });
}

// The only function of a warp that orders its memory.
void sync_warp(unsigned mask) {
  Crew::current().meet("__syncwarp", mask, 0, [](Meeting& meeting) {
    acquire(meeting.order);
    return 0;
  });
}

// An order from each fence to those that come later: more than CUDA promises, so that the usual
// "write, fence, count; the last one reads" passes.
void fence() {
  acquire(fences);
  release(fences);
}

void execute(const Launch& launch) {
  if (launch.cooperative) return run_together(launch);
  const unsigned blocks = count_of(launch.grid);
  if (kTracked && blocks > 1) return run_in_turn(launch);
  const bool plain = schedule == kAscending;
  const auto order = plain ? std::vector<unsigned>() : ordered(blocks);
  Crew crew(launch, nullptr);
  for (unsigned i = 0; i < blocks; ++i) crew.run_block(plain ? i : order[i]);
}

}  // namespace cuda_shim

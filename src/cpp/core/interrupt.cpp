#include "core/interrupt.hpp"

#include <chrono>

namespace trimatte {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kInterval = std::chrono::milliseconds(100);

thread_local InterruptScope::Check current = nullptr;
thread_local Clock::time_point next_time;

}  // namespace

InterruptScope::InterruptScope(Check check) : outer_(current) {
  current = check;
  next_time = Clock::now() + kInterval;
}

InterruptScope::~InterruptScope() {
  current = outer_;
}

void check_interrupt() {
  if (!current) return;
  const Clock::time_point now = Clock::now();
  if (now < next_time) return;
  next_time = now + kInterval;
  current();
}

}  // namespace trimatte

// What may end an operation early. It is asked by the thread that called the operation, between
// chunks of work.
#pragma once

namespace trimatte {

// While it lives, operations that this thread calls ask `check` some ten times a second; what it
// throws ends the operation. Scopes may nest: the innermost is asked.
class InterruptScope {
 public:
  using Check = void (*)();

  explicit InterruptScope(Check check);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  Check outer_;
};

// Asks, if there is a scope on this thread and if it is time again.
void check_interrupt();

}  // namespace trimatte

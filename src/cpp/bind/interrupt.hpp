// How Python ends an operation that has released the GIL: by a signal, or by a Cancellation.
#pragma once

#include "core/error.hpp"
#include "core/interrupt.hpp"

namespace trimatte::bind {

struct Cancelled : Error {
  Cancelled() : Error("the work was called off") {}
};

// For InterruptScope: throws Cancelled if what this thread watches was cancelled; on a thread that
// watches nothing, what a signal's handler raises.
void check_python();

}  // namespace trimatte::bind

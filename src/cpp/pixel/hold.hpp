// Alpha held by a garbage matte and a core matte.
#pragma once

#include "core/host_device.hpp"
#include "pixel/composite.hpp"

namespace trimatte {

// Where the garbage matte is 1 nothing is foreground, where the core matte is 1 everything is; the
// core matte has the last word.
template <class A, class M>
TRIMATTE_HD A hold_out(A alpha, M garbage, A full) {
  const A most = static_cast<A>(full - convert_alpha<A>(garbage));
  return alpha < most ? alpha : most;
}
template <class A, class M>
TRIMATTE_HD A hold_in(A alpha, M core) {
  const A least = convert_alpha<A>(core);
  return alpha > least ? alpha : least;
}

}  // namespace trimatte

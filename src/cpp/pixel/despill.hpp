// De-spill of one pixel: the key channel k may not rise above a limit drawn from the other two.
#pragma once

#include "core/host_device.hpp"

namespace trimatte {

enum class DespillMethod { kAverage, kDoubleAverage, kMaxLimit };

struct DespillOptions {
  int channel = 1;  // 0 red, 1 green, 2 blue
  DespillMethod method = DespillMethod::kAverage;
  double strength = 1.0;  // 0 leaves the pixel, 1 takes all of the spill
};

// The limit is (light * a + heavy * b) / divisor, or max(a, b); b is the heavy channel.
struct DespillWeights {
  int divisor;
  int light;
  int heavy;
};
TRIMATTE_HD DespillWeights despill_weights(DespillMethod method) {
  return method == DespillMethod::kAverage         ? DespillWeights{2, 1, 1}
         : method == DespillMethod::kDoubleAverage ? DespillWeights{3, 1, 2}
                                                   : DespillWeights{1, 0, 0};
}

// The spill, times the divisor of the weights: exact on integers.
template <class N>
TRIMATTE_HD N scaled_spill(N k, N a, N b, const DespillWeights& w, bool max_limit) {
  const N excess =
      max_limit ? k - (a > b ? a : b) : N(w.divisor) * k - N(w.light) * a - N(w.heavy) * b;
  return excess > N(0) ? excess : N(0);
}

}  // namespace trimatte

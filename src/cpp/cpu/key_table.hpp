// Alpha by difference, for integer images.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include "core/image_view.hpp"
#include "pixel/key.hpp"

namespace trimatte {

template <class T, class A>
struct KeyTable {
  int threshold = 0;     // hard rule: keyed where the difference exceeds it
  std::vector<A> alpha;  // empty where the threshold is enough, and for float images

  explicit KeyTable(const KeyOptions& options) {
    if constexpr (!std::is_same_v<T, float>) {
      const double unit = static_cast<double>(kFullScale<T>) / 255.0;
      threshold = static_cast<int>(options.tolerance * unit);  // integer d > t  <=>  d > floor(t)
      if (options.softness <= 0.0 && std::is_same_v<T, A>) return;
      alpha.resize(static_cast<std::size_t>(kFullScale<T>) + 1);
      for (std::size_t d = 0; d < alpha.size(); ++d)
        alpha[d] = key_level<A>(static_cast<int>(d), unit, options);
    }
  }
};

}  // namespace trimatte

#include "cpu/target.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace trimatte {
namespace {

#if TRIMATTE_ALL_TARGETS
// The builtin takes literals only.
#define TRIMATTE_TELL(set) \
  if (std::strcmp(instruction_set, set) == 0) return __builtin_cpu_supports(set);

bool this_cpu_has(const char* instruction_set) {
  __builtin_cpu_init();
  TRIMATTE_AVX512_SETS(TRIMATTE_TELL, TRIMATTE_TELL)
  return false;
}
#endif

CpuTarget detect() {
#if TRIMATTE_ALL_TARGETS
  const CpuTarget best = best_target(&this_cpu_has);
#else
  const CpuTarget best = CpuTarget::kBaseline;
#endif
  if (const char* wish = std::getenv("TRIMATTE_CPU_TARGET")) {
    if (std::strcmp(wish, "baseline") == 0) return CpuTarget::kBaseline;
    if (std::strcmp(wish, "avx2") == 0) return std::min(best, CpuTarget::kAvx2);
  }
  return best;
}

}  // namespace

#define TRIMATTE_HAS(set) has(set)
#define TRIMATTE_AND_HAS(set) &&has(set)

CpuTarget best_target(bool (*has)(const char* instruction_set)) {
  if (!(TRIMATTE_AVX2_SETS(TRIMATTE_HAS, TRIMATTE_AND_HAS))) return CpuTarget::kBaseline;
  if (!(TRIMATTE_AVX512_SETS(TRIMATTE_HAS, TRIMATTE_AND_HAS))) return CpuTarget::kAvx2;
  return CpuTarget::kAvx512;
}

CpuTarget cpu_target() {
  static const CpuTarget target = detect();
  return target;
}

const char* cpu_target_name() {
  switch (cpu_target()) {
    case CpuTarget::kAvx512: return "avx512";
    case CpuTarget::kAvx2: return "avx2";
    case CpuTarget::kBaseline: break;
  }
  return "baseline";
}

}  // namespace trimatte

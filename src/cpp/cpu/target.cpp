#include "cpu/target.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace trimatte {
namespace {

CpuTarget detect() {
  CpuTarget best = CpuTarget::kBaseline;
#if TRIMATTE_ALL_TARGETS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2"))
    best = CpuTarget::kAvx2;
  if (best == CpuTarget::kAvx2 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512vbmi"))
    best = CpuTarget::kAvx512;
#endif
  if (const char* wish = std::getenv("TRIMATTE_CPU_TARGET")) {
    if (std::strcmp(wish, "baseline") == 0) return CpuTarget::kBaseline;
    if (std::strcmp(wish, "avx2") == 0) return std::min(best, CpuTarget::kAvx2);
  }
  return best;
}

}  // namespace

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

// Which target runs on which CPU. What a target's code is compiled with and what a CPU is asked for
// come of one list, which is written again here.
#include <cstdlib>
#include <cstring>

#include "check.hpp"
#include "cpu/target.hpp"

using trimatte::best_target;
using trimatte::CpuTarget;

namespace {

const char* const kAvx2[] = {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "popcnt", "movbe"};
const char* const kAvx512[] = {"avx512f",  "avx512bw", "avx512dq",
                               "avx512vl", "avx512cd", "avx512vbmi"};

const char* missing;

bool has_all_but_missing(const char* set) {
  return std::strcmp(set, missing) != 0;
}

CpuTarget without(const char* set) {
  missing = set;
  return best_target(&has_all_but_missing);
}

// This CPU, by names, as far as the compiler knows them.
#if TRIMATTE_ALL_TARGETS
bool cpu_has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt") &&
         __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("movbe");
}
#endif

}  // namespace

TEST(a_target_needs_each_of_its_instruction_sets) {
  CHECK(without("") == CpuTarget::kAvx512);
  for (const char* set : kAvx2) CHECK(without(set) == CpuTarget::kBaseline);
  for (const char* set : kAvx512) CHECK(without(set) == CpuTarget::kAvx2);
}

TEST(a_target_needs_no_other_instruction_set) {
  const auto known = [](const char* set) {
    for (const char* each : kAvx2)
      if (std::strcmp(set, each) == 0) return true;
    for (const char* each : kAvx512)
      if (std::strcmp(set, each) == 0) return true;
    return false;
  };
  CHECK(best_target(known) == CpuTarget::kAvx512);
}

#if TRIMATTE_ALL_TARGETS
TEST(this_cpu_runs_what_it_has) {
  const bool lowered = std::getenv("TRIMATTE_CPU_TARGET") != nullptr;
  CHECK(lowered || (trimatte::cpu_target() != CpuTarget::kBaseline) == cpu_has_avx2());
}
#endif

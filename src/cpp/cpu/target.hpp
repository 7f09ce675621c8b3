// The instruction sets that the CPU backend is compiled for, and the one that runs here.
#pragma once

namespace trimatte {

enum class CpuTarget { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

CpuTarget cpu_target();  // the best this CPU has; TRIMATTE_CPU_TARGET=baseline|avx2 lowers it
const char* cpu_target_name();

// The best target for a CPU, of which `has` tells whether it has an instruction set.
CpuTarget best_target(bool (*has)(const char* instruction_set));

}  // namespace trimatte

// The instruction sets of a target: its code is compiled with them, and runs where a CPU has them
// all. FIRST and NEXT are macros that take a name.
#define TRIMATTE_AVX2_SETS(FIRST, NEXT) \
  FIRST("avx2")                         \
  NEXT("fma") NEXT("f16c") NEXT("bmi") NEXT("bmi2") NEXT("lzcnt") NEXT("popcnt") NEXT("movbe")
// Ice Lake and Zen 4 onwards: the byte permutes (VBMI) are what the pixel shuffles are built on.
#define TRIMATTE_AVX512_SETS(FIRST, NEXT) \
  TRIMATTE_AVX2_SETS(FIRST, NEXT)         \
  NEXT("avx512f")                         \
  NEXT("avx512bw") NEXT("avx512dq") NEXT("avx512vl") NEXT("avx512cd") NEXT("avx512vbmi")

#if !defined(TRIMATTE_ALL_TARGETS)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TRIMATTE_ALL_TARGETS 1
#else
#define TRIMATTE_ALL_TARGETS 0
#endif
#endif

#if TRIMATTE_ALL_TARGETS
#define TRIMATTE_NAME(name) name
#define TRIMATTE_NEXT_NAME(name) , name
#define TRIMATTE_PRAGMA_OF(...) _Pragma(#__VA_ARGS__)
#define TRIMATTE_PRAGMA(...) TRIMATTE_PRAGMA_OF(__VA_ARGS__)  // its arguments are expanded first
#define TRIMATTE_BEGIN_AVX2   \
  _Pragma("GCC push_options") \
      TRIMATTE_PRAGMA(GCC target(TRIMATTE_AVX2_SETS(TRIMATTE_NAME, TRIMATTE_NEXT_NAME)))
#define TRIMATTE_BEGIN_AVX512                             \
  _Pragma("GCC push_options") TRIMATTE_PRAGMA(GCC target( \
      TRIMATTE_AVX512_SETS(TRIMATTE_NAME, TRIMATTE_NEXT_NAME), "prefer-vector-width=512"))
#define TRIMATTE_POP_TARGET _Pragma("GCC pop_options")
#define TRIMATTE_CALL(...)                                   \
  (cpu_target() == CpuTarget::kAvx512 ? &avx512::__VA_ARGS__ \
   : cpu_target() == CpuTarget::kAvx2 ? &avx2::__VA_ARGS__   \
                                      : &baseline::__VA_ARGS__)
#else
#define TRIMATTE_CALL(...) (&baseline::__VA_ARGS__)
#endif

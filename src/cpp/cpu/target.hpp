// The instruction sets that the CPU backend is compiled for, and the one that runs here.
#pragma once

namespace trimatte {

enum class CpuTarget { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

CpuTarget cpu_target();  // the best this CPU has; TRIMATTE_CPU_TARGET=baseline|avx2 lowers it
const char* cpu_target_name();

}  // namespace trimatte

#if !defined(TRIMATTE_ALL_TARGETS)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TRIMATTE_ALL_TARGETS 1
#else
#define TRIMATTE_ALL_TARGETS 0
#endif
#endif

#if TRIMATTE_ALL_TARGETS
#define TRIMATTE_BEGIN_AVX2 \
  _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,movbe\")")
// Ice Lake and Zen 4 onwards: the byte permutes (VBMI) are what the pixel shuffles are built on.
// (one literal: _Pragma takes no concatenation)
// clang-format off
#define TRIMATTE_BEGIN_AVX512 \
  _Pragma("GCC push_options") \
  _Pragma("GCC target(\"avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,movbe,prefer-vector-width=512\")")
// clang-format on
#define TRIMATTE_POP_TARGET _Pragma("GCC pop_options")
#define TRIMATTE_CALL(...)                                   \
  (cpu_target() == CpuTarget::kAvx512 ? &avx512::__VA_ARGS__ \
   : cpu_target() == CpuTarget::kAvx2 ? &avx2::__VA_ARGS__   \
                                      : &baseline::__VA_ARGS__)
#else
#define TRIMATTE_CALL(...) (&baseline::__VA_ARGS__)
#endif

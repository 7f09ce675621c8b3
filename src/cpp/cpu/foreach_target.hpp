// Compiles a file once per instruction set, in the manner of Google Highway, with no flags and no
// second copy of inline functions from elsewhere (only what stands between TRIMATTE_TARGET_BEGIN
// and TRIMATTE_TARGET_END is compiled for the richer set). Usage, at the top of cpu/x.cpp:
//
//   #define TRIMATTE_THIS_FILE "cpu/x.cpp"
//   #include "cpu/foreach_target.hpp"
//   #include ... (guarded headers)
//   TRIMATTE_TARGET_BEGIN             namespace trimatte::avx512 { ...
//   void x_rows(...) { ... }
//   TRIMATTE_TARGET_END
//   #if TRIMATTE_ONCE
//   ... TRIMATTE_CALL(x_rows)(...);   picks the best that this CPU has
//   #endif
//
// TRIMATTE_ALL_TARGETS=0 (sanitizer and debug builds, other compilers) leaves the baseline only.
#if !defined(TRIMATTE_FOREACH_TARGET)
#define TRIMATTE_FOREACH_TARGET

#include "cpu/target.hpp"

#if TRIMATTE_ALL_TARGETS
#define TRIMATTE_TARGET avx512
#define TRIMATTE_TARGET_ID 2
#define TRIMATTE_TARGET_BEGIN                        \
  TRIMATTE_BEGIN_AVX512 namespace trimatte::avx512 { \
    namespace {
#define TRIMATTE_TARGET_END \
  }                         \
  }                         \
  TRIMATTE_POP_TARGET
#include TRIMATTE_THIS_FILE
#undef TRIMATTE_TARGET
#undef TRIMATTE_TARGET_ID
#undef TRIMATTE_TARGET_BEGIN
#define TRIMATTE_TARGET avx2
#define TRIMATTE_TARGET_ID 1
#define TRIMATTE_TARGET_BEGIN                    \
  TRIMATTE_BEGIN_AVX2 namespace trimatte::avx2 { \
    namespace {
#include TRIMATTE_THIS_FILE
#undef TRIMATTE_TARGET
#undef TRIMATTE_TARGET_ID
#undef TRIMATTE_TARGET_BEGIN
#undef TRIMATTE_TARGET_END
#endif

#define TRIMATTE_TARGET baseline
#define TRIMATTE_TARGET_ID 0
#define TRIMATTE_TARGET_BEGIN    \
  namespace trimatte::baseline { \
  namespace {
#define TRIMATTE_TARGET_END \
  }                         \
  }
#define TRIMATTE_ONCE 1

#endif

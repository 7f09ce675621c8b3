// The one place that knows whether a CUDA compiler is reading: pixel functions carry TRIMATTE_HD.
#pragma once

#if defined(__CUDACC__)
#define TRIMATTE_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define TRIMATTE_HD inline __attribute__((always_inline))
#else
#define TRIMATTE_HD inline
#endif

// Unrolls the loop behind it where nvcc compiles for a device; a host compiler does as it thinks
// best.
#if defined(__CUDA_ARCH__)
#define TRIMATTE_UNROLL _Pragma("unroll")
#else
#define TRIMATTE_UNROLL
#endif

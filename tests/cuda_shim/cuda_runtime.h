// Test-only stand-in for the CUDA runtime: src/cuda/*.cu, unmodified, compiled as ordinary C++ and
// run on the CPU, so that sanitizers see every access of a kernel and every test runs without a
// GPU.
//
// This header is the language: keywords, built-in variables and functions, and the runtime's calls.
// execute.cpp runs kernels, one fiber a CUDA thread; runtime.cpp has streams, events and memory.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>

// ---- The language

#define __global__
#define __grid_constant__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __noinline__ __attribute__((noinline))  // after <memory>, where the word means itself
#define __align__(n) __attribute__((aligned(n)))

// Blocks that run at the same time are OS threads. Thread-local memory has no red zones, though, so
// under AddressSanitizer one block runs at a time and shared memory is one for all. (It has red
// zones only in kernels of unnamed namespaces: others may be defined in several files.)
#if defined(__SANITIZE_ADDRESS__)
#define __shared__ static
#else
#define __shared__ static thread_local
#endif

#define CUDA_SHIM_VECTOR(name, type, alignment)                      \
  struct alignas(alignment) name##2 {                                \
    type x, y;                                                       \
  };                                                                 \
  struct name##3 {                                                   \
    type x, y, z;                                                    \
  };                                                                 \
  struct alignas(2 * alignment) name##4 {                            \
    type x, y, z, w;                                                 \
  };                                                                 \
  constexpr name##2 make_##name##2(type x, type y) {                 \
    return {x, y};                                                   \
  }                                                                  \
  constexpr name##3 make_##name##3(type x, type y, type z) {         \
    return {x, y, z};                                                \
  }                                                                  \
  constexpr name##4 make_##name##4(type x, type y, type z, type w) { \
    return {x, y, z, w};                                             \
  }
CUDA_SHIM_VECTOR(uchar, unsigned char, 2)
CUDA_SHIM_VECTOR(ushort, unsigned short, 4)
CUDA_SHIM_VECTOR(int, int, 8)
CUDA_SHIM_VECTOR(uint, unsigned, 8)
CUDA_SHIM_VECTOR(float, float, 8)
#undef CUDA_SHIM_VECTOR

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

// Of the CUDA thread that runs; execute.cpp sets them.
inline constinit thread_local uint3 threadIdx{}, blockIdx{};
inline constinit thread_local dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace cuda_shim {

// What a test may set; the environment gives the first values.
inline constexpr unsigned kAscending = 0, kDescending = 1;
extern std::atomic<unsigned> schedule;         // TRIMATTE_SHIM_ORDER; > 1: shuffled by that seed
extern std::atomic<bool> eager;                // TRIMATTE_SHIM_EAGER=1: no work waits
extern std::atomic<std::size_t> memory_limit;  // TRIMATTE_SHIM_MEMORY: bytes a device
extern std::atomic<int> devices;               // TRIMATTE_SHIM_DEVICES
extern std::atomic<int> broken;                // a cudaError_t that stays, as after a bad access
extern std::atomic<std::uint64_t> waits;  // how often the host has waited, or would have on a GPU

// Where all threads of a block wait for each other; they must agree on the kind.
enum class Barrier { kPlain, kOr, kAnd, kCount, kGrid };
int barrier(Barrier kind, bool predicate);  // kCount: how many said true; else whether

// Where the lanes of a mask wait for each other. `what` names the function in a message.
unsigned lane();
std::uint64_t exchange(const char* what, unsigned mask, std::uint64_t value, unsigned source);
unsigned vote(const char* what, unsigned mask, bool predicate);  // the lanes that said true
void sync_warp(unsigned mask);
void fence();

// A kernel launch, as it waits in a stream.
struct Launch {
  dim3 grid, block;
  bool cooperative;
  const void* kernel;
  const char* signature;
  std::function<void()> body;  // one thread of it
};
void execute(const Launch&);

}  // namespace cuda_shim

// ---- Built-in functions: barriers, votes, shuffles

inline void __syncthreads() {
  cuda_shim::barrier(cuda_shim::Barrier::kPlain, false);
}
inline int __syncthreads_or(int predicate) {
  return cuda_shim::barrier(cuda_shim::Barrier::kOr, predicate != 0);
}
inline int __syncthreads_and(int predicate) {
  return cuda_shim::barrier(cuda_shim::Barrier::kAnd, predicate != 0);
}
inline int __syncthreads_count(int predicate) {
  return cuda_shim::barrier(cuda_shim::Barrier::kCount, predicate != 0);
}
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  cuda_shim::sync_warp(mask);
}
inline void __threadfence() {
  cuda_shim::fence();
}
inline void __threadfence_block() {
  cuda_shim::fence();
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return cuda_shim::vote("__ballot_sync", mask, predicate != 0);
}
inline int __any_sync(unsigned mask, int predicate) {
  return cuda_shim::vote("__any_sync", mask, predicate != 0) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return cuda_shim::vote("__all_sync", mask, predicate != 0) == mask;
}

namespace cuda_shim {

template <class T>
T shuffle(const char* what, unsigned mask, T value, unsigned source) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) >= 4 && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = exchange(what, mask, bits, source);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace cuda_shim

// A warp is cut into segments of `width` lanes; a lane without a source keeps its own value.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
  const auto w = static_cast<unsigned>(width), first = cuda_shim::lane() / w * w;
  return cuda_shim::shuffle("__shfl_sync", mask, value, first + static_cast<unsigned>(source) % w);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const unsigned me = cuda_shim::lane(), inside = me % static_cast<unsigned>(width);
  return cuda_shim::shuffle("__shfl_up_sync", mask, value, inside >= delta ? me - delta : me);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const auto w = static_cast<unsigned>(width), me = cuda_shim::lane();
  return cuda_shim::shuffle("__shfl_down_sync", mask, value, me % w + delta < w ? me + delta : me);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize) {
  const auto w = static_cast<unsigned>(width), me = cuda_shim::lane();
  const unsigned source = me ^ static_cast<unsigned>(bits);
  return cuda_shim::shuffle("__shfl_xor_sync", mask, value,
                            source < (me / w + 1) * w ? source : me);
}

// ---- Built-in functions: atomics, in the order of no other memory, as CUDA's; bits; numbers

namespace cuda_shim {
template <class T>
concept Atomic =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;

// *address = change(*address), at once; what it was.
template <class T, class Change>
T atomic_change(T* address, const Change& change) {
  T old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(address, &old, change(old), false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
  }
  return old;
}
}  // namespace cuda_shim

template <cuda_shim::Atomic T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
template <cuda_shim::Atomic T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_or(address, value, __ATOMIC_RELAXED);
}
template <cuda_shim::Atomic T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_and(address, value, __ATOMIC_RELAXED);
}
template <cuda_shim::Atomic T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return __atomic_exchange_n(address, value, __ATOMIC_RELAXED);
}
template <cuda_shim::Atomic T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return cuda_shim::atomic_change(address, [&](T old) { return old > value ? old : value; });
}
template <cuda_shim::Atomic T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return cuda_shim::atomic_change(address, [&](T old) { return old < value ? old : value; });
}
template <cuda_shim::Atomic T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  __atomic_compare_exchange_n(address, &compare, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return compare;
}

template <class T>
T __ldg(const T* address) {
  return *address;
}

constexpr int __popc(unsigned v) {
  return std::popcount(v);
}
constexpr int __popcll(unsigned long long v) {
  return std::popcount(v);
}
constexpr int __clz(int v) {
  return std::countl_zero(static_cast<unsigned>(v));
}
constexpr int __clzll(long long v) {
  return std::countl_zero(static_cast<unsigned long long>(v));
}
constexpr int __ffs(int v) {
  return __builtin_ffs(v);
}
constexpr int __ffsll(long long v) {
  return __builtin_ffsll(v);
}
constexpr unsigned __brev(unsigned v) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (v >> i & 1u) << (31 - i);
  return reversed;
}
constexpr unsigned long long __brevll(unsigned long long v) {
  return static_cast<unsigned long long>(__brev(static_cast<unsigned>(v))) << 32 |
         __brev(static_cast<unsigned>(v >> 32));
}

// high:low shifted; the shift is taken modulo 32, or held at 32 (c: clamped).
constexpr unsigned __funnelshift_lc(unsigned low, unsigned high, unsigned shift) {
  const std::uint64_t both = std::uint64_t{high} << 32 | low;
  return static_cast<unsigned>((both << (shift < 32 ? shift : 32)) >> 32);
}
constexpr unsigned __funnelshift_rc(unsigned low, unsigned high, unsigned shift) {
  const std::uint64_t both = std::uint64_t{high} << 32 | low;
  return static_cast<unsigned>(both >> (shift < 32 ? shift : 32));
}
constexpr unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return __funnelshift_lc(low, high, shift & 31);
}
constexpr unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return __funnelshift_rc(low, high, shift & 31);
}

#define CUDA_SHIM_MIN_MAX(A, B, R)                                                        \
  constexpr R min(A a, B b) {                                                             \
    return static_cast<R>(a) < static_cast<R>(b) ? static_cast<R>(a) : static_cast<R>(b); \
  }                                                                                       \
  constexpr R max(A a, B b) {                                                             \
    return static_cast<R>(a) > static_cast<R>(b) ? static_cast<R>(a) : static_cast<R>(b); \
  }
CUDA_SHIM_MIN_MAX(int, int, int)
CUDA_SHIM_MIN_MAX(unsigned, unsigned, unsigned)
CUDA_SHIM_MIN_MAX(int, unsigned, unsigned)
CUDA_SHIM_MIN_MAX(unsigned, int, unsigned)
CUDA_SHIM_MIN_MAX(long, long, long)
CUDA_SHIM_MIN_MAX(unsigned long, unsigned long, unsigned long)
CUDA_SHIM_MIN_MAX(long long, long long, long long)
CUDA_SHIM_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
CUDA_SHIM_MIN_MAX(float, float, float)
CUDA_SHIM_MIN_MAX(double, double, double)
#undef CUDA_SHIM_MIN_MAX

// ---- The runtime: types

#define CUDA_SHIM_ERRORS(X)                                                                      \
  X(cudaSuccess, 0, "no error")                                                                  \
  X(cudaErrorInvalidValue, 1, "invalid argument")                                                \
  X(cudaErrorMemoryAllocation, 2, "out of memory")                                               \
  X(cudaErrorInitializationError, 3, "initialization error")                                     \
  X(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                          \
  X(cudaErrorInvalidPitchValue, 12, "invalid pitch argument")                                    \
  X(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")                    \
  X(cudaErrorInsufficientDriver, 35,                                                             \
    "CUDA driver version is insufficient for CUDA runtime version")                              \
  X(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                                \
  X(cudaErrorInvalidDevice, 101, "invalid device ordinal")                                       \
  X(cudaErrorECCUncorrectable, 214, "uncorrectable ECC error encountered")                       \
  X(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                              \
  X(cudaErrorNotReady, 600, "device not ready")                                                  \
  X(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")                    \
  X(cudaErrorLaunchTimeout, 702, "the launch timed out and was terminated")                      \
  X(cudaErrorAssert, 710, "device-side assert triggered")                                        \
  X(cudaErrorHostMemoryNotRegistered, 713,                                                       \
    "pointer does not correspond to a registered memory region")                                 \
  X(cudaErrorHardwareStackError, 714, "hardware stack error")                                    \
  X(cudaErrorIllegalInstruction, 715, "an illegal instruction was encountered")                  \
  X(cudaErrorMisalignedAddress, 716, "misaligned address")                                       \
  X(cudaErrorInvalidAddressSpace, 717, "operation not supported on global/shared address space") \
  X(cudaErrorInvalidPc, 718, "invalid program counter")                                          \
  X(cudaErrorLaunchFailure, 719, "unspecified launch failure")                                   \
  X(cudaErrorCooperativeLaunchTooLarge, 720, "too many blocks in cooperative launch")            \
  X(cudaErrorNotSupported, 801, "operation not supported")                                       \
  X(cudaErrorStreamCaptureUnsupported, 900, "operation not permitted when stream is capturing")  \
  X(cudaErrorStreamCaptureInvalidated, 901,                                                      \
    "operation failed due to a previous error during capture")                                   \
  X(cudaErrorIllegalState, 401, "the operation cannot be performed in the present state")        \
  X(cudaErrorUnknown, 999, "unknown error")

enum cudaError_t {
#define X(name, value, text) name = value,
  CUDA_SHIM_ERRORS(X)
#undef X
};

using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
using cudaMemPool_t = struct CUmemPoolHandle_st*;
using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;

inline const cudaStream_t cudaStreamLegacy = reinterpret_cast<cudaStream_t>(1);
inline const cudaStream_t cudaStreamPerThread = reinterpret_cast<cudaStream_t>(2);
inline constexpr unsigned cudaStreamDefault = 0, cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0, cudaEventBlockingSync = 1,
                          cudaEventDisableTiming = 2;
inline constexpr unsigned cudaEventWaitDefault = 0, cudaHostAllocDefault = 0,
                          cudaHostAllocPortable = 1;

enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaMemoryType {
  cudaMemoryTypeUnregistered,
  cudaMemoryTypeHost,
  cudaMemoryTypeDevice,
  cudaMemoryTypeManaged
};
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void *devicePointer, *hostPointer;
};

enum cudaMemAllocationType { cudaMemAllocationTypeInvalid, cudaMemAllocationTypePinned };
enum cudaMemAllocationHandleType { cudaMemHandleTypeNone };
enum cudaMemLocationType { cudaMemLocationTypeInvalid, cudaMemLocationTypeDevice };
struct cudaMemLocation {
  cudaMemLocationType type;
  int id;
};
struct cudaMemPoolProps {
  cudaMemAllocationType allocType;
  cudaMemAllocationHandleType handleTypes;
  cudaMemLocation location;
};
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };

enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrCooperativeLaunch = 95
};
struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem, sharedMemPerBlock;
  int major, minor, multiProcessorCount, warpSize, maxThreadsPerBlock;
};

enum cudaLaunchAttributeID { cudaLaunchAttributeIgnore, cudaLaunchAttributeCooperative = 2 };
union cudaLaunchAttributeValue {
  char pad[64];
  int cooperative;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};
enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout
};

// ---- The runtime: calls. Work given to a stream waits there until somebody must see it.

const char* cudaGetErrorName(cudaError_t);
const char* cudaGetErrorString(cudaError_t);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp*, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int device);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMemPoolCreate(cudaMemPool_t*, const cudaMemPoolProps*);
cudaError_t cudaMemPoolDestroy(cudaMemPool_t);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t keep);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes*, const void* pointer);

cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t);
cudaError_t cudaMallocFromPoolAsync(void** memory, std::size_t bytes, cudaMemPool_t, cudaStream_t);
cudaError_t cudaFreeAsync(void* memory, cudaStream_t);

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t);
cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind, cudaStream_t);
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t);

cudaError_t cudaStreamCreate(cudaStream_t*);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaStreamQuery(cudaStream_t);
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned flags = cudaEventWaitDefault);

cudaError_t cudaEventCreate(cudaEvent_t*);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = nullptr);
cudaError_t cudaEventQuery(cudaEvent_t);
cudaError_t cudaEventSynchronize(cudaEvent_t);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode);
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*);
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*);
cudaError_t cudaGraphDestroy(cudaGraph_t);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t);

namespace cuda_shim {
int blocks_per_processor();
cudaError_t launch(const cudaLaunchConfig_t&, Launch);
}  // namespace cuda_shim

template <class... P, class... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...),
                               A&&... arguments) {
  return cuda_shim::launch(
      *config, {config->gridDim, config->blockDim, false, reinterpret_cast<const void*>(kernel),
                __PRETTY_FUNCTION__,
                [kernel, ... copies = static_cast<P>(arguments)] { kernel(copies...); }});
}

template <class Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, std::size_t) {
  *blocks = cuda_shim::blocks_per_processor();
  return cudaSuccess;
}
template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, cudaFuncAttribute, int) {
  return cudaSuccess;
}

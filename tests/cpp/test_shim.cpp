// The CUDA runtime's stand-in itself: each thing that a kernel or the library may ask of it.
#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

#include "check.hpp"
#include "orders.hpp"

using trimatte::test::for_orders;

namespace {

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, cudaStream_t stream,
                   A... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

// An array on the device.
template <class T>
struct Array {
  explicit Array(std::size_t n) : size(n) {
    CHECK(cudaMalloc(reinterpret_cast<void**>(&data), n * sizeof(T)) == cudaSuccess);
  }
  explicit Array(const std::vector<T>& values) : Array(values.size()) {
    CHECK(cudaMemcpy(data, values.data(), size * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  Array(const Array&) = delete;
  ~Array() { cudaFree(data); }
  std::vector<T> read() const {
    std::vector<T> values(size);
    CHECK(cudaMemcpy(values.data(), data, size * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }
  T* data = nullptr;
  std::size_t size;
};

std::vector<int> counted(int n) {
  std::vector<int> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 1);
  return values;
}

// A stream of its own kind, and an event.
struct Stream {
  explicit Stream(unsigned flags = cudaStreamNonBlocking) {
    cudaStreamCreateWithFlags(&handle, flags);
  }
  ~Stream() { cudaStreamDestroy(handle); }
  operator cudaStream_t() const { return handle; }
  cudaStream_t handle = nullptr;
};
struct Event {
  Event() { cudaEventCreate(&handle); }
  ~Event() { cudaEventDestroy(handle); }
  operator cudaEvent_t() const { return handle; }
  cudaEvent_t handle = nullptr;
};

__global__ void index_kernel(int* out, int width, int height, int depth) {
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const int z = static_cast<int>(blockIdx.z * blockDim.z + threadIdx.z);
  if (x < width && y < height && z < depth)
    out[(z * height + y) * width + x] += 100 * z + 10 * y + x;
}

constexpr int kThreads = 128;

__global__ void reverse_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  for (int round = 0; round < 3; ++round) {
    const unsigned first = blockIdx.x * kThreads;
    tile[threadIdx.x] = in[first + threadIdx.x];
    __syncthreads();
    out[first + threadIdx.x] = tile[kThreads - 1 - threadIdx.x];
    __syncthreads();
  }
}

__global__ void vote_kernel(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  const int any = __syncthreads_or(t == 77), none = __syncthreads_or(t == 1000);
  const int all = __syncthreads_and(t < 1000), some = __syncthreads_and(t < 5);
  const int count = __syncthreads_count(t % 3 == 0);
  out[t] = any && !none && all && !some && count == (kThreads + 2) / 3;
}

__global__ void shuffle_kernel(int* good, int* sums) {
  constexpr unsigned kAll = 0xffffffffu;
  const int t = static_cast<int>(threadIdx.x), lane = t % 32;
  bool ok = __shfl_sync(kAll, 10 * lane, 5) == 50;
  ok &= __shfl_sync(kAll, lane, 3, 8) == lane / 8 * 8 + 3;
  ok &= __shfl_up_sync(kAll, lane, 4) == (lane < 4 ? lane : lane - 4);
  ok &= __shfl_down_sync(kAll, lane, 3, 16) == (lane % 16 + 3 < 16 ? lane + 3 : lane);
  ok &= __shfl_xor_sync(kAll, lane, 9) == (lane ^ 9);
  ok &= __shfl_sync(kAll, 0.5 * lane, 31) == 15.5;
  ok &= __shfl_sync(kAll, 7ull << 40, 0) == 7ull << 40;
  ok &= __ballot_sync(kAll, lane % 2) == 0xaaaaaaaau;
  ok &= __any_sync(kAll, lane == 31) && !__any_sync(kAll, lane == 32);
  ok &= __all_sync(kAll, lane < 32) && !__all_sync(kAll, lane < 31);
  // Halves of a warp, each on its own, a different number of times.
  const unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
  for (int i = 0; i < (lane < 16 ? 1 : 3); ++i)
    ok &= __ballot_sync(half, lane >= 8) == (lane < 16 ? 0xff00u : 0xffff0000u);
  __syncwarp();
  good[t] = ok;
  int sum = t;
  for (int step = 16; step > 0; step /= 2)
    sum += __shfl_down_sync(kAll, sum, static_cast<unsigned>(step));
  if (lane == 0) sums[t / 32] = sum;
}

// Neighbours of a warp through shared memory, ordered by __syncwarp alone.
__global__ void warp_order_kernel(int* out) {
  __shared__ int tile[kThreads];
  const unsigned t = threadIdx.x;
  tile[t] = static_cast<int>(t);
  __syncwarp();
  out[t] = tile[t ^ 1];
}

__global__ void atomic_kernel(int* i, unsigned* u, unsigned long long* l) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(i, 2);
  atomicMax(i + 1, t);
  atomicMin(i + 2, -t);
  atomicOr(u, 1u << t % 32);
  atomicAnd(u + 1, ~(1u << t % 32));
  atomicExch(u + 2, 9u);
  atomicCAS(u + 3, static_cast<unsigned>(t), static_cast<unsigned>(t) + 1);
  atomicAdd(l, 1ull << 33);
}

// The last block adds up what all have written.
__global__ void last_block_kernel(const int* in, int* partial, unsigned* count, int* total) {
  if (threadIdx.x != 0) return;
  partial[blockIdx.x] = in[blockIdx.x];
  __threadfence();
  if (atomicAdd(count, 1u) != gridDim.x - 1) return;
  __threadfence();
  int sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += partial[b];
  *total = sum;
}

__global__ void grid_kernel(int* values, int count) {
  const auto grid = cooperative_groups::this_grid();
  const int threads = static_cast<int>(gridDim.x * blockDim.x);
  const int me = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  for (int round = 0; round < 5;
       ++round) {  // from one half to the other: out of every block's reach
    for (int i = me; i < count; i += threads)
      values[(round + 1) % 2 * count + i] = values[round % 2 * count + (i + 1) % count] + 1;
    grid.sync();
  }
}

__global__ void add_kernel(int* value, int much) {
  if (threadIdx.x == 0) *value += much;
}
__global__ void double_kernel(int* value) {
  if (threadIdx.x == 0) *value *= 2;
}

}  // namespace

TEST(shim_every_thread_of_a_grid_once) {
  for_orders([] {
    const Array<int> out(std::vector<int>(9 * 7 * 5));
    CHECK(launch(index_kernel, dim3(3, 4, 3), dim3(4, 2, 2), nullptr, out.data, 9, 7, 5) ==
          cudaSuccess);
    const auto values = out.read();
    bool right = true;
    for (int i = 0; i < 9 * 7 * 5; ++i)
      right &= values[static_cast<std::size_t>(i)] == 100 * (i / 63) + 10 * (i / 9 % 7) + i % 9;
    CHECK(right);
  });
}

TEST(shim_barriers) {
  for_orders([] {
    const auto numbers = counted(4 * kThreads);
    const Array<int> in(numbers), out(numbers.size()), votes(kThreads);
    launch(reverse_kernel, dim3(4), dim3(kThreads), nullptr, in.data, out.data);
    launch(vote_kernel, dim3(1), dim3(kThreads), nullptr, votes.data);
    auto wanted = numbers;
    for (int b = 0; b < 4; ++b)
      std::reverse(wanted.begin() + b * kThreads, wanted.begin() + (b + 1) * kThreads);
    CHECK(out.read() == wanted);
    CHECK(votes.read() == std::vector<int>(kThreads, 1));
  });
}

TEST(shim_warps) {
  for_orders([] {
    const Array<int> good(kThreads), sums(kThreads / 32), order(kThreads);
    launch(shuffle_kernel, dim3(1), dim3(kThreads), nullptr, good.data, sums.data);
    launch(warp_order_kernel, dim3(1), dim3(kThreads), nullptr, order.data);
    CHECK(good.read() == std::vector<int>(kThreads, 1));
    CHECK((sums.read() == std::vector<int>{496, 496 + 1024, 496 + 2048, 496 + 3072}));
    bool right = true;
    const auto neighbours = order.read();
    for (int t = 0; t < kThreads; ++t) right &= neighbours[static_cast<std::size_t>(t)] == (t ^ 1);
    CHECK(right);
  });
}

TEST(shim_bits) {
  CHECK(__popc(0xf0u) == 4 && __popcll(1ull << 63) == 1);
  CHECK(__clz(1) == 31 && __clz(0) == 32 && __clzll(1) == 63);
  CHECK(__ffs(8) == 4 && __ffs(0) == 0 && __ffsll(1ll << 40) == 41);
  CHECK(__brev(1u) == 1u << 31 && __brevll(2ull) == 1ull << 62);
  CHECK(__funnelshift_l(0x80000000u, 1u, 1u) == 3u && __funnelshift_r(2u, 1u, 1u) == 0x80000001u);
  CHECK(__funnelshift_l(5u, 6u, 32u) == 6u && __funnelshift_lc(5u, 6u, 40u) == 5u);
  CHECK(__funnelshift_r(5u, 6u, 32u) == 5u && __funnelshift_rc(5u, 6u, 40u) == 6u);
  CHECK(min(3, 4) == 3 && max(3u, 4u) == 4u && min(-1.0f, 2.0f) == -1.0f);
}

TEST(shim_atomics) {
  for_orders([] {
    const Array<int> i(std::vector<int>{0, 0, 0});
    const Array<unsigned> u(std::vector<unsigned>{0, ~0u, 0, 0});
    const Array<unsigned long long> l(std::vector<unsigned long long>{5});
    launch(atomic_kernel, dim3(3), dim3(64), nullptr, i.data, u.data, l.data);
    CHECK((i.read() == std::vector<int>{2 * 192, 191, -191}));
    const auto bits = u.read();
    CHECK(bits[0] == ~0u && bits[1] == 0u && bits[2] == 9u && bits[3] >= 1u);
    CHECK(l.read()[0] == 5 + (192ull << 33));
  });
}

TEST(shim_fences_and_the_last_block) {
  for_orders([] {
    const Array<int> in(counted(20)), partial(20), total(1);
    const Array<unsigned> count(std::vector<unsigned>{0});
    launch(last_block_kernel, dim3(20), dim3(32), nullptr, in.data, partial.data, count.data,
           total.data);
    CHECK(total.read()[0] == 210);
  });
}

TEST(shim_cooperative_grids) {
  for_orders([] {
    int processors = 0, each = 0;
    cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0);
    cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, grid_kernel, 32, 0);
    const unsigned blocks = static_cast<unsigned>(processors * each);
    auto numbers = counted(200);
    numbers.resize(400);
    const Array<int> values(numbers);
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
    cudaLaunchConfig_t config{dim3(blocks), dim3(32), 0, nullptr, &attribute, 1};
    CHECK(cudaLaunchKernelEx(&config, grid_kernel, values.data, 200) == cudaSuccess);
    const auto result = values.read();
    bool right = true;
    for (std::size_t i = 0; i < 200; ++i)
      right &= result[200 + i] == static_cast<int>((i + 5) % 200) + 6;
    CHECK(right);
    config.gridDim.x = blocks + 1;
    CHECK(cudaLaunchKernelEx(&config, grid_kernel, values.data, 200) ==
          cudaErrorCooperativeLaunchTooLarge);
    cudaGetLastError();
  });
}

TEST(shim_streams_are_lazy) {
  const Array<int> a(std::vector<int>{1});
  int* pinned = nullptr;
  cudaHostAlloc(reinterpret_cast<void**>(&pinned), sizeof(int), cudaHostAllocDefault);
  *pinned = 0;
  const Stream one, two;
  launch(add_kernel, dim3(1), dim3(1), one, a.data, 4);
  cudaMemcpyAsync(pinned, a.data, sizeof(int), cudaMemcpyDeviceToHost, one);
  CHECK(*pinned == 0);
  cudaStreamSynchronize(two);  // another's work stays where it is
  CHECK(*pinned == 0);
  CHECK(cudaStreamQuery(one) == cudaErrorNotReady);
  CHECK(cudaGetLastError() == cudaErrorNotReady);
  cudaStreamSynchronize(one);
  CHECK(*pinned == 5);
  CHECK(cudaStreamQuery(one) == cudaSuccess);

  // Ordinary host memory is read at once, pinned memory at its turn.
  int ordinary = 7;
  cudaMemcpyAsync(a.data, &ordinary, sizeof(int), cudaMemcpyHostToDevice, one);
  ordinary = 8;
  CHECK(a.read()[0] ==
        5);  // the stream does not wait for the legacy default stream, nor that for it
  cudaStreamSynchronize(one);
  CHECK(a.read()[0] == 7);
  cudaMemcpyAsync(a.data, pinned, sizeof(int), cudaMemcpyHostToDevice, one);
  *pinned = 9;
  cudaStreamSynchronize(one);
  CHECK(a.read()[0] == 9);
  cudaFreeHost(pinned);

  cuda_shim::eager = true;
  launch(add_kernel, dim3(1), dim3(1), one, a.data, 1);
  CHECK(*a.data == 10);
  cuda_shim::eager = false;
}

TEST(shim_counts_waits) {
  const Array<int> a(std::vector<int>{1});
  const Stream stream;
  const Event event;
  int host = 0;
  void* pinned = nullptr;
  cudaHostAlloc(&pinned, sizeof(int), cudaHostAllocDefault);
  const std::uint64_t before = cuda_shim::waits;
  cudaMemcpyAsync(a.data, &host, sizeof(int), cudaMemcpyHostToDevice, stream);
  launch(add_kernel, dim3(1), dim3(1), stream, a.data, 4);
  cudaMemcpyAsync(pinned, a.data, sizeof(int), cudaMemcpyDeviceToHost, stream);
  cudaEventRecord(event, stream);
  cudaStreamWaitEvent(stream, event);
  CHECK(cuda_shim::waits == before);
  cudaMemcpyAsync(&host, a.data, sizeof(int), cudaMemcpyDeviceToHost, stream);
  cudaStreamSynchronize(stream);
  cudaEventSynchronize(event);
  cudaDeviceSynchronize();
  CHECK(cuda_shim::waits == before + 4);
  cudaFreeHost(pinned);
}

TEST(shim_events_order_streams) {
  const Array<int> a(std::vector<int>{1});
  const Stream one, two;
  const Event event, later;
  CHECK(cudaEventQuery(event) == cudaSuccess);  // never recorded
  launch(add_kernel, dim3(1), dim3(1), one, a.data, 4);
  cudaEventRecord(event, one);
  launch(add_kernel, dim3(1), dim3(1), one, a.data, 100);
  cudaStreamWaitEvent(two, event);
  launch(double_kernel, dim3(1), dim3(1), two, a.data);
  CHECK(cudaEventQuery(event) == cudaErrorNotReady);
  cudaStreamSynchronize(two);
  CHECK(a.read()[0] == 10);
  CHECK(cudaEventQuery(event) == cudaSuccess);
  cudaEventRecord(later, one);
  float milliseconds = -1.0f;
  CHECK(cudaEventElapsedTime(&milliseconds, event, later) == cudaErrorNotReady);
  cudaEventSynchronize(later);
  CHECK(a.read()[0] == 110);
  CHECK(cudaEventElapsedTime(&milliseconds, event, later) == cudaSuccess && milliseconds >= 0.0f);

  launch(add_kernel, dim3(1), dim3(1), one, a.data, 1);
  cudaEventRecord(event, one);
  int asked = 1;  // who asks again and again gets there
  while (cudaEventQuery(event) == cudaErrorNotReady) ++asked;
  CHECK(asked == 4);
  cudaGetLastError();
}

TEST(shim_graphs_run_what_was_captured) {
  const Array<int> a(std::vector<int>{0}), b(std::vector<int>{0});
  const Stream captured, other;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaStreamBeginCapture(captured, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(cudaStreamBeginCapture(captured, cudaStreamCaptureModeThreadLocal) ==
        cudaErrorIllegalState);
  launch(add_kernel, dim3(1), dim3(1), captured, a.data, 1);
  cudaMemcpyAsync(b.data, a.data, sizeof(int), cudaMemcpyDeviceToDevice, captured);
  CHECK(cudaStreamEndCapture(captured, &graph) == cudaSuccess);
  cudaGraph_t none = nullptr;
  CHECK(cudaStreamEndCapture(captured, &none) == cudaErrorIllegalState && !none);
  cudaGetLastError();
  CHECK(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  for (int turn = 0; turn < 3; ++turn) CHECK(cudaGraphLaunch(executable, other) == cudaSuccess);
  CHECK(*a.data == 0);  // lazily, as all work
  launch(add_kernel, dim3(1), dim3(1), other, a.data, 10);
  cudaStreamSynchronize(other);
  CHECK(a.read()[0] == 13 && b.read()[0] == 3);
  CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);
}

TEST(shim_captures_are_spoiled_by_what_cannot_be_captured) {
  const Array<int> a(std::vector<int>{0});
  const Stream stream;
  cudaEvent_t event = nullptr;
  cudaEventCreate(&event);
  int* more = nullptr;
  const std::vector<std::function<cudaError_t()>> calls = {
      [&] { return cudaStreamSynchronize(stream); },
      [&] { return cudaStreamQuery(stream); },
      [&] { return cudaEventRecord(event, stream); },
      [&] { return cudaStreamWaitEvent(stream, event); },
      [&] { return cudaMallocAsync(reinterpret_cast<void**>(&more), 4, stream); },
      [&] { return cudaFreeAsync(a.data, stream); },
  };
  for (const auto& refused : calls) {
    cudaGraph_t graph = nullptr;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    CHECK(refused() == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated && !graph);
  }
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) ==
        cudaErrorStreamCaptureUnsupported);
  cudaGetLastError();
  launch(add_kernel, dim3(1), dim3(1), stream, a.data, 1);
  cudaStreamSynchronize(stream);
  CHECK(a.read()[0] == 1);
  cudaEventDestroy(event);
}

TEST(shim_legacy_default_stream_takes_turns) {
  const Array<int> a(std::vector<int>{1});
  const Stream blocking(cudaStreamDefault);
  launch(add_kernel, dim3(1), dim3(1), blocking, a.data, 2);             // 3
  launch(double_kernel, dim3(1), dim3(1), nullptr, a.data);              // 6
  launch(add_kernel, dim3(1), dim3(1), cudaStreamPerThread, a.data, 3);  // 9
  launch(double_kernel, dim3(1), dim3(1), cudaStreamLegacy, a.data);     // 18
  launch(add_kernel, dim3(1), dim3(1), blocking, a.data, 1);             // 19
  cudaStreamSynchronize(blocking);
  CHECK(*a.data == 19);
}

TEST(shim_memory) {
  int* a = nullptr;
  const Stream stream;
  CHECK(cudaMallocAsync(reinterpret_cast<void**>(&a), 40, stream) == cudaSuccess);
  cudaPointerAttributes attributes{};
  CHECK(cudaPointerGetAttributes(&attributes, a + 9) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice && attributes.device == 0);
  cudaPointerGetAttributes(&attributes, a + 10);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  cudaPointerGetAttributes(&attributes, &attributes);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  int host[10] = {};
  CHECK(cudaMemcpyAsync(host, a, 40, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  cudaStreamSynchronize(stream);
  CHECK(host[0] == static_cast<int>(0xCBCBCBCBu) && host[9] == host[0]);
  CHECK(cudaMemcpyAsync(host, a + 1, 40, cudaMemcpyDeviceToHost, stream) == cudaErrorInvalidValue);
  CHECK(cudaMemcpyAsync(host, host, 40, cudaMemcpyDeviceToHost, stream) == cudaErrorInvalidValue);
  CHECK(cudaMemsetAsync(a, 0, 41, stream) == cudaErrorInvalidValue);
  CHECK(cudaPeekAtLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue && cudaGetLastError() == cudaSuccess);

  cudaMemsetAsync(a, 1, 40, stream);
  // Every second of 5 columns, upwards of 2 rows.
  CHECK(cudaMemcpy2DAsync(host, 8, a, 20, 8, 2, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(cudaMemcpy2DAsync(host, 4, a, 20, 8, 2, cudaMemcpyDeviceToHost, stream) ==
        cudaErrorInvalidPitchValue);
  cudaGetLastError();
  cudaFreeAsync(a, stream);
  cudaPointerGetAttributes(&attributes, a);
  CHECK(attributes.type == cudaMemoryTypeDevice);  // until its turn
  cudaStreamSynchronize(stream);
  cudaPointerGetAttributes(&attributes, a);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  CHECK(host[3] == 0x01010101 && host[4] == static_cast<int>(0xCBCBCBCBu));
}

TEST(shim_memory_has_a_limit) {
  const std::size_t before = cuda_shim::memory_limit;
  std::size_t free = 0, total = 0;
  cudaDeviceSynchronize();
  cudaMemGetInfo(&free, &total);
  cuda_shim::memory_limit = total - free + 1000;
  const Stream stream, other;
  void *a = nullptr, *b = nullptr;
  CHECK(cudaMallocAsync(&a, 600, stream) == cudaSuccess);
  CHECK(cudaMallocAsync(&b, 600, stream) == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  cudaFreeAsync(a, stream);
  CHECK(cudaMallocAsync(&b, 600, other) == cudaErrorMemoryAllocation);  // it may still be in use
  CHECK(cudaMallocAsync(&b, 600, stream) == cudaSuccess);
  cudaFreeAsync(b, stream);
  cudaDeviceSynchronize();
  cudaMemGetInfo(&free, &total);
  CHECK(free == 1000);
  cudaGetLastError();
  cuda_shim::memory_limit = before;
}

TEST(shim_devices_and_errors) {
  int count = 0, device = -1;
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess && count == 2);
  CHECK(cudaSetDevice(1) == cudaSuccess && cudaGetDevice(&device) == cudaSuccess && device == 1);
  CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice);
  std::thread([] {
    int here = -1;
    CHECK(cudaGetLastError() == cudaSuccess);  // another thread's own
    CHECK(cudaGetDevice(&here) == cudaSuccess && here == 0);
  }).join();
  CHECK(cudaGetLastError() == cudaErrorInvalidDevice);
  cudaSetDevice(0);

  cuda_shim::broken = cudaErrorIllegalAddress;
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  cudaGetLastError();
  CHECK(cudaGetLastError() == cudaSuccess);  // what stays is said by every call, not by this one
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  cuda_shim::broken = cudaSuccess;
  cudaGetLastError();

  cuda_shim::devices = 0;
  CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice && count == 0);
  cudaGetLastError();
  cuda_shim::devices = 2;

  CHECK(launch(add_kernel, dim3(1), dim3(2000), nullptr, nullptr, 1) ==
        cudaErrorInvalidConfiguration);
  CHECK(launch(add_kernel, dim3(1, 70000), dim3(1), nullptr, nullptr, 1) ==
        cudaErrorInvalidConfiguration);
  CHECK(std::string(cudaGetErrorName(cudaGetLastError())) == "cudaErrorInvalidConfiguration");
}

TEST(shim_threads_of_the_host) {
  const Array<int> sums(std::vector<int>(4));
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&sums, c] {
      const Stream stream;
      for (int i = 0; i < 50; ++i) {
        launch(add_kernel, dim3(1), dim3(64), stream, sums.data + c, i % 2);
        if (i % 10 == 0) cudaStreamSynchronize(stream);
      }
      cudaStreamSynchronize(stream);
    });
  for (std::thread& caller : callers) caller.join();
  CHECK((sums.read() == std::vector<int>{25, 25, 25, 25}));
}

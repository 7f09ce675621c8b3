// The CUDA runtime behind core/cuda.hpp: status, devices, memory, events, graphs.
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/cuda.hpp"
#include "launch.cuh"
#include "staging.cuh"

namespace trimatte {
namespace {

// The process that used CUDA first. A context does not survive a fork: in a child every call fails
// in ways of its own, or hangs.
std::atomic<pid_t> owner{0};

void claim() {
  pid_t nobody = 0;
  owner.compare_exchange_strong(nobody, getpid());
}

bool forked() {
  const pid_t process = owner.load(std::memory_order_relaxed);
  return process != 0 && process != getpid();
}

constexpr const char* kForked =
    "CUDA was used before this process was forked, and does not survive a fork; start workers with "
    "multiprocessing's \"spawn\" or \"forkserver\", or use CUDA in the children only";

std::string name_of(int device) {
  return "cuda:" + std::to_string(device);
}

// A pool a GPU, of our own: one that keeps what is freed, without changing the pool that others
// share. Never destroyed: work may be under way when static destructors run.
class Pools {
 public:
  cudaMemPool_t of(int device) {
    const std::lock_guard lock(mutex_);
    cudaMemPool_t& pool = pools_[device];
    if (!pool) {
      cudaMemPoolProps properties{};
      properties.allocType = cudaMemAllocationTypePinned;
      properties.location.type = cudaMemLocationTypeDevice;
      properties.location.id = device;
      cuda::check(cudaMemPoolCreate(&pool, &properties), "create a memory pool");
      unsigned long long keep = ~0ull;
      cuda::check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep),
                  "set up a memory pool");
    }
    return pool;
  }
  void trim() {
    const std::lock_guard lock(mutex_);
    for (const auto& [device, pool] : pools_) cudaMemPoolTrimTo(pool, 0);
  }

 private:
  std::mutex mutex_;
  std::map<int, cudaMemPool_t> pools_;
};

Pools& pools() {
  static Pools* const all = new Pools;
  return *all;
}

// The allocator that is set, and what allocators have given. Never destroyed, like the pools.
class Allocators {
 public:
  struct Origin {
    std::shared_ptr<cuda::Allocator> allocator;
    std::size_t bytes = 0;
  };

  void set(std::shared_ptr<cuda::Allocator> allocator) {
    const std::lock_guard lock(mutex_);  // the last one is destroyed without it
    std::swap(current_, allocator);
    used_ = used_ || current_;
  }
  std::shared_ptr<cuda::Allocator> current() {
    if (!used_) return nullptr;
    const std::lock_guard lock(mutex_);
    return current_;
  }
  // False where it has been given already, and has not come back.
  bool add(void* memory, Origin origin) {
    const std::lock_guard lock(mutex_);
    return given_.emplace(memory, std::move(origin)).second;
  }
  // Without an allocator where the memory is the pool's.
  Origin take(void* memory) {
    if (!used_) return {};
    const std::lock_guard lock(mutex_);
    const auto found = given_.extract(memory);
    return found ? std::move(found.mapped()) : Origin{};
  }

 private:
  std::atomic<bool> used_ = false;
  std::mutex mutex_;
  std::shared_ptr<cuda::Allocator> current_;
  std::unordered_map<void*, Origin> given_;
};

Allocators& allocators() {
  static Allocators* const all = new Allocators;
  return *all;
}

constexpr const char* kUnusable = "The CUDA backend is built but cannot be used: ";

CudaStatus look_for_gpu() {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0)
    return {false, std::string(kUnusable) + "no NVIDIA driver is installed."};
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  cudaDeviceProp device{};
  if (status == cudaSuccess && count > 0) status = cudaGetDeviceProperties(&device, 0);
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    const std::string why = status == cudaSuccess ? "no device found" : cudaGetErrorString(status);
    return {false, kUnusable + why + "."};
  }
  claim();  // counting the devices has set up the driver, which no child can use now
  std::string sentence = "The CUDA backend runs on " + std::string(device.name) +
                         " (compute capability " + std::to_string(device.major) + "." +
                         std::to_string(device.minor) + ")";
  if (count > 1) sentence += " and " + std::to_string(count - 1) + " more";
  return {true, sentence + "."};
}

}  // namespace

// A GPU that was found stays: every call with device="auto" asks, and to read the properties of a
// device takes longer than to key an image.
CudaStatus cuda_status() {
  if (forked()) return {false, std::string(kUnusable) + kForked + "."};
  static std::mutex& mutex = *new std::mutex;  // threads may outlive static destructors
  static CudaStatus& known = *new CudaStatus;
  const std::lock_guard lock(mutex);
  if (!known.available) known = look_for_gpu();
  return known;
}

namespace cuda {

int device_count() {
  if (forked()) return 0;
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  claim();
  return count;
}

int current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "find the current device");
  return device;
}

DeviceFacts facts_of(int device) {
  cudaDeviceProp properties{};
  int driver = 0;
  check(cudaGetDeviceProperties(&properties, device), "look at a device");
  check(cudaDriverGetVersion(&driver), "look at the driver");
  return {properties.name, properties.major, properties.minor, driver};
}

int device_of(const void* pointer) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess) {
    cudaGetLastError();
    return -1;
  }
  const bool usable =
      attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
  return usable ? attributes.device : -1;
}

DeviceScope::DeviceScope(int index) {
  const int now = current_device();
  if (now == index) return;
  check(cudaSetDevice(index), "change the device");
  previous_ = now;
}

DeviceScope::~DeviceScope() {
  if (previous_ >= 0) cudaSetDevice(previous_);
}

void enter() {
  if (forked()) throw DeviceError(kForked);
  claim();
  cudaGetLastError();  // what an earlier call of somebody else left behind is not this call's error
}

void set_allocator(std::shared_ptr<Allocator> allocator) {
  allocators().set(std::move(allocator));
}

void* allocate(std::size_t bytes, Stream stream) {
  const int device = current_device();
  const std::size_t size = bytes > 0 ? bytes : 1;
  if (const auto allocator = allocators().current()) {
    void* const given = allocator->allocate(size, device, stream);
    try {
      if (allocators().add(given, {allocator, size})) return given;
    } catch (...) {
      allocator->release(given, size, device, stream);
      throw;
    }
    throw DeviceError("set_allocator: allocate returned memory that is in use");
  }
  const cudaMemPool_t pool = pools().of(device);
  void* memory = nullptr;
  cudaError_t status = cudaMallocFromPoolAsync(&memory, size, pool, handle_of(stream));
  if (status == cudaErrorMemoryAllocation) {
    // What other streams have freed counts once their work is over; and the pool may hold memory in
    // pieces that do not fit.
    cudaGetLastError();
    check(cudaDeviceSynchronize(), "make room");
    cudaMemPoolTrimTo(pool, 0);
    status = cudaMallocFromPoolAsync(&memory, size, pool, handle_of(stream));
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfMemory(bytes, name_of(device));
  }
  check(status, "allocate memory");
  return memory;
}

void release(void* memory, int device, Stream stream) noexcept {
  if (!memory || forked()) return;
  try {
    const DeviceScope scope(device);
    if (const auto [allocator, bytes] = allocators().take(memory); allocator)
      allocator->release(memory, bytes, device, stream);
    else if (cudaFreeAsync(memory, handle_of(stream)) != cudaSuccess)
      cudaGetLastError();
  } catch (const DeviceError&) {
    // The context is gone, and the memory with it.
  }
}

void trim_pools() {
  if (forked()) return;
  pools().trim();
  trim_staging();
}

void copy(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, handle_of(stream)),
        "copy on the device");
}

void synchronize(Stream stream) {
  check(cudaStreamSynchronize(handle_of(stream)), "work on the stream");
}

Event Event::record(Stream stream) {
  Event event;
  event.device_ = current_device();
  cudaEvent_t handle = nullptr;
  check(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming), "create an event");
  event.handle_ = handle;
  check(cudaEventRecord(handle, handle_of(stream)), "record an event");
  return event;
}

Event::~Event() {
  if (handle_ && !forked() && cudaEventDestroy(static_cast<cudaEvent_t>(handle_)) != cudaSuccess)
    cudaGetLastError();
}

bool Event::done() const {
  if (!handle_ || forked()) return true;
  // While a thread records work CUDA lets it ask for events only in this mode.
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  const cudaError_t status = cudaEventQuery(static_cast<cudaEvent_t>(handle_));
  if (status == cudaErrorNotReady) cudaGetLastError();
  cudaThreadExchangeStreamCaptureMode(&mode);
  return status != cudaErrorNotReady;  // what failed is over, too
}

void Event::wait(Stream stream) const {
  if (handle_)
    check(cudaStreamWaitEvent(handle_of(stream), static_cast<cudaEvent_t>(handle_), 0),
          "wait for another stream");
}

void Event::synchronize() const {
  if (handle_ && forked()) throw DeviceError(kForked);
  if (handle_) check(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_)), "wait for the work");
}

OwnStream::OwnStream() {
  cudaStream_t handle = nullptr;
  check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "create a stream");
  handle_.reset(handle);
}

void OwnStream::Destroy::operator()(void* handle) const noexcept {
  if (!forked() && cudaStreamDestroy(static_cast<cudaStream_t>(handle)) != cudaSuccess)
    cudaGetLastError();
}

Graph Graph::record(Stream stream, const std::function<void()>& work) {
  cudaGraph_t recorded = nullptr;
  const auto end = [&] { return cudaStreamEndCapture(handle_of(stream), &recorded); };
  // Other threads go on as ever.
  check(cudaStreamBeginCapture(handle_of(stream), cudaStreamCaptureModeThreadLocal),
        "begin to record");
  try {
    work();
  } catch (...) {
    if (end() == cudaSuccess) cudaGraphDestroy(recorded);
    cudaGetLastError();
    throw;
  }
  check(end(), "record work");
  cudaGraphExec_t handle = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&handle, recorded, 0);
  cudaGraphDestroy(recorded);
  check(status, "make recorded work ready");
  Graph graph;
  graph.handle_.reset(handle);
  return graph;
}

void Graph::launch(Stream stream) const {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(handle_.get()), handle_of(stream)),
        "launch recorded work");
}

void Graph::Destroy::operator()(void* handle) const noexcept {
  if (!forked() && cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(handle)) != cudaSuccess)
    cudaGetLastError();
}

}  // namespace cuda
}  // namespace trimatte

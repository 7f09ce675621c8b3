// Streams, events, graphs and memory of the CUDA runtime's stand-in.
//
// Work given to a stream waits there until somebody must see it: who forgot to wait sees old bytes.
// One lock covers everything, also the work while it runs.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

namespace cuda_shim {
namespace {

std::size_t setting(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}
unsigned schedule_setting() {
  const char* text = std::getenv("TRIMATTE_SHIM_ORDER");
  if (text && std::string(text) == "descending") return kDescending;
  return static_cast<unsigned>(setting("TRIMATTE_SHIM_ORDER", kAscending));
}

}  // namespace

std::atomic<unsigned> schedule{schedule_setting()};
std::atomic<bool> eager{setting("TRIMATTE_SHIM_EAGER", 0) != 0};
std::atomic<std::size_t> memory_limit{setting("TRIMATTE_SHIM_MEMORY", std::size_t{1} << 30)};
std::atomic<int> devices{static_cast<int>(setting("TRIMATTE_SHIM_DEVICES", 2))};
std::atomic<int> broken{cudaSuccess};
std::atomic<std::uint64_t> waits{0};

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kProcessors = 1, kBlocksEach = 1;  // shared memory is one for all blocks
#else
constexpr int kProcessors = 2, kBlocksEach = 2;
#endif
constexpr unsigned kMaxThreads = 1024;
constexpr int kVersion = 13000;
constexpr int kFresh = 0xCB, kDead = 0xDD;  // bytes of memory just taken, and given back

// ---- Streams

struct Stream;

// A point in a stream's work: reached when that many of its tasks are done.
struct Point {
  std::shared_ptr<Stream> stream;
  std::uint64_t turn = 0;
};

struct Task {
  std::function<void()> work;
  std::vector<Point> after;
};

// What a stream was given while it was capturing.
struct Recording {
  std::vector<std::function<void()>> work;
  bool spoiled = false;    // by what cannot be captured
  bool destroyed = false;  // the graph made of it, which no launch may outlive
};

struct Stream {
  int device;
  bool legacy, blocking;  // blocking: it and the legacy default stream take turns
  std::deque<Task> queue;
  std::uint64_t given = 0, done = 0;
  std::size_t freeing = 0;  // bytes that tasks in the queue will give back
  unsigned queries = 0;
  std::shared_ptr<Recording> recording = nullptr;  // while it is capturing
};

struct Moment {
  Point point;
  std::chrono::steady_clock::time_point time;
};

struct Allocation {
  std::size_t bytes;
  int device;
  cudaMemoryType type;
};

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current = 0;
thread_local std::weak_ptr<Recording> recorded_here;  // what this thread began
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

}  // namespace
}  // namespace cuda_shim

struct CUstream_st {
  std::shared_ptr<cuda_shim::Stream> stream;
};
struct CUevent_st {
  std::shared_ptr<cuda_shim::Moment> moment;  // empty: never recorded
  unsigned queries = 0;
};
struct CUmemPoolHandle_st {
  int device;
};
struct CUgraph_st {
  std::shared_ptr<cuda_shim::Recording> recording;
};
struct CUgraphExec_st {
  std::shared_ptr<cuda_shim::Recording> recording;
};

namespace cuda_shim {
namespace {

class Runtime {
 public:
  std::mutex mutex;

  // ---- Streams and events; a null result is a bad handle

  std::shared_ptr<Stream> stream_of(cudaStream_t handle) {
    if (!handle || handle == cudaStreamLegacy) return standard(legacy_[current], true);
    if (handle == cudaStreamPerThread)
      return standard(per_thread_[{std::this_thread::get_id(), current}], false);
    return streams_.contains(handle) ? handle->stream : nullptr;
  }
  cudaStream_t new_stream(bool blocking) {
    const auto handle = new CUstream_st{add_stream(false, blocking)};
    streams_.insert(handle);
    return handle;
  }
  // Its work goes on.
  void delete_stream(cudaStream_t handle) {
    streams_.erase(handle);
    delete handle;
  }

  cudaEvent_t new_event() { return *events_.insert(new CUevent_st).first; }
  bool is_event(cudaEvent_t handle) const { return events_.contains(handle); }
  void delete_event(cudaEvent_t handle) {
    events_.erase(handle);
    delete handle;
  }

  void give(const std::shared_ptr<Stream>& stream, std::function<void()> work,
            std::vector<Point> after = {}) {
    if (stream->recording) {
      stream->recording->work.push_back(std::move(work));
      return;
    }
    Task task{std::move(work), std::move(after)};
    if (stream->legacy) {
      for (const auto& other : all_)
        if (other->blocking && other->device == stream->device)
          task.after.push_back({other, other->given});
    } else if (stream->blocking && legacy_[stream->device]) {
      task.after.push_back({legacy_[stream->device], legacy_[stream->device]->given});
    }
    std::erase_if(task.after, is_reached);
    stream->queue.push_back(std::move(task));
    ++stream->given;
    if (eager) finish(stream);
  }

  static bool is_reached(const Point& point) { return point.stream->done >= point.turn; }
  static Point now(const std::shared_ptr<Stream>& stream) { return {stream, stream->given}; }

  // Runs what must be done until then, and nothing else.
  static void reach(const Point& point) {
    while (!is_reached(point)) {
      Task task = std::move(point.stream->queue.front());
      point.stream->queue.pop_front();
      for (const Point& earlier : task.after) reach(earlier);
      task.work();
      ++point.stream->done;
    }
  }
  static void finish(const std::shared_ptr<Stream>& stream) { reach(now(stream)); }

  // The same for the host, which waits meanwhile.
  static void wait_for(const Point& point) {
    ++waits;
    reach(point);
  }
  static void wait_for(const std::shared_ptr<Stream>& stream) { wait_for(now(stream)); }
  void wait_for_device(int device) {
    ++waits;
    for (const auto& stream : std::vector(all_))
      if (stream->device == device) finish(stream);
    // Streams that were destroyed, and are now done.
    std::erase_if(all_, [](const auto& stream) { return stream.use_count() == 1; });
  }

  // ---- Memory

  // The allocation that holds all these bytes; null: there is none.
  const Allocation* find(const void* memory, std::size_t bytes = 1) const {
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    auto next = memory_.upper_bound(address);
    if (next == memory_.begin()) return nullptr;
    const auto& [begin, allocation] = *--next;
    return address + bytes <= begin + allocation.bytes ? &allocation : nullptr;
  }
  // As the whole of what was allocated.
  const Allocation* find_whole(const void* memory, cudaMemoryType type) const {
    const auto found = memory_.find(reinterpret_cast<std::uintptr_t>(memory));
    return found != memory_.end() && found->second.type == type ? &found->second : nullptr;
  }
  bool has_room(std::size_t bytes, int device, std::size_t about_to_be_free) {
    return bytes <= memory_limit && used_[device] - about_to_be_free <= memory_limit - bytes;
  }
  void* take(std::size_t bytes, int device, cudaMemoryType type) {
    void* memory = ::operator new(bytes, std::align_val_t{256});
    std::memset(memory, kFresh, bytes);
    memory_[reinterpret_cast<std::uintptr_t>(memory)] = {bytes, device, type};
    if (type == cudaMemoryTypeDevice) used_[device] += bytes;
    return memory;
  }
  void give_back(void* memory) {
    const auto found = memory_.find(reinterpret_cast<std::uintptr_t>(memory));
    const Allocation& allocation = found->second;
    if (allocation.type == cudaMemoryTypeDevice) used_[allocation.device] -= allocation.bytes;
    std::memset(memory, kDead, allocation.bytes);
    memory_.erase(found);
    ::operator delete(memory, std::align_val_t{256});
  }
  std::size_t used(int device) { return used_[device]; }

 private:
  std::shared_ptr<Stream> add_stream(bool legacy, bool blocking) {
    all_.push_back(std::make_shared<Stream>(Stream{current, legacy, blocking, {}}));
    return all_.back();
  }
  std::shared_ptr<Stream> standard(std::shared_ptr<Stream>& stream, bool legacy) {
    if (!stream) stream = add_stream(legacy, !legacy);
    return stream;
  }

  std::vector<std::shared_ptr<Stream>> all_;
  std::map<int, std::shared_ptr<Stream>> legacy_;
  std::map<std::pair<std::thread::id, int>, std::shared_ptr<Stream>> per_thread_;
  std::set<cudaStream_t> streams_;
  std::set<cudaEvent_t> events_;
  std::map<std::uintptr_t, Allocation> memory_;
  std::map<int, std::size_t> used_;
};

// Never destroyed: static destructors may still call.
Runtime& runtime() {
  static Runtime* const all = new Runtime;
  return *all;
}

cudaError_t remember(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

// Whether this is a child of the process that called first. CUDA may also hang there, so that a
// test can see on stderr that a call was made at all.
bool is_forked() {
  static const pid_t first = getpid();
  if (first == getpid()) return false;
  std::fputs("CUDA shim: called in a forked child\n", stderr);
  return true;
}

// What every call does around its own work.
template <class Body>
cudaError_t call(const Body& body) {
  if (is_forked()) return remember(cudaErrorInitializationError);
  const std::lock_guard lock(runtime().mutex);
  if (broken != cudaSuccess) return static_cast<cudaError_t>(broken.load());
  if (devices == 0) return remember(cudaErrorNoDevice);
  return remember(body(runtime()));
}

// A call on a stream.
template <class Body>
cudaError_t call_on(cudaStream_t handle, const Body& body) {
  return call([&](Runtime& all) {
    const auto stream = all.stream_of(handle);
    return stream ? body(all, stream) : cudaErrorInvalidResourceHandle;
  });
}

// A call on an event.
template <class Body>
cudaError_t call_on(cudaEvent_t event, const Body& body) {
  return call([&](Runtime& all) {
    return all.is_event(event) ? body(all) : cudaErrorInvalidResourceHandle;
  });
}

// A call that a capture does not survive, on a stream.
template <class Body>
cudaError_t call_outside_capture(cudaStream_t handle, const Body& body) {
  return call_on(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    if (!stream->recording) return body(all, stream);
    stream->recording->spoiled = true;
    return cudaErrorStreamCaptureUnsupported;
  });
}

bool is_device(int device) {
  return device >= 0 && device < devices;
}

// Whether the point is reached. To keep alive who asks until it is, each third question runs the
// work.
cudaError_t query(const Point& point, unsigned& queries) {
  if (Runtime::is_reached(point)) return cudaSuccess;
  if (++queries % 3 == 0) Runtime::reach(point);
  return cudaErrorNotReady;
}

struct Rows {
  std::byte* to;
  std::size_t to_pitch;
  const std::byte* from;
  std::size_t from_pitch, width, height;
};

void copy(const Rows& rows) {
  for (std::size_t y = 0; y < rows.height; ++y)
    std::memcpy(rows.to + y * rows.to_pitch, rows.from + y * rows.from_pitch, rows.width);
}

// Whether `device` is what these bytes are: all of them in one allocation on a device, or none.
bool is_on(const Runtime& all, const void* memory, std::size_t bytes, bool device) {
  const Allocation* first = all.find(memory);
  const bool found = first && first->type == cudaMemoryTypeDevice;
  return found == device && (!device || all.find(memory, bytes));
}

cudaError_t give_copy(Runtime& all, const std::shared_ptr<Stream>& stream, Rows rows,
                      cudaMemcpyKind kind) {
  if (rows.width == 0 || rows.height == 0) return cudaSuccess;
  if (rows.height > 1 && (rows.to_pitch < rows.width || rows.from_pitch < rows.width))
    return cudaErrorInvalidPitchValue;
  const std::size_t to_bytes = rows.to_pitch * (rows.height - 1) + rows.width;
  const std::size_t from_bytes = rows.from_pitch * (rows.height - 1) + rows.width;
  if (kind != cudaMemcpyDefault) {
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!is_on(all, rows.to, to_bytes, to_device) ||
        !is_on(all, rows.from, from_bytes, from_device))
      return cudaErrorInvalidValue;
  }
  if (!all.find(rows.to)) ++waits;  // for ordinary memory: the GPU cannot write there by itself
  if (all.find(rows.from)) {
    all.give(stream, [rows] { copy(rows); });
    return cudaSuccess;
  }
  if (stream->recording) return cudaErrorNotSupported;
  // From ordinary host memory: the bytes of now.
  const auto bytes = std::make_shared<std::vector<std::byte>>(rows.width * rows.height);
  copy({bytes->data(), rows.width, rows.from, rows.from_pitch, rows.width, rows.height});
  rows.from_pitch = rows.width;
  all.give(stream, [rows, bytes]() mutable {
    rows.from = bytes->data();
    copy(rows);
  });
  return cudaSuccess;
}

Rows one_row(void* to, const void* from, std::size_t bytes) {
  return {static_cast<std::byte*>(to), bytes, static_cast<const std::byte*>(from), bytes, bytes, 1};
}

cudaError_t allocate(Runtime& all, void** memory, std::size_t bytes,
                     const std::shared_ptr<Stream>& stream) {
  if (bytes == 0) return cudaErrorInvalidValue;
  // What this stream frees before counts as free, whether or not it has come to that.
  if (!all.has_room(bytes, stream->device, stream->freeing)) return cudaErrorMemoryAllocation;
  *memory = all.take(bytes, stream->device, cudaMemoryTypeDevice);
  // Who writes on another stream without waiting may find it overwritten.
  all.give(stream, [memory = *memory, bytes] { std::memset(memory, kFresh, bytes); });
  return cudaSuccess;
}

}  // namespace

int blocks_per_processor() {
  return kBlocksEach;
}

cudaError_t launch(const cudaLaunchConfig_t& config, Launch launch) {
  return call_on(config.stream, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    for (unsigned i = 0; i < config.numAttrs; ++i)
      if (config.attrs[i].id == cudaLaunchAttributeCooperative)
        launch.cooperative = config.attrs[i].val.cooperative != 0;
    const dim3 grid = launch.grid, block = launch.block;
    const auto threads = std::uint64_t{block.x} * block.y * block.z;
    const auto blocks = std::uint64_t{grid.x} * grid.y * grid.z;
    if (threads == 0 || threads > kMaxThreads || block.z > 64 || blocks == 0 ||
        grid.x > 0x7fffffffu || grid.y > 0xffffu || grid.z > 0xffffu)
      return cudaErrorInvalidConfiguration;
    if (stream->device != current) return cudaErrorInvalidResourceHandle;
    if (config.dynamicSmemBytes != 0) return cudaErrorNotSupported;
    if (launch.cooperative && blocks > kProcessors * kBlocksEach)
      return cudaErrorCooperativeLaunchTooLarge;
    all.give(stream, [launch = std::move(launch)] { execute(launch); });
    return cudaSuccess;
  });
}

}  // namespace cuda_shim

using namespace cuda_shim;

// ---- Errors

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define X(name, value, text) \
  case name: return #name;
    CUDA_SHIM_ERRORS(X)
#undef X
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define X(name, value, text) \
  case name: return text;
    CUDA_SHIM_ERRORS(X)
#undef X
  }
  return "unrecognized error code";
}

cudaError_t cudaPeekAtLastError() {
  return last_error;
}
cudaError_t cudaGetLastError() {  // does not know of a broken context: seen on an H200
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

// ---- Devices

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  return cudaDriverGetVersion(version);
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = devices;
  return call([](Runtime&) { return cudaSuccess; });
}

cudaError_t cudaGetDevice(int* device) {
  return call([&](Runtime&) {
    *device = current;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call([&](Runtime&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    current = device;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call([&](Runtime&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrMaxThreadsPerBlock: *value = kMaxThreads; return cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlock: *value = 48 << 10; return cudaSuccess;
      case cudaDevAttrWarpSize: *value = warpSize; return cudaSuccess;
      case cudaDevAttrMultiProcessorCount: *value = kProcessors; return cudaSuccess;
      case cudaDevAttrComputeCapabilityMajor: *value = 9; return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor: *value = 0; return cudaSuccess;
      case cudaDevAttrCooperativeLaunch: *value = 1; return cudaSuccess;
    }
    return cudaErrorInvalidValue;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call([&](Runtime&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    *properties = {"CUDA shim", memory_limit, 48 << 10, 9, 0, kProcessors, warpSize, kMaxThreads};
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call([](Runtime& all) {
    all.wait_for_device(current);
    return cudaSuccess;
  });
}

// ---- Memory. A pool holds nothing back here.

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  return call([&](Runtime&) {
    if (!is_device(properties->location.id)) return cudaErrorInvalidDevice;
    *pool = new CUmemPoolHandle_st{properties->location.id};
    return cudaSuccess;
  });
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  delete pool;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return call([](Runtime&) { return cudaSuccess; });
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) {
  return call([](Runtime&) { return cudaSuccess; });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call([&](Runtime& all) {
    *total = memory_limit;
    *free = *total - std::min(*total, all.used(current));
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call([&](Runtime& all) {
    const Allocation* found = all.find(pointer);
    void* const p = const_cast<void*>(pointer);
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, p};
    if (found)
      *attributes = {found->type, found->device, p,
                     found->type == cudaMemoryTypeHost ? p : nullptr};
    return cudaSuccess;
  });
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return call([&](Runtime& all) {
    if (bytes > 0 && !all.has_room(bytes, current, 0)) return cudaErrorMemoryAllocation;
    *memory = bytes > 0 ? all.take(bytes, current, cudaMemoryTypeDevice) : nullptr;
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void* memory) {
  return call([&](Runtime& all) {
    if (!memory) return cudaSuccess;
    const Allocation* found = all.find_whole(memory, cudaMemoryTypeDevice);
    if (!found) return cudaErrorInvalidValue;
    all.wait_for_device(found->device);
    all.give_back(memory);
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return call([&](Runtime& all) {
    *memory = bytes > 0 ? all.take(bytes, current, cudaMemoryTypeHost) : nullptr;
    return cudaSuccess;
  });
}

cudaError_t cudaFreeHost(void* memory) {
  return call([&](Runtime& all) {
    if (!memory) return cudaSuccess;
    if (!all.find_whole(memory, cudaMemoryTypeHost)) return cudaErrorInvalidValue;
    for (int device = 0; device < devices; ++device) all.wait_for_device(device);
    all.give_back(memory);
    return cudaSuccess;
  });
}

cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t handle) {
  return call_outside_capture(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    return allocate(all, memory, bytes, stream);
  });
}
cudaError_t cudaMallocFromPoolAsync(void** memory, std::size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t handle) {
  return call_outside_capture(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    if (pool->device != stream->device) return cudaErrorInvalidValue;
    return allocate(all, memory, bytes, stream);
  });
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t handle) {
  return call_outside_capture(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    if (!memory) return cudaSuccess;
    const Allocation* found = all.find_whole(memory, cudaMemoryTypeDevice);
    if (!found) return cudaErrorInvalidValue;
    const std::size_t bytes = found->bytes;
    stream->freeing += bytes;
    all.give(stream, [&all, stream = stream.get(), memory, bytes] {
      stream->freeing -= bytes;
      all.give_back(memory);
    });
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return call_outside_capture(
      cudaStreamLegacy, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
        const cudaError_t status = give_copy(all, stream, one_row(to, from, bytes), kind);
        Runtime::wait_for(stream);
        return status;
      });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t handle) {
  return call_on(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    return give_copy(all, stream, one_row(to, from, bytes), kind);
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t handle) {
  return call_on(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    return give_copy(all, stream,
                     {static_cast<std::byte*>(to), to_pitch, static_cast<const std::byte*>(from),
                      from_pitch, width, height},
                     kind);
  });
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t handle) {
  return call_on(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    if (bytes > 0 && !is_on(all, memory, bytes, true)) return cudaErrorInvalidValue;
    all.give(stream, [=] { std::memset(memory, value, bytes); });
    return cudaSuccess;
  });
}

// ---- Streams

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call([&](Runtime& all) {
    *stream = all.new_stream((flags & cudaStreamNonBlocking) == 0);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return call_outside_capture(handle, [&](Runtime& all, const std::shared_ptr<Stream>&) {
    if (!handle || handle == cudaStreamLegacy || handle == cudaStreamPerThread)
      return cudaErrorInvalidResourceHandle;
    all.delete_stream(handle);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call_outside_capture(handle, [](Runtime&, const std::shared_ptr<Stream>& stream) {
    Runtime::wait_for(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call_outside_capture(handle, [](Runtime&, const std::shared_ptr<Stream>& stream) {
    return query(Runtime::now(stream), stream->queries);
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  return call_outside_capture(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    if (!all.is_event(event)) return cudaErrorInvalidResourceHandle;
    if (event->moment) all.give(stream, [] {}, {event->moment->point});
    return cudaSuccess;
  });
}

// ---- Events

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return call([&](Runtime& all) {
    *event = all.new_event();
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call_on(event, [&](Runtime& all) {
    all.delete_event(event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call_outside_capture(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    if (!all.is_event(event)) return cudaErrorInvalidResourceHandle;
    const auto moment = std::make_shared<Moment>();
    event->moment = moment;
    event->queries = 0;
    moment->point = {stream, stream->given + 1};
    all.give(stream, [moment] { moment->time = std::chrono::steady_clock::now(); });
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call_on(event, [&](Runtime&) {
    const auto recording = recorded_here.lock();
    if (recording && capture_mode != cudaStreamCaptureModeRelaxed) {
      recording->spoiled = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    return event->moment ? query(event->moment->point, event->queries) : cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call_on(event, [&](Runtime&) {
    if (event->moment) Runtime::wait_for(event->moment->point);
    return cudaSuccess;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  return call([&](Runtime& all) {
    if (!all.is_event(begin) || !all.is_event(end) || !begin->moment || !end->moment)
      return cudaErrorInvalidResourceHandle;
    if (!Runtime::is_reached(begin->moment->point) || !Runtime::is_reached(end->moment->point))
      return cudaErrorNotReady;
    const auto passed = end->moment->time - begin->moment->time;
    *milliseconds = std::chrono::duration<float, std::milli>(passed).count();
    return cudaSuccess;
  });
}

// ---- Graphs: what one stream was given, in that order

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode) {
  return call_on(handle, [&](Runtime&, const std::shared_ptr<Stream>& stream) {
    if (stream->legacy) return cudaErrorStreamCaptureUnsupported;
    if (stream->recording) return cudaErrorIllegalState;
    stream->recording = std::make_shared<Recording>();
    recorded_here = stream->recording;
    return cudaSuccess;
  });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(capture_mode, *mode);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call_on(handle, [&](Runtime&, const std::shared_ptr<Stream>& stream) {
    *graph = nullptr;
    const auto recording = std::exchange(stream->recording, nullptr);
    if (!recording) return cudaErrorIllegalState;
    recorded_here.reset();
    if (recording->spoiled) return cudaErrorStreamCaptureInvalidated;
    *graph = new CUgraph_st{recording};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  return call([&](Runtime&) {
    *executable = new CUgraphExec_st{std::make_shared<Recording>(*graph->recording)};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  return call_on(handle, [&](Runtime& all, const std::shared_ptr<Stream>& stream) {
    all.give(stream, [recording = executable->recording] {
      if (recording->destroyed) {
        std::fputs("CUDA shim: a graph was destroyed before its launch was over\n", stderr);
        std::abort();
      }
      for (const auto& work : recording->work) work();
    });
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return call([&](Runtime&) {
    executable->recording->destroyed = true;
    delete executable;
    return cudaSuccess;
  });
}

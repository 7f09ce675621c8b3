// Stands in for src/cuda in builds without it.
#include "core/cuda.hpp"
#include "core/error.hpp"

namespace trimatte {
namespace {

[[noreturn]] void refuse() {
  throw DeviceError("this build of trimatte has no CUDA backend; build with TRIMATTE_CUDA=ON");
}

}  // namespace

CudaStatus cuda_status() {
  return {false, "This build of trimatte has no CUDA backend; build with TRIMATTE_CUDA=ON."};
}

namespace cuda {

int device_count() {
  return 0;
}
int current_device() {
  refuse();
}
DeviceFacts facts_of(int) {
  refuse();
}
int device_of(const void*) {
  return -1;
}
DeviceScope::DeviceScope(int) {
  refuse();
}
DeviceScope::~DeviceScope() = default;
void enter() {
  refuse();
}
void set_allocator(std::shared_ptr<Allocator> allocator) {
  if (allocator) refuse();
}
void* allocate(std::size_t, Stream) {
  refuse();
}
void release(void*, int, Stream) noexcept {}
void trim_pools() {}
void upload(void*, const void*, std::size_t, Stream) {
  refuse();
}
void download(void*, const void*, std::size_t, Stream) {
  refuse();
}
void copy(void*, const void*, std::size_t, Stream) {
  refuse();
}
void synchronize(Stream) {
  refuse();
}
void pack(void*, const void*, const std::vector<std::ptrdiff_t>&,
          const std::vector<std::ptrdiff_t>&, std::ptrdiff_t, Stream) {
  refuse();
}
Event Event::record(Stream) {
  refuse();
}
Event::~Event() = default;
bool Event::done() const {
  return true;
}
void Event::wait(Stream) const {}
void Event::synchronize() const {}
OwnStream::OwnStream() {
  refuse();
}
void OwnStream::Destroy::operator()(void*) const noexcept {}
Graph Graph::record(Stream, const std::function<void()>&) {
  refuse();
}
void Graph::launch(Stream) const {
  refuse();
}
void Graph::Destroy::operator()(void*) const noexcept {}

}  // namespace cuda
}  // namespace trimatte

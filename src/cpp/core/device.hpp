// Where memory lives and where work runs.
#pragma once

namespace trimatte {

enum class DeviceKind { kCPU, kCUDA };

struct Device {
  DeviceKind kind = DeviceKind::kCPU;
  int index = 0;
};

// A borrowed stream handle (cudaStream_t on CUDA); the CPU backend runs in call order and ignores
// it.
struct Stream {
  void* handle = nullptr;
};

}  // namespace trimatte

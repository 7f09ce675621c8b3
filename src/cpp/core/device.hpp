// Where memory lives and where work runs.
#pragma once

namespace trimatte {

enum class DeviceKind { kCPU, kCUDA };

struct Device {
  DeviceKind kind = DeviceKind::kCPU;
  int index = 0;  // of the GPU

  bool operator==(const Device&) const = default;
};

// A borrowed stream handle (cudaStream_t on CUDA; null is the legacy default stream). The CPU
// backend runs in call order and ignores it.
struct Stream {
  void* handle = nullptr;

  bool operator==(const Stream&) const = default;
};

}  // namespace trimatte

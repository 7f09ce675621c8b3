// Where memory lives and where work runs.
#pragma once

namespace trimatte {

enum class DeviceKind { kCPU, kCUDA };

// A borrowed stream handle (cudaStream_t on CUDA); the CPU backend runs in call order and ignores
// it.
struct Stream {
  void* handle = nullptr;
};

}  // namespace trimatte

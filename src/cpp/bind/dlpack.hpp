// The binary interface of DLPack 1.1 (https://dmlc.github.io/dlpack/latest/c_api.html): what
// tensors look like when they pass from one library to another. Names and layout are the
// standard's.
#pragma once

#include <cstdint>

namespace trimatte::bind::dlpack {

enum DeviceType : std::int32_t { kCPU = 1, kCUDA = 2, kCUDAHost = 3, kCUDAManaged = 13 };
enum TypeCode : std::uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBool = 6 };

struct Device {
  std::int32_t type;
  std::int32_t index;
};
struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in items; null means packed rows
  std::uint64_t byte_offset;
};
struct ManagedTensor {  // a capsule named "dltensor"
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};
struct Version {
  std::uint32_t major, minor;
};
struct VersionedTensor {  // a capsule named "dltensor_versioned"
  Version version;
  void* context;
  void (*deleter)(VersionedTensor*);
  std::uint64_t flags;
  Tensor tensor;
};
inline constexpr Version kVersion{1, 1};
inline constexpr std::uint64_t kReadOnly = 1;

}  // namespace trimatte::bind::dlpack

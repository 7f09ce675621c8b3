// Device dispatch: the only #if on whether the CUDA backend was built.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "core/device.hpp"
#include "core/error.hpp"

namespace trimatte {

template <DeviceKind D>
using DeviceTag = std::integral_constant<DeviceKind, D>;

// Calls f(tag of the device kind).
template <class F>
decltype(auto) on(DeviceKind kind, F&& f) {
#if TRIMATTE_WITH_CUDA
  if (kind == DeviceKind::kCUDA) return std::forward<F>(f)(DeviceTag<DeviceKind::kCUDA>{});
#else
  if (kind == DeviceKind::kCUDA) throw DeviceError("this build of trimatte has no CUDA backend");
#endif
  return std::forward<F>(f)(DeviceTag<DeviceKind::kCPU>{});
}

}  // namespace trimatte

// What the programs with a planted bug share. Each is built twice: with the bug (PLANTED 1) and
// without. They end with 0 where the result is right.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <vector>

namespace planted {

template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, cudaStream_t stream, A... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, arguments...);
}

inline int* device_array(int count, cudaStream_t stream = nullptr) {
  void* memory = nullptr;
  cudaMallocAsync(&memory, static_cast<std::size_t>(count) * sizeof(int), stream);
  return static_cast<int*>(memory);
}

inline int* device_array(const std::vector<int>& values) {
  int* const memory = device_array(static_cast<int>(values.size()));
  cudaMemcpy(memory, values.data(), values.size() * sizeof(int), cudaMemcpyHostToDevice);
  return memory;
}

inline std::vector<int> numbers(int count) {
  std::vector<int> values(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = i * 37 % 101;
  return values;
}

// The exit status: whether the device has what is wanted.
inline int expect(const int* memory, const std::vector<int>& wanted) {
  std::vector<int> values(wanted.size());
  cudaMemcpy(values.data(), memory, values.size() * sizeof(int), cudaMemcpyDeviceToHost);
  if (values == wanted) return 0;
  std::puts("wrong result");
  return 1;
}

}  // namespace planted

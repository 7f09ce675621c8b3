// What the programs with a planted bug share. Each is built twice: with the bug (PLANTED 1) and
// without. They end with 0 where the result is right.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace planted {

inline void need(cudaError_t status) {
  if (status == cudaSuccess) return;
  std::puts(cudaGetErrorName(status));
  std::exit(2);
}

template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, cudaStream_t stream, A... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  need(cudaLaunchKernelEx(&config, kernel, arguments...));
}

inline int* fresh_array(int count) {
  void* memory = nullptr;
  need(cudaMallocAsync(&memory, static_cast<std::size_t>(count) * sizeof(int), nullptr));
  return static_cast<int*>(memory);
}

inline int* array_of(const std::vector<int>& values) {
  int* const memory = fresh_array(static_cast<int>(values.size()));
  need(cudaMemcpy(memory, values.data(), values.size() * sizeof(int), cudaMemcpyHostToDevice));
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
  need(cudaMemcpy(values.data(), memory, values.size() * sizeof(int), cudaMemcpyDeviceToHost));
  if (values == wanted) return 0;
  std::puts("wrong result");
  return 1;
}

}  // namespace planted

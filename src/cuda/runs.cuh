// Runs of samples, moved 16 bytes at a time where their address allows it. Images are read and
// written by runs of pixels, one thread a run, so that every access of a warp is a whole line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/image_view.hpp"
#include "launch.cuh"

namespace trimatte::cuda {

// Pixels of a run: their samples of one channel fill 16 bytes.
template <class T>
inline constexpr int kRun = 16 / static_cast<int>(sizeof(T));

template <class T>
struct alignas(16) Chunk {
  T v[16 / sizeof(T)];
};

__device__ inline bool is_aligned(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

// `count` <= N samples; those beyond are zero.
template <class T, int N>
__device__ inline void load_run(const T* from, int count, T (&to)[N]) {
  constexpr int kEach = 16 / static_cast<int>(sizeof(T));
  static_assert(N % kEach == 0);
  if (count == N && is_aligned(from)) {
#pragma unroll
    for (int i = 0; i < N / kEach; ++i) {
      const Chunk<T> chunk = reinterpret_cast<const Chunk<T>*>(from)[i];
#pragma unroll
      for (int j = 0; j < kEach; ++j) to[i * kEach + j] = chunk.v[j];
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = i < count ? from[i] : T(0);
}

template <class T, int N>
__device__ inline void store_run(T* to, int count, const T (&from)[N]) {
  constexpr int kEach = 16 / static_cast<int>(sizeof(T));
  static_assert(N % kEach == 0);
  if (count == N && is_aligned(to)) {
#pragma unroll
    for (int i = 0; i < N / kEach; ++i) {
      Chunk<T> chunk;
#pragma unroll
      for (int j = 0; j < kEach; ++j) chunk.v[j] = from[i * kEach + j];
      reinterpret_cast<Chunk<T>*>(to)[i] = chunk;
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < count) to[i] = from[i];
}

// body(y, x, count) for every run of N pixels of this thread, in a grid of launch_runs.
template <int N, class Body>
__device__ inline void for_runs(std::ptrdiff_t width, std::ptrdiff_t height, const Body& body) {
  const std::ptrdiff_t x = N * global_x();
  if (x >= width) return;
  const int count = width - x < N ? static_cast<int>(width - x) : N;
  for_rows(height, [&](std::ptrdiff_t y) { body(y, x, count); });
}

template <class V>
bool is_packed(const V& view) {
  return !view.data || view.stride == view.width * view.channels *
                                          static_cast<std::ptrdiff_t>(sizeof(*view.data));
}

// Images without gaps between their rows are one long row: runs then need not end with a row.
template <class... Views>
void flatten(Views&... views) {
  if (!(is_packed(views) && ...)) return;
  const auto one_row = [](auto& view) {
    view.width *= view.height;
    view.height = 1;
    view.stride = view.width * view.channels * static_cast<std::ptrdiff_t>(sizeof(*view.data));
  };
  (one_row(views), ...);
}

// A thread for each run of N pixels of a width x height image.
template <int N, class... P, class... A>
void launch_runs(const char* what, void (*kernel)(P...), std::ptrdiff_t width,
                 std::ptrdiff_t height, Stream stream, A&&... args) {
  if (width <= 0 || height <= 0) return;
  const std::ptrdiff_t runs = (width + N - 1) / N;
  // Long rows: blocks along the row only.
  const int block_width = height == 1 ? 256 : kBlockWidth, block_height = 256 / block_width;
  launch(what, kernel,
         dim3(blocks_for(runs, block_width, 0x7fffffff), blocks_for(height, block_height)),
         dim3(block_width, block_height), stream, args...);
}

}  // namespace trimatte::cuda

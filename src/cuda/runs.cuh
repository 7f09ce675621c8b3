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

// The samples that one access moves: 16 bytes, or the whole of a shorter run.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Chunk {
  static constexpr int kCount = N * sizeof(T) < 16 ? N : 16 / static_cast<int>(sizeof(T));
  static_assert(N % kCount == 0);
  T v[kCount];

  __device__ static bool fits(const T* p) {
    return reinterpret_cast<std::uintptr_t>(p) % alignof(Chunk) == 0;
  }
};

// `count` <= N samples; those beyond are zero.
template <class T, int N>
__device__ inline void load_run(const T* from, int count, T (&to)[N]) {
  using Piece = Chunk<T, N>;
  if (count == N && Piece::fits(from)) {
#pragma unroll
    for (int i = 0; i < N / Piece::kCount; ++i) {
      const Piece piece = reinterpret_cast<const Piece*>(from)[i];
#pragma unroll
      for (int j = 0; j < Piece::kCount; ++j) to[i * Piece::kCount + j] = piece.v[j];
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = i < count ? from[i] : T(0);
}

template <class T, int N>
__device__ inline void store_run(T* to, int count, const T (&from)[N]) {
  using Piece = Chunk<T, N>;
  if (count == N && Piece::fits(to)) {
#pragma unroll
    for (int i = 0; i < N / Piece::kCount; ++i) {
      Piece piece;
#pragma unroll
      for (int j = 0; j < Piece::kCount; ++j) piece.v[j] = from[i * Piece::kCount + j];
      reinterpret_cast<Piece*>(to)[i] = piece;
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

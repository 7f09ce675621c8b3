// Runs of samples, moved 16 bytes at a time where their address allows it. Images are read and
// written by runs of pixels, one thread a run, so that every access of a warp is a whole line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/image_view.hpp"
#include "launch.cuh"

namespace trimatte::cuda {

// Pixels of a run: their samples of one channel fill 16 bytes.
template <class T>
inline constexpr int kRun = 16 / static_cast<int>(sizeof(T));

// What one access moves: 16 bytes, or the whole of a shorter run. As words, out of which samples
// are shifted: compilers are quick with those, and slow with arrays of bytes.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Chunk {
  static constexpr int kBytes = N * sizeof(T) < 16 ? N * static_cast<int>(sizeof(T)) : 16;
  static constexpr int kCount = kBytes / static_cast<int>(sizeof(T));  // samples
  static constexpr int kEach = 4 / static_cast<int>(sizeof(T));        // of a word
  static_assert(kBytes % 4 == 0 && N % kCount == 0);
  std::uint32_t words[kBytes / 4];

  __device__ static bool fits(const T* p) {
    return reinterpret_cast<std::uintptr_t>(p) % alignof(Chunk) == 0;
  }
  __device__ T get(int i) const {
    const std::uint32_t word = words[i / kEach] >> (i % kEach * 8 * sizeof(T));
    if constexpr (std::is_same_v<T, float>) {
      T sample;
      memcpy(&sample, &word, sizeof(sample));
      return sample;
    } else {
      return static_cast<T>(word);
    }
  }
  __device__ void put(int i, T sample) {
    std::uint32_t word = 0;
    memcpy(&word, &sample, sizeof(sample));
    word <<= i % kEach * 8 * sizeof(T);
    words[i / kEach] = i % kEach ? words[i / kEach] | word : word;
  }
};

template <class T, int N>
__device__ inline void copy_chunks(const T* from, T (&to)[N]) {
  using Piece = Chunk<T, N>;
#pragma unroll
  for (int i = 0; i < N / Piece::kCount; ++i) {
    const Piece piece = reinterpret_cast<const Piece*>(from)[i];
#pragma unroll
    for (int j = 0; j < Piece::kCount; ++j) to[i * Piece::kCount + j] = piece.get(j);
  }
}
template <class T, int N>
__device__ inline void copy_chunks(const T (&from)[N], T* to) {
  using Piece = Chunk<T, N>;
#pragma unroll
  for (int i = 0; i < N / Piece::kCount; ++i) {
    Piece piece;
#pragma unroll
    for (int j = 0; j < Piece::kCount; ++j) piece.put(j, from[i * Piece::kCount + j]);
    reinterpret_cast<Piece*>(to)[i] = piece;
  }
}

// `count` <= N samples; those beyond are zero.
template <class T, int N>
__device__ inline void load_run(const T* from, int count, T (&to)[N]) {
  if (count == N && Chunk<T, N>::fits(from)) {
    copy_chunks(from, to);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = i < count ? from[i] : T(0);
}

template <class T, int N>
__device__ inline void store_run(T* to, int count, const T (&from)[N]) {
  if (count == N && Chunk<T, N>::fits(to)) {
    copy_chunks(from, to);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < count) to[i] = from[i];
}

// body(y, x, count) for this thread's run of N pixels, in a grid of launch_runs.
template <int N, class Body>
__device__ inline void in_run(std::ptrdiff_t width, std::ptrdiff_t height, const Body& body) {
  const std::ptrdiff_t x = N * global_x();
  if (x >= width) return;
  const int count = width - x < N ? static_cast<int>(width - x) : N;
  in_row(height, [&](std::ptrdiff_t y) { body(y, x, count); });
}

// An image of C channels, as one side of map_runs.
template <int C, class T>
struct Channels {
  ImageView<T> view;

  static constexpr int kCount = C;
  using Sample = std::remove_const_t<T>;

  __device__ T* at(std::ptrdiff_t y, std::ptrdiff_t x) const { return view.row(y) + C * x; }
};
template <int C, class T>
__device__ inline Channels<C, T> channels(const ImageView<T>& view) {
  return {view};
}

// The samples of a run, in registers.
template <int N, class C>
struct Run {
  static constexpr int kSamples = N * C::kCount;
  typename C::Sample v[kSamples];

  __device__ static bool fits(const C& side, std::ptrdiff_t y, std::ptrdiff_t x) {
    return Chunk<typename C::Sample, kSamples>::fits(side.at(y, x));
  }
};

template <int N, class C>
__device__ inline Run<N, C> load(const C& side, std::ptrdiff_t y, std::ptrdiff_t x) {
  Run<N, C> run;
  copy_chunks(side.at(y, x), run.v);
  return run;
}

// One pixel, as a call: compilers make a copy of a loop for every choice that is made inside of it.
// By value, for what is passed by reference would have to be in memory.
template <class Op, class... P>
__device__ __noinline__ void map_pixel(Op op, P*... samples) {
  op(samples...);
}

// op(samples of a pixel of out, samples of that pixel of each input...) for every pixel. Whole runs
// go through registers, the rest of a row and rows that are not aligned pixel by pixel. `op` should
// hold what it needs by value.
template <int N, class Out, class Op, class... In>
__device__ inline void map_runs(const Op& op, const Out& out, const In&... in) {
  in_run<N>(out.view.width, out.view.height, [&](auto y, auto x, int count) {
    if (count < N || !(Run<N, Out>::fits(out, y, x) && ... && Run<N, In>::fits(in, y, x))) {
#pragma unroll 1
      for (int i = 0; i < count; ++i) map_pixel(op, out.at(y, x + i), in.at(y, x + i)...);
      return;
    }
    const auto map = [&](const auto&... runs) {
      Run<N, Out> result;
#pragma unroll
      for (int i = 0; i < N; ++i) op(result.v + Out::kCount * i, (runs.v + In::kCount * i)...);
      copy_chunks(result.v, out.at(y, x));
    };
    map(load<N>(in, y, x)...);
  });
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
void launch_runs(const Step& step, void (*kernel)(P...), std::ptrdiff_t width,
                 std::ptrdiff_t height, Stream stream, A&&... args) {
  if (width <= 0 || height <= 0) return;
  // Long rows: blocks along the row only.
  const dim3 block = height == 1 ? dim3(256) : dim3(kBlockWidth, 256 / kBlockWidth);
  launch(step, kernel, grid_over((width + N - 1) / N, height, block), block, stream, args...);
}

}  // namespace trimatte::cuda

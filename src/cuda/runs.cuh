// Runs of samples, moved 16 bytes at a time where their address allows it. Images are read and
// written by runs of pixels, one thread a run, so that every access of a warp is a whole line.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/image_view.hpp"
#include "launch.cuh"
#include "quads.cuh"

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

// ---- Whole warps, where an operation takes quads

// A warp's runs are 512 pixels in a row. Of three channels each lane's run begins 48 bytes after
// the last lane's, so that a warp's access touches three times the sectors that it moves; a warp
// that has all of its runs moves 512 bytes at a time, and shares them out through shared memory.
inline constexpr int kWarp = 32;
inline constexpr int kGroup = kWarp * kRun<std::uint8_t>;
inline constexpr int kGroupQuads = kGroup / 4 / kWarp;  // of a lane
inline constexpr int kWarpsOfRuns = 256 / kWarp;        // of a block of launch_runs

// Four words, moved by one access.
struct alignas(16) Line {
  std::uint32_t w[4];
};

// What a lane loads of a group of C channels: its quads, where a quad is one access; else lines,
// which are shared out.
template <int C>
struct Part {
  using Access = std::conditional_t<C == 1, std::uint32_t, Line>;
  static constexpr int kCount = C == 3 ? C : kGroupQuads;
  static constexpr int kShared = C == 3 ? C * kWarp : 0;  // lines of a warp
  Access v[kCount];
};

template <int C>
__device__ inline Part<C> load_part(const std::uint8_t* group, int lane) {
  Part<C> part;
  const auto* from = reinterpret_cast<const typename Part<C>::Access*>(group);
#pragma unroll
  for (int i = 0; i < Part<C>::kCount; ++i) part.v[i] = from[kWarp * i + lane];
  return part;
}

// The warp meets behind it.
template <int C>
__device__ inline void share(const Part<C>& part, int lane, Line* shared) {
  if constexpr (Part<C>::kShared > 0) {
#pragma unroll
    for (int i = 0; i < Part<C>::kCount; ++i) shared[kWarp * i + lane] = part.v[i];
  }
}

// A lane's quad i of a group.
template <int C>
__device__ inline Quad<C> quad_of(const Part<C>& part, int lane, int i, const Line* shared) {
  if constexpr (C == 1) {
    return {part.v[i]};
  } else if constexpr (C == 4) {
    return {part.v[i].w[0], part.v[i].w[1], part.v[i].w[2], part.v[i].w[3]};
  } else {
    const auto* words = reinterpret_cast<const std::uint32_t*>(shared) + C * (kWarp * i + lane);
    return {words[0], words[1], words[2]};
  }
}

template <int C>
__device__ inline void store_quads(const Quad<C> (&quads)[kGroupQuads], int lane, Line* shared,
                                   std::uint8_t* group) {
  if constexpr (C == 3) {
    __syncwarp();  // all have read what was shared
#pragma unroll
    for (int i = 0; i < kGroupQuads; ++i) {
      auto* words = reinterpret_cast<std::uint32_t*>(shared) + C * (kWarp * i + lane);
#pragma unroll
      for (int j = 0; j < C; ++j) words[j] = quads[i].w[j];
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < C; ++i)
      reinterpret_cast<Line*>(group)[kWarp * i + lane] = shared[kWarp * i + lane];
  } else {
    auto* to = reinterpret_cast<typename Part<C>::Access*>(group);
#pragma unroll
    for (int i = 0; i < kGroupQuads; ++i) {
      if constexpr (C == 1) {
        to[kWarp * i + lane] = quads[i].w[0];
      } else {
        to[kWarp * i + lane] = {quads[i].w[0], quads[i].w[1], quads[i].w[2], quads[i].w[3]};
      }
    }
  }
}

// Lines of shared memory that the first n of some sides take.
template <int... C>
constexpr int shared_lines(std::size_t n) {
  constexpr int kEach[] = {Part<C>::kShared...};
  int lines = 0;
  for (std::size_t i = 0; i < n; ++i) lines += kEach[i];
  return lines;
}

// Whether op.quad(a Quad of each input...) makes a Quad of out, all of uint8.
template <class Op, class Out, class... In>
concept TakesQuads = std::is_same_v<typename Out::Sample, std::uint8_t> &&
                     (std::is_same_v<typename In::Sample, std::uint8_t> && ...) &&
                     requires(const Op& op, const Quad<In::kCount>&... quads) {
                       { op.quad(quads...) } -> std::same_as<Quad<Out::kCount>>;
                     };

// The group of this thread's warp, if all of it lies in the row and is aligned, on which the warp
// agrees; else false. x is where this lane's run begins.
template <class Op, class Out, class... In, std::size_t... I>
__device__ inline bool map_group(const Op& op, std::ptrdiff_t y, std::ptrdiff_t x,
                                 std::index_sequence<I...>, const Out& out, const In&... in) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const std::ptrdiff_t first = x - std::ptrdiff_t{kRun<std::uint8_t>} * lane;
  const auto address = [&](const auto& side) {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(side.at(y, first)));
  };
  const std::uint32_t any = (address(out) | ... | address(in));
  if (first + kGroup > out.view.width || any % alignof(Line) != 0) return false;

  constexpr int kInputs = shared_lines<In::kCount...>(sizeof...(In));
  constexpr int kOutput = Part<Out::kCount>::kShared;
  constexpr int kLines = kInputs > kOutput ? kInputs : kOutput;
  __shared__ Line lines[kWarpsOfRuns][kLines > 0 ? kLines : 1];
  Line* shared = lines[(threadIdx.y * blockDim.x + threadIdx.x) / kWarp];
  const auto map = [&](const auto&... parts) {
    (share<In::kCount>(parts, lane,
                       shared + std::integral_constant<int, shared_lines<In::kCount...>(I)>::value),
     ...);
    if constexpr (kInputs > 0) __syncwarp();
    Quad<Out::kCount> made[kGroupQuads];
#pragma unroll
    for (int i = 0; i < kGroupQuads; ++i)
      made[i] = op.quad(quad_of<In::kCount>(
          parts, lane, i,
          shared + std::integral_constant<int, shared_lines<In::kCount...>(I)>::value)...);
    store_quads(made, lane, shared, out.at(y, first));
  };
  map(load_part<In::kCount>(in.at(y, first), lane)...);
  return true;
}

// op(samples of a pixel of out, samples of that pixel of each input...) for every pixel. Whole runs
// go through registers, the rest of a row and rows that are not aligned pixel by pixel. `op` should
// hold what it needs by value. Where it has quad(), warps that have all of their runs take four
// pixels at a time.
template <int N, class Out, class Op, class... In>
__device__ inline void map_runs(const Op& op, const Out& out, const In&... in) {
  in_run<N>(out.view.width, out.view.height, [&](auto y, auto x, int count) {
    if constexpr (N == kRun<std::uint8_t> && TakesQuads<Op, Out, In...>) {
      if (map_group(op, y, x, std::index_sequence_for<In...>{}, out, in...)) return;
    }
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

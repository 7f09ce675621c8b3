// Choke on the GPU: a warp makes a stretch of a row of the result, in shared memory, from the rows
// around it (pixel/choke.hpp). Warps share nothing.
#include <cstdint>

#include "launch.cuh"
#include "ops.hpp"
#include "pixel/choke.hpp"

namespace trimatte {
namespace {

constexpr int kLanes = 32, kWarps = 8;
constexpr int kBlocks = 4;     // a multiprocessor, at least: left alone, ptxas spills for more
constexpr int kStretch = 256;  // pixels of a row
constexpr int kHeld = kStretch + 2 * kLargestChoke;

template <class T>
struct Rows {
  T* now;
  T* next;
};

// body(column) for this lane's columns of a stretch and `radius` more on both sides.
template <class Body>
__device__ void for_columns(int radius, const Body& body) {
  for (int c = static_cast<int>(threadIdx.x) - radius; c < kStretch + radius; c += kLanes) body(c);
}

// Leaves the result of a disk in rows.now. What lies beyond the radius of the stretch has no part
// in it.
template <bool Spread, class T>
__device__ void choke_stretch(const ImageView<const T>& alpha, std::ptrdiff_t y, std::ptrdiff_t x,
                              int radius, Rows<T>& rows) {
  const auto sample = [&](std::ptrdiff_t row, int c) {
    const bool inside = x + c >= 0 && x + c < alpha.width && row >= 0 && row < alpha.height;
    return inside ? alpha.row(row)[x + c] : choke_outside<Spread, T>();
  };
  for_columns(radius, [&](int c) { rows.now[c] = sample(y, c); });
  for (int i = 1; i <= radius; ++i) {
    const int wanted = choke_step(radius, i);
    for (int covered = 0; covered < wanted;) {
      const int shift = choke_shift(wanted, covered);
      __syncwarp();
      for_columns(radius, [&](int c) {
        T v = rows.now[c];
        if (c - shift >= -radius) v = choke_pick<Spread>(v, rows.now[c - shift]);
        if (c + shift < kStretch + radius) v = choke_pick<Spread>(v, rows.now[c + shift]);
        rows.next[c] = v;
      });
      T* const made = rows.next;
      rows.next = rows.now;
      rows.now = made;
      covered += shift;
    }
    for_columns(radius, [&](int c) {
      const T both = choke_pick<Spread>(sample(y - i, c), sample(y + i, c));
      rows.now[c] = choke_pick<Spread>(rows.now[c], both);
    });
  }
  __syncwarp();
}

template <bool Spread, class T>
__global__ void __launch_bounds__(kLanes* kWarps, kBlocks)
    choke_kernel(ImageView<const T> alpha, ImageView<T> out, ChokeDisks disks) {
  __shared__ T held[kWarps][2][kHeld];
  const std::ptrdiff_t x = std::ptrdiff_t{blockIdx.x} * kStretch, y = cuda::global_y();
  if (y >= out.height) return;
  Rows<T> rows{held[threadIdx.y][0] + kLargestChoke, held[threadIdx.y][1] + kLargestChoke};
  T* to = out.row(y) + x;
  const auto for_pixels = [&](const auto& body) {
    for (int c = threadIdx.x; c < kStretch && x + c < out.width; c += kLanes) body(c);
  };
  choke_stretch<Spread>(alpha, y, x, disks.lower, rows);
  for_pixels([&](int c) { to[c] = rows.now[c]; });
  if (disks.upper == disks.lower) return;
  __syncwarp();
  choke_stretch<Spread>(alpha, y, x, disks.upper, rows);
  for_pixels([&](int c) { to[c] = choke_between(to[c], rows.now[c], disks.part); });
}

}  // namespace

template <DeviceKind D, class T>
void choke(ImageView<const T> alpha, ImageView<T> out, const ChokeOptions& options, Stream stream) {
  if (out.empty()) return;
  const dim3 block(kLanes, kWarps);
  dim3 grid = cuda::grid_over(out.width, out.height, block);
  grid.x = cuda::blocks_for(out.width, kStretch, 0x7fffffff);
  cuda::launch("choke", options.radius < 0.0 ? choke_kernel<true, T> : choke_kernel<false, T>, grid,
               block, stream, alpha, out, choke_disks(options));
}

#define TRIMATTE_INSTANTIATE(T)                                                                    \
  template void choke<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<T>, const ChokeOptions&, \
                                            Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

// The largest of 2 r + 1 neighbours in a row, through shared memory; three bugs can be planted in it.
#pragma once

#include <algorithm>

#include "planted.hpp"

namespace planted {

constexpr int kTile = 64, kRadius = 5;

enum class Bug { kNone, kNoBarrier, kTileOverrun, kGlobalOverrun };

template <Bug kBug>
__global__ void dilate_kernel(const int* in, int* out, int width) {
  __shared__ int tile[kTile + 2 * kRadius];
  const int first = static_cast<int>(blockIdx.x) * kTile - kRadius;
  const int t = static_cast<int>(threadIdx.x);
  for (int i = t; i < kTile + 2 * kRadius; i += kTile)
    tile[i] = first + i >= 0 && first + i < width ? in[first + i] : 0;
  if (kBug != Bug::kNoBarrier) __syncthreads();
  const int x = static_cast<int>(blockIdx.x) * kTile + t;
  if (kBug != Bug::kGlobalOverrun && x >= width) return;
  int most = 0;
  const int end = 2 * kRadius + (kBug == Bug::kTileOverrun ? 1 : 0);
  for (int i = 0; i <= end; ++i) most = max(most, tile[t + i]);
  out[x] = most;
}

template <Bug kBug>
int dilate() {
  constexpr int kWidth = 3 * kTile + 17;
  const auto values = numbers(kWidth);
  const int* in = device_array(values);
  int* out = device_array(kWidth);
  launch(dilate_kernel<kBug>, dim3(4), dim3(kTile), nullptr, in, out, kWidth);
  std::vector<int> wanted(kWidth);
  for (int x = 0; x < kWidth; ++x)
    wanted[static_cast<std::size_t>(x)] =
        *std::max_element(values.begin() + std::max(0, x - kRadius),
                          values.begin() + std::min(kWidth, x + kRadius + 1));
  return expect(out, wanted);
}

}  // namespace planted

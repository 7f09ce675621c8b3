// Bilinear samples of a coarse grid over an image, on the GPU.
#pragma once

#include <cstddef>

#include "core/image_view.hpp"
#include "launch.cuh"
#include "pixel/grid.hpp"

namespace trimatte::cuda {

struct Grid {
  ImageView<const float> cells;
  float scale_x, scale_y;  // cells a pixel

  Grid(const ImageView<const float>& grid, std::ptrdiff_t height, std::ptrdiff_t width, int cell)
      : cells(grid),
        scale_x(static_cast<float>(grid_scale(grid.width, width, cell))),
        scale_y(static_cast<float>(grid_scale(grid.height, height, cell))) {}

  // All C channels at pixel (y, x).
  template <int C>
  __device__ void sample(std::ptrdiff_t y, std::ptrdiff_t x, float (&out)[C]) const {
    const auto row = grid_point(y, scale_y, cells.height), at = grid_point(x, scale_x, cells.width);
    const float *top = cells.row(row.low), *bottom = cells.row(row.high);
#pragma unroll
    for (int c = 0; c < C; ++c)
      out[c] = mix(mix(top[C * at.low + c], bottom[C * at.low + c], row.t),
                   mix(top[C * at.high + c], bottom[C * at.high + c], row.t), at.t);
  }
};

}  // namespace trimatte::cuda

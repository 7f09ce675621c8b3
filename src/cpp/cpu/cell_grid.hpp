// Coarse grids over an image: a few values a cell of 8 x 8 pixels, interpolated between the cells'
// centres.
#pragma once

#include <cstddef>
#include <vector>

#include "pixel/grid.hpp"

namespace trimatte {

inline constexpr int kCellSide = 8;  // pixels

// N values a cell.
template <int N>
struct CellGrid {
  std::ptrdiff_t height = 0, width = 0;
  std::vector<float> values;

  CellGrid() = default;
  CellGrid(std::ptrdiff_t rows, std::ptrdiff_t columns)
      : height(rows), width(columns), values(static_cast<std::size_t>(rows * columns * N)) {}
  float* at(std::ptrdiff_t y, std::ptrdiff_t x) { return values.data() + (y * width + x) * N; }
  const float* at(std::ptrdiff_t y, std::ptrdiff_t x) const {
    return values.data() + (y * width + x) * N;
  }
};

// A grid row by row of the image that it lies over.
template <int N>
class GridRows {
 public:
  GridRows(const CellGrid<N>& grid, std::ptrdiff_t width) : grid_(grid), width_(width) {}

  // row[n][x], n < N; `line` is room that the next call may use again.
  void read(std::ptrdiff_t y, std::vector<float>& line, float* const* row) const {
    const auto at = grid_point(y, 1.0f / kCellSide, grid_.height);
    line.resize(static_cast<std::size_t>(grid_.width * N));
    const float *above = grid_.at(at.low, 0), *below = grid_.at(at.high, 0);
    for (std::size_t k = 0; k < line.size(); ++k) line[k] = mix(above[k], below[k], at.t);
    for (int n = 0; n < N; ++n) spread(line.data() + n, row[n]);
  }

 private:
  // One of the N values of a line of cells over a row's pixels.
  void spread(const float* line, float* __restrict row) const {
    constexpr int kHalf = kCellSide / 2;
    const std::ptrdiff_t last = grid_.width - 1;
    std::ptrdiff_t x = 0;
    for (; x < kHalf && x < width_; ++x) row[x] = line[0];
    for (std::ptrdiff_t cell = 0; cell < last; ++cell, x += kCellSide) {
      const float from = line[cell * N], slope = (line[(cell + 1) * N] - from) / kCellSide;
      if (x + kCellSide > width_) {
        for (int i = 0; x + i < width_; ++i)
          row[x + i] = from + slope * (static_cast<float>(i) + 0.5f);
        return;
      }
      for (int i = 0; i < kCellSide; ++i)
        row[x + i] = from + slope * (static_cast<float>(i) + 0.5f);
    }
    for (; x < width_; ++x) row[x] = line[last * N];
  }

  const CellGrid<N>& grid_;
  std::ptrdiff_t width_;
};

// Two by two cells as one, their values added.
template <int N>
CellGrid<N> halved(const CellGrid<N>& fine) {
  CellGrid<N> coarse((fine.height + 1) / 2, (fine.width + 1) / 2);
  for (std::ptrdiff_t y = 0; y < fine.height; ++y)
    for (std::ptrdiff_t x = 0; x < fine.width; ++x)
      for (int n = 0; n < N; ++n) coarse.at(y / 2, x / 2)[n] += fine.at(y, x)[n];
  return coarse;
}

// Fills in what is not known, push and pull (Gortler, Grzeszczuk, Szeliski, Cohen, The Lumigraph,
// SIGGRAPH 1996): `sums` holds each cell's sums of N values over the pixels that are known, and
// their number; a cell of fewer than `enough` takes the rest from coarser ones.
template <int N>
CellGrid<N> push_pull(const CellGrid<N + 1>& sums, float enough) {
  CellGrid<N> filled(sums.height, sums.width);
  const bool coarsest = sums.height == 1 && sums.width == 1;
  CellGrid<N> coarser;
  if (!coarsest) coarser = push_pull<N>(halved(sums), enough);
  for (std::ptrdiff_t y = 0; y < sums.height; ++y)
    for (std::ptrdiff_t x = 0; x < sums.width; ++x) {
      const float* sum = sums.at(y, x);
      float* to = filled.at(y, x);
      const float known = sum[N];
      const float share = coarsest || known >= enough ? 1.0f : known / enough;
      for (int n = 0; n < N; ++n) to[n] = known > 0.0f ? share * sum[n] / known : 0.0f;
      if (share == 1.0f) continue;
      const auto row = grid_point(y, 0.5f, coarser.height);
      const auto column = grid_point(x, 0.5f, coarser.width);
      const float *a = coarser.at(row.low, column.low), *b = coarser.at(row.low, column.high);
      const float *c = coarser.at(row.high, column.low), *d = coarser.at(row.high, column.high);
      for (int n = 0; n < N; ++n)
        to[n] += (1.0f - share) * mix(mix(a[n], b[n], column.t), mix(c[n], d[n], column.t), row.t);
    }
  return filled;
}

}  // namespace trimatte

// Coarse grids over an image: a few values a cell, interpolated between the cells' centres.
#pragma once

#include <cstddef>
#include <vector>

namespace trimatte {

// Where pixels lie between the centres of cells, along one side of an image.
struct CellTaps {
  std::vector<int> before;      // the cell before; the next one, or the same at the end, is after
  std::vector<float> fraction;  // of the way to the next one

  CellTaps(std::ptrdiff_t pixels, std::ptrdiff_t cells, int cell) {
    before.reserve(static_cast<std::size_t>(pixels));
    fraction.reserve(static_cast<std::size_t>(pixels));
    for (std::ptrdiff_t x = 0; x < pixels; ++x) {
      float u = (static_cast<float>(x) + 0.5f) / static_cast<float>(cell) - 0.5f;
      u = u < 0.0f ? 0.0f : u;
      const float last = static_cast<float>(cells - 1);
      u = u > last ? last : u;
      int first = static_cast<int>(u);
      if (first > 0 && first == cells - 1) --first;
      before.push_back(first);
      fraction.push_back(cells > 1 ? u - static_cast<float>(first) : 0.0f);
    }
  }
};

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

  // Value n at a pixel.
  float between(const CellTaps& rows, const CellTaps& columns, std::ptrdiff_t y, std::ptrdiff_t x,
                int n) const {
    const auto i = static_cast<std::size_t>(y), j = static_cast<std::size_t>(x);
    const std::ptrdiff_t top = rows.before[i], left = columns.before[j];
    const std::ptrdiff_t bottom = top + (top + 1 < height), right = left + (left + 1 < width);
    const float across = columns.fraction[j];
    const float above = at(top, left)[n] + across * (at(top, right)[n] - at(top, left)[n]);
    const float below = at(bottom, left)[n] + across * (at(bottom, right)[n] - at(bottom, left)[n]);
    return above + rows.fraction[i] * (below - above);
  }
};

// A grid row by row of the image.
template <int N>
class GridRows {
 public:
  GridRows(const CellGrid<N>& grid, std::ptrdiff_t height, std::ptrdiff_t width, int cell)
      : grid_(grid), rows_(height, grid.height, cell), columns_(width, grid.width, cell) {}

  // row[n][x], n < N
  void read(std::ptrdiff_t y, std::vector<float>& line, float* const* row) const {
    const auto i = static_cast<std::size_t>(y);
    const std::ptrdiff_t above = rows_.before[i];
    const std::ptrdiff_t below = above + (above + 1 < grid_.height);
    const float down = rows_.fraction[i];
    const auto count = static_cast<std::size_t>(grid_.width * N);
    line.resize(count);
    const float *a = grid_.at(above, 0), *b = grid_.at(below, 0);
    for (std::size_t k = 0; k < count; ++k) line[k] = a[k] + down * (b[k] - a[k]);
    const std::ptrdiff_t step = grid_.width > 1 ? N : 0;
    for (std::size_t x = 0; x < columns_.before.size(); ++x) {
      const float* cell = line.data() + columns_.before[x] * N;
      const float t = columns_.fraction[x];
      for (int n = 0; n < N; ++n) row[n][x] = cell[n] + t * (cell[step + n] - cell[n]);
    }
  }

 private:
  const CellGrid<N>& grid_;
  CellTaps rows_, columns_;
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
  const CellTaps rows(sums.height, coarser.height, 2), columns(sums.width, coarser.width, 2);
  for (std::ptrdiff_t y = 0; y < sums.height; ++y)
    for (std::ptrdiff_t x = 0; x < sums.width; ++x) {
      const float* sum = sums.at(y, x);
      const float known = sum[N];
      const float share = coarsest || known >= enough ? 1.0f : known / enough;
      for (int n = 0; n < N; ++n) {
        const float mean = known > 0.0f ? sum[n] / known : 0.0f;
        const float around = coarsest ? 0.0f : coarser.between(rows, columns, y, x, n);
        filled.at(y, x)[n] = share * mean + (1.0f - share) * around;
      }
    }
  return filled;
}

}  // namespace trimatte

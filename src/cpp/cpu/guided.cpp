// Guided alpha on the CPU: sums of the known pixels of each cell, sums of cells over windows, a
// model a window, and the mean models at the unknown pixels.
#define TRIMATTE_THIS_FILE "cpu/guided.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/guided.hpp"

#if !defined(TRIMATTE_CPU_GUIDED_SHARED)
#define TRIMATTE_CPU_GUIDED_SHARED
namespace trimatte {

// N numbers a cell.
template <int N>
class Cells {
 public:
  explicit Cells(const GuideGrid& grid)
      : columns_(grid.columns), data_(static_cast<std::size_t>(grid.cells() * N)) {}
  double* at(std::ptrdiff_t row, std::ptrdiff_t column) {
    return data_.data() + (row * columns_ + column) * N;
  }

 private:
  std::ptrdiff_t columns_;
  std::vector<double> data_;
};

}  // namespace trimatte
#endif

TRIMATTE_TARGET_BEGIN

// Adds a row of pixels to the counts of its columns: one array of `width` for each GuideCount.
template <int C, class T>
void count_row(const T* __restrict image, const std::uint8_t* __restrict trimap,
               std::ptrdiff_t width, std::int32_t* __restrict counts) {
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    const auto r = static_cast<std::int32_t>(ten_bits(image[C * x]));
    const auto g = static_cast<std::int32_t>(ten_bits(image[C * x + 1]));
    const auto b = static_cast<std::int32_t>(ten_bits(image[C * x + 2]));
    const std::int32_t front = trimap_is_foreground(trimap[x]),
                       back = trimap_is_background(trimap[x]);
    std::int32_t* to = counts + x;
    to[0] += front;
    to[width] += front * r;
    to[2 * width] += front * g;
    to[3 * width] += front * b;
    to[4 * width] += back;
    to[5 * width] += back * r;
    to[6 * width] += back * g;
    to[7 * width] += back * b;
  }
}

template <class T>
void count_cells(const ImageView<const T>& image, const ImageView<const std::uint8_t>& trimap,
                 const GuideGrid& grid, Cells<kGuideMoments>& cells) {
  parallel_for(grid.rows, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    std::vector<std::int32_t> columns(static_cast<std::size_t>(image.width * kGuideCounts));
    for (std::ptrdiff_t row = begin; row < end; ++row) {
      std::fill(columns.begin(), columns.end(), 0);
      const std::ptrdiff_t last = std::min((row + 1) * grid.side, image.height);
      for (std::ptrdiff_t y = row * grid.side; y < last; ++y) {
        if (image.channels == 3)
          count_row<3>(image.row(y), trimap.row(y), image.width, columns.data());
        else
          count_row<4>(image.row(y), trimap.row(y), image.width, columns.data());
      }
      for (std::ptrdiff_t c = 0; c < grid.columns; ++c) {
        const std::ptrdiff_t first = c * grid.side;
        const std::ptrdiff_t count = std::min(grid.side, image.width - first);
        std::int32_t counts[kGuideCounts] = {};
        for (int k = 0; k < kGuideCounts; ++k)
          for (std::ptrdiff_t x = 0; x < count; ++x)
            counts[k] += columns[static_cast<std::size_t>(k * image.width + first + x)];
        guide_moments(counts, cells.at(row, c));
      }
    }
  });
}

// sums[i] = the sum of items i - R to i + R, as far as there are any; `stride` apart, N numbers
// each.
template <int N, int R>
void window_sums(const double* items, double* sums, std::ptrdiff_t count, std::ptrdiff_t stride) {
  double sum[N] = {};
  const auto add = [&](std::ptrdiff_t i, double sign) {
    if (i >= 0 && i < count)
      for (int k = 0; k < N; ++k) sum[k] += sign * items[i * stride + k];
  };
  for (std::ptrdiff_t i = 0; i < R; ++i) add(i, 1.0);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    add(i + R, 1.0);
    for (int k = 0; k < N; ++k) sums[i * stride + k] = sum[k];
    add(i - R, -1.0);
  }
}

// Sums over (2 R + 1)^2 cells, in place.
template <int N, int R>
void window_sums(const GuideGrid& grid, Cells<N>& cells) {
  Cells<N> rows(grid);
  parallel_for(grid.rows, 8, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t r = begin; r < end; ++r)
      window_sums<N, R>(cells.at(r, 0), rows.at(r, 0), grid.columns, N);
  });
  parallel_for(grid.columns, 8, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t c = begin; c < end; ++c)
      window_sums<N, R>(rows.at(0, c), cells.at(0, c), grid.rows, N * grid.columns);
  });
}

// Models between two rows of cells, for a row of pixels.
using ModelRow = std::vector<float>;

void models_of_row(Cells<kGuideModel>& models, const GuideGrid& grid, const GuidePlace& place,
                   ModelRow& row) {
  for (std::ptrdiff_t c = 0; c < grid.columns; ++c) {
    const double *above = models.at(place.first, c), *below = models.at(place.second, c);
    const double first = 1.0 / above[4], second = 1.0 / below[4];
    for (int i = 0; i < 4; ++i)
      row[static_cast<std::size_t>(4 * c + i)] = guide_between(
          static_cast<float>(above[i] * first), static_cast<float>(below[i] * second), place.part);
  }
}

template <class T>
void apply_models(const ImageView<const T>& image, const ImageView<const std::uint8_t>& trimap,
                  const GuideGrid& grid, Cells<kGuideModel>& models,
                  const ImageView<float>& alpha) {
  std::vector<GuidePlace> places;
  for (std::ptrdiff_t x = 0; x < image.width; ++x) places.emplace_back(x, grid.side, grid.columns);
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    ModelRow row(static_cast<std::size_t>(4 * grid.columns));
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      models_of_row(models, grid, GuidePlace(y, grid.side, grid.rows), row);
      for (std::ptrdiff_t x = 0; x < image.width; ++x) {
        const std::uint8_t t = trimap.row(y)[x];
        if (trimap_is_background(t) || trimap_is_foreground(t)) {
          alpha.row(y)[x] = trimap_is_foreground(t) ? 1.0f : 0.0f;
          continue;
        }
        const GuidePlace& place = places[static_cast<std::size_t>(x)];
        const float *first = row.data() + 4 * place.first, *second = row.data() + 4 * place.second;
        float model[4];
        for (int i = 0; i < 4; ++i) model[i] = guide_between(first[i], second[i], place.part);
        const T* p = image.row(y) + image.channels * x;
        alpha.row(y)[x] = guided_alpha(to_unit(p[0]), to_unit(p[1]), to_unit(p[2]), model);
      }
    }
  });
}

template <class T>
void guide_image(const ImageView<const T>& image, const ImageView<const std::uint8_t>& trimap,
                 const ImageView<float>& alpha) {
  const GuideGrid grid(image.height, image.width);
  Cells<kGuideMoments> cells(grid);
  count_cells(image, trimap, grid, cells);
  double whole[kGuideMoments] = {};
  for (std::ptrdiff_t i = 0; i < grid.cells(); ++i)
    for (int k = 0; k < kGuideMoments; ++k) whole[k] += cells.at(0, i)[k];
  window_sums<kGuideMoments, kGuideRadius>(grid, cells);
  Cells<kGuideModel> models(grid);
  parallel_for(grid.cells(), 1024, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; ++i)
      guide_model(cells.at(0, i), whole, models.at(0, i));
  });
  window_sums<kGuideModel, kGuideMeanRadius>(grid, models);
  apply_models(image, trimap, grid, models, alpha);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void guide_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                 ImageView<float> alpha, Stream) {
  if (image.empty()) return;
  TRIMATTE_CALL(guide_image<T>)(image, trimap, alpha);
}

#define TRIMATTE_INSTANTIATE(T)                   \
  template void guide_alpha<DeviceKind::kCPU, T>( \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<float>, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

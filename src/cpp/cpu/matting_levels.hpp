// Geometry of the alpha solver on the CPU: the unknown band of each pyramid level, kept as blocks
// of 16 pixels in a row. Blocks of a row that lie side by side are stored side by side, with a
// guard block at both ends, so that a shifted load reaches its left and right neighbours; `up` and
// `down` name the blocks above and below. Lane (block, i) of a plane is at 16 * block + i.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/image_view.hpp"
#include "cpu/plane.hpp"

namespace trimatte {

inline constexpr int kLanes = 16;

// Dense pyramid level that the blocks are cut from.
struct DenseLevel {
  std::ptrdiff_t height = 0, width = 0;
  WorkArray<float> image;          // height * width * 3; none on the finest level
  WorkArray<std::uint8_t> trimap;  // 0, 128, 255

  std::ptrdiff_t pixels() const { return height * width; }
  ImageView<const float> colors() const { return {image.data(), height, width, 3, width * 12}; }
  ImageView<const std::uint8_t> classes() const { return {trimap.data(), height, width, 1, width}; }
};
using Pyramid = std::vector<DenseLevel>;  // the finest level first

struct Rectangle {
  std::ptrdiff_t top, left, bottom, right;  // the last two are the first row and column beyond it
};

// A tile of a large image's level: `core` and a halo around it make up `region`. Alpha of the next
// coarser level is the start, and what it says of the edges where the region was cut stays. Over
// the halos a tile's share fades: the shares of all tiles over a pixel add up to 1.
struct MattingTile {
  Rectangle core, region;
  std::ptrdiff_t height, width;  // of the level

  MattingTile(std::ptrdiff_t top, std::ptrdiff_t left, std::ptrdiff_t level_height,
              std::ptrdiff_t level_width);
  bool cut_top() const { return region.top > 0; }
  bool cut_left() const { return region.left > 0; }
  bool cut_bottom() const { return region.bottom < height; }
  bool cut_right() const { return region.right < width; }
  float share(std::ptrdiff_t y, std::ptrdiff_t x) const;  // (y, x) of the level
};

struct Level {
  std::ptrdiff_t height, width, columns;  // columns: blocks in a full row
  std::ptrdiff_t blocks;                  // stored, the 3 null blocks included
  std::vector<std::int32_t> x, y;         // block column and row
  std::vector<std::int32_t> up, down;     // block above and below, or the null block
  std::vector<std::int32_t> core;         // blocks with unknown pixels
  std::vector<std::int32_t> wide;         // blocks with pixels within 2 of an unknown one
  std::vector<std::int32_t> off_core;     // all other blocks: vectors are zero there
  std::vector<std::int32_t> off_wide;
  std::vector<std::int32_t> wide_bands;  // first index into `wide` of each band of kBandRows rows
  std::vector<std::int32_t> index;       // (row, column) -> block, 0 if not stored
  std::int64_t unknown = 0;

  static constexpr std::int32_t kNull = 1;  // blocks 0, 1, 2 stay zero
  static constexpr std::ptrdiff_t kBandRows = 32;

  // What the solver keeps on the blocks.
  static constexpr std::size_t kPlanes = 29, kCoarsePlanes = kPlanes + 19;
  Arena arena;
  Plane image[3];
  Plane unknown_mask;      // 1 where unknown
  Plane known;             // alpha of the known pixels, 0 where unknown
  Plane stencil;           // 13 planes: the symmetric 5x5 stencil's centre and forward half
  Plane inverse_diagonal;  // of the absolute row sums
  Plane rhs, solution, r, z, p, q, old, direction, product;  // vectors of the iterations
  Plane best;  // the solution of the smallest residual; only if it is wanted
  // Only where a finer level exists: the local linear model of each 3x3 window.
  Plane factor[6], mean[3], window_valid, window_weight;
  Plane model[4], smooth[4];
  // Interpolation from the coarser level: weights of the near and the far coarse pixel.
  std::vector<float> near_x, far_x, near_y, far_y;    // entry kLanes is the first pixel
  std::vector<std::int32_t> coarse_near, coarse_far;  // lane offsets, for each entry of `core`
  std::vector<std::int32_t> fine;  // 8 blocks of the finer level per `wide` block
  float coarse_scale = 1.0f;       // energy of this level over that of the next

  std::size_t lanes() const { return static_cast<std::size_t>(blocks) * kLanes; }
  std::int32_t block_at(std::ptrdiff_t row, std::ptrdiff_t column) const {
    if (row < 0 || row >= height || column < -1 || column > columns) return kNull;
    const std::int32_t b = index[static_cast<std::size_t>(row * (columns + 2) + column + 1)];
    return b ? b : kNull;
  }
};

// Adds levels down to the smallest one: 2x2 means, edges replicated; a mixed trimap cell is
// unknown. The image is that of the last level present.
template <class T>
void add_levels(const ImageView<const T>& image, Pyramid& pyramid);

// Lays out the blocks of a level around the unknown pixels of its trimap.
void lay_out(const DenseLevel& dense, Level& level);

// Fills the tables that lead from `fine` to `coarse` and back.
void link_levels(Level& fine, Level& coarse);

}  // namespace trimatte

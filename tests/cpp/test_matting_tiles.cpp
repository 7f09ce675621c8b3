// Tiles of large images: every pixel of a level is shared out whole.
#include <cmath>
#include <vector>

#include "check.hpp"
#include "cpu/matting_levels.hpp"
#include "pixel/matting.hpp"

using namespace trimatte;

namespace {

std::vector<MattingTile> tiles_of(std::ptrdiff_t height, std::ptrdiff_t width) {
  std::vector<MattingTile> tiles;
  for (std::ptrdiff_t top = 0; top < height; top += kMattingTile)
    for (std::ptrdiff_t left = 0; left < width; left += kMattingTile)
      tiles.emplace_back(top, left, height, width);
  return tiles;
}

}  // namespace

TEST(tiles_share_out_every_pixel) {
  for (const auto& [height, width] : {std::pair{4000, 3333}, {1537, 90}, {1600, 3073}}) {
    const auto tiles = tiles_of(height, width);
    bool whole = true;
    for (std::ptrdiff_t y = 0; y < height; y += y % 64 < 60 ? 61 : 1)
      for (std::ptrdiff_t x = 0; x < width; x += x % 64 < 60 ? 61 : 1) {
        float sum = 0.0f;
        for (const MattingTile& tile : tiles) {
          const Rectangle& r = tile.region;
          if (y >= r.top && y < r.bottom && x >= r.left && x < r.right) sum += tile.share(y, x);
        }
        whole &= std::abs(sum - 1.0f) < 1e-6f;
      }
    CHECK(whole);
  }
}

TEST(tiles_are_whole_on_the_coarser_level) {
  for (const MattingTile& tile : tiles_of(4001, 3333))
    CHECK(tile.region.top % 2 == 0 && tile.region.left % 2 == 0 &&
          (tile.region.bottom % 2 == 0 || tile.region.bottom == 4001) &&
          (tile.region.right % 2 == 0 || tile.region.right == 3333));
}

#include "cpu/matting_levels.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/matting.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {
namespace {

constexpr int kReach = 4;  // stored pixels reach this far around the unknown ones
constexpr int kWide = 2;

// Per block: bit 0 it has unknown pixels, bits 1 and 2 its left and right neighbour lie within
// kReach of one, bits 3 and 4 within kWide.
enum : std::uint8_t { kHas = 1, kLeft = 2, kRight = 4, kLeftWide = 8, kRightWide = 16 };

std::vector<std::uint8_t> find_unknown(const DenseLevel& dense, std::ptrdiff_t columns) {
  std::vector<std::uint8_t> flags(static_cast<std::size_t>(dense.height * columns));
  parallel_rows(dense.height, dense.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::uint8_t* row = dense.trimap.data() + y * dense.width;
      for (std::ptrdiff_t c = 0; c < columns; ++c) {
        const int count =
            static_cast<int>(std::min<std::ptrdiff_t>(kLanes, dense.width - c * kLanes));
        unsigned bits = 0;
        for (int i = 0; i < count; ++i)
          bits |= static_cast<unsigned>(row[c * kLanes + i] == kTrimapUnknown) << i;
        std::uint8_t flag = bits ? kHas : 0;
        if (bits & ((1u << kReach) - 1)) flag |= kLeft;
        if (bits >> (kLanes - kReach)) flag |= kRight;
        if (bits & ((1u << kWide) - 1)) flag |= kLeftWide;
        if (bits >> (kLanes - kWide)) flag |= kRightWide;
        flags[static_cast<std::size_t>(y * columns + c)] = flag;
      }
    }
  });
  return flags;
}

DenseLevel halve_trimap(const DenseLevel& fine) {
  DenseLevel coarse;
  coarse.height = (fine.height + 1) / 2;
  coarse.width = (fine.width + 1) / 2;
  coarse.trimap = WorkArray<std::uint8_t>(coarse.pixels());
  parallel_rows(coarse.height, coarse.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::uint8_t* above = fine.trimap.data() + 2 * y * fine.width;
      const std::uint8_t* below =
          fine.trimap.data() + std::min(2 * y + 1, fine.height - 1) * fine.width;
      std::uint8_t* out = coarse.trimap.data() + y * coarse.width;
      const auto cell = [&](std::ptrdiff_t x, std::ptrdiff_t right) {
        const std::uint8_t t = above[2 * x];
        return t == above[right] && t == below[2 * x] && t == below[right] ? t : kTrimapUnknown;
      };
      const std::ptrdiff_t whole = fine.width / 2;
      for (std::ptrdiff_t x = 0; x < whole; ++x) out[x] = cell(x, 2 * x + 1);
      if (whole < coarse.width) out[whole] = cell(whole, 2 * whole);
    }
  });
  return coarse;
}

template <class T>
void halve_image(const ImageView<const T>& image, DenseLevel& coarse) {
  coarse.image = WorkArray<float>(coarse.pixels() * 3);
  const int channels = image.channels;
  parallel_rows(coarse.height, coarse.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const T* above = image.row(2 * y);
      const T* below = image.row(std::min(2 * y + 1, image.height - 1));
      float* out = coarse.image.data() + y * coarse.width * 3;
      for (std::ptrdiff_t x = 0; x < coarse.width; ++x) {
        const std::ptrdiff_t left = 2 * x * channels;
        const std::ptrdiff_t right = std::min(2 * x + 1, image.width - 1) * channels;
        for (int c = 0; c < 3; ++c)
          out[3 * x + c] = 0.25f * ((to_unit(above[left + c]) + to_unit(above[right + c])) +
                                    (to_unit(below[left + c]) + to_unit(below[right + c])));
      }
    }
  });
}

}  // namespace

template <class T>
void add_levels(const ImageView<const T>& image, Pyramid& pyramid) {
  const auto add = [&](const auto& colors) {
    pyramid.push_back(halve_trimap(pyramid.back()));
    halve_image(colors, pyramid.back());
  };
  const auto is_large = [&] {
    return std::min(pyramid.back().height, pyramid.back().width) > kMattingSmallestSide;
  };
  if (is_large()) add(image);
  while (is_large()) add(pyramid.back().colors());
}
#define TRIMATTE_INSTANTIATE(T) template void add_levels(const ImageView<const T>&, Pyramid&);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

MattingTile::MattingTile(std::ptrdiff_t top, std::ptrdiff_t left, std::ptrdiff_t level_height,
                         std::ptrdiff_t level_width)
    : core{top, left, std::min(top + kMattingTile, level_height),
           std::min(left + kMattingTile, level_width)},
      region{std::max<std::ptrdiff_t>(0, core.top - kMattingHalo),
             std::max<std::ptrdiff_t>(0, core.left - kMattingHalo),
             std::min(core.bottom + kMattingHalo, level_height),
             std::min(core.right + kMattingHalo, level_width)},
      height(level_height),
      width(level_width) {}

float MattingTile::share(std::ptrdiff_t y, std::ptrdiff_t x) const {
  // Half at the border of two cores, from one end of the overlap to the other.
  const auto fade = [](std::ptrdiff_t inside) {
    const float part = (static_cast<float>(inside + kMattingHalo) + 0.5f) / (2.0f * kMattingHalo);
    return std::clamp(part, 0.0f, 1.0f);
  };
  const float down = core.top > 0 ? fade(y - core.top) : 1.0f;
  const float up = core.bottom < height ? fade(core.bottom - 1 - y) : 1.0f;
  const float right = core.left > 0 ? fade(x - core.left) : 1.0f;
  const float left = core.right < width ? fade(core.right - 1 - x) : 1.0f;
  return down * up * (right * left);
}

void lay_out(const DenseLevel& dense, Level& level) {
  level.height = dense.height;
  level.width = dense.width;
  level.columns = (dense.width + kLanes - 1) / kLanes;
  const std::ptrdiff_t columns = level.columns, height = level.height;
  const std::vector<std::uint8_t> flags = find_unknown(dense, columns);

  // Rows of the union over +-reach, first sideways, then up and down.
  const auto near_unknown = [&](std::uint8_t left, std::uint8_t right, int reach) {
    std::vector<std::uint8_t> sideways(flags.size()), out(flags.size());
    for (std::ptrdiff_t y = 0; y < height; ++y) {
      const std::uint8_t* f = flags.data() + y * columns;
      std::uint8_t* o = sideways.data() + y * columns;
      for (std::ptrdiff_t c = 0; c < columns; ++c)
        o[c] = (f[c] & kHas) || (c + 1 < columns && (f[c + 1] & left)) ||
               (c > 0 && (f[c - 1] & right));
    }
    for (std::ptrdiff_t y = 0; y < height; ++y)
      for (std::ptrdiff_t s = std::max<std::ptrdiff_t>(0, y - reach);
           s <= std::min(height - 1, y + reach); ++s)
        for (std::ptrdiff_t c = 0; c < columns; ++c)
          out[static_cast<std::size_t>(y * columns + c)] |=
              sideways[static_cast<std::size_t>(s * columns + c)];
    return out;
  };
  const std::vector<std::uint8_t> stored = near_unknown(kLeft, kRight, kReach);
  const std::vector<std::uint8_t> wide = near_unknown(kLeftWide, kRightWide, kWide);

  level.index.assign(static_cast<std::size_t>(height * (columns + 2)), 0);
  for (const std::int32_t null : {0, 1, 2}) {
    level.off_core.push_back(null);
    level.off_wide.push_back(null);
  }
  std::int32_t next = 3;  // after the null blocks
  for (std::ptrdiff_t y = 0; y < height; ++y) {
    const std::uint8_t* s = stored.data() + y * columns;
    const auto is_stored = [&](std::ptrdiff_t c) { return c >= 0 && c < columns && s[c]; };
    for (std::ptrdiff_t c = -1; c <= columns; ++c)
      if (is_stored(c - 1) || is_stored(c) || is_stored(c + 1))
        level.index[static_cast<std::size_t>(y * (columns + 2) + c + 1)] = next++;
  }
  level.blocks = next + 1;  // one more behind the last, for its shifted loads
  level.x.assign(static_cast<std::size_t>(level.blocks), 0);
  level.y.assign(static_cast<std::size_t>(level.blocks), -1);
  level.up.assign(static_cast<std::size_t>(level.blocks), Level::kNull);
  level.down.assign(static_cast<std::size_t>(level.blocks), Level::kNull);
  for (std::ptrdiff_t y = 0; y < height; ++y) {
    if (y % Level::kBandRows == 0)
      level.wide_bands.push_back(static_cast<std::int32_t>(level.wide.size()));
    for (std::ptrdiff_t c = -1; c <= columns; ++c) {
      const std::int32_t b = level.index[static_cast<std::size_t>(y * (columns + 2) + c + 1)];
      if (!b) continue;
      const auto k = static_cast<std::size_t>(b);
      level.x[k] = static_cast<std::int32_t>(c);
      level.y[k] = static_cast<std::int32_t>(y);
      level.up[k] = level.block_at(y - 1, c);
      level.down[k] = level.block_at(y + 1, c);
      const bool inside = c >= 0 && c < columns;
      const auto cell = static_cast<std::size_t>(y * columns + c);
      (inside && (flags[cell] & kHas) ? level.core : level.off_core).push_back(b);
      (inside && wide[cell] ? level.wide : level.off_wide).push_back(b);
    }
  }
  level.wide_bands.push_back(static_cast<std::int32_t>(level.wide.size()));
  level.off_core.push_back(next);
  level.off_wide.push_back(next);
}

void link_levels(Level& fine, Level& coarse) {
  // The arrays start a block before the image, so that loads around its borders find zeros.
  const auto weights = [](std::ptrdiff_t size, std::ptrdiff_t coarse_size, std::vector<float>& near,
                          std::vector<float>& far) {
    near.assign(static_cast<std::size_t>(size + 4 * kLanes), 0.0f);
    far.assign(static_cast<std::size_t>(size + 4 * kLanes), 0.0f);
    for (std::ptrdiff_t i = 0; i < size; ++i) {
      const MattingWeights weights_here = matting_weights(i, coarse_size);
      near[static_cast<std::size_t>(i + kLanes)] = weights_here.near;
      far[static_cast<std::size_t>(i + kLanes)] = weights_here.far;
    }
  };
  weights(fine.width, coarse.width, fine.near_x, fine.far_x);
  weights(fine.height, coarse.height, fine.near_y, fine.far_y);

  for (const std::int32_t b : fine.core) {
    const auto k = static_cast<std::size_t>(b);
    const std::ptrdiff_t y = fine.y[k], column = fine.x[k];
    const std::int32_t half = (column & 1) * (kLanes / 2);
    const std::ptrdiff_t other = matting_far_pixel(y);
    fine.coarse_near.push_back(coarse.block_at(y / 2, column / 2) * kLanes + half);
    fine.coarse_far.push_back(coarse.block_at(other, column / 2) * kLanes + half);
  }
  coarse.fine.reserve(coarse.wide.size() * 8);
  for (const std::int32_t b : coarse.wide) {
    const auto k = static_cast<std::size_t>(b);
    const std::ptrdiff_t y = 2 * coarse.y[k] - 1, column = 2 * coarse.x[k];
    for (std::ptrdiff_t row = y; row < y + 4; ++row)
      for (std::ptrdiff_t half = 0; half < 2; ++half)
        coarse.fine.push_back(fine.block_at(row, column + half));
  }
}

}  // namespace trimatte

// Resampling on the CPU. Both passes are one loop, in which a row of results is a weighted sum of
// rows: for the pass along rows, blocks of rows are transposed, and so are its results.
#define TRIMATTE_THIS_FILE "cpu/resize.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/resize.hpp"

#if !defined(TRIMATTE_RESIZE_TABLE)
#define TRIMATTE_RESIZE_TABLE
namespace trimatte {

// The weights of one side: `taps` for each of its samples, from a first source sample on.
template <class T>
struct ResizeTable {
  using Number = ResizeNumber<T>;
  int taps = 0;
  std::vector<int> first;
  std::vector<Number> weights;

  const Number* weights_of(std::ptrdiff_t i) const { return weights.data() + i * taps; }
};

}  // namespace trimatte
#endif

TRIMATTE_TARGET_BEGIN

#include "cpu/vector-inl.hpp"

// A pass of a T image: its rows of S lie `stride` bytes apart.
template <class T, bool Last, class S>
struct Sum {
  using Number = ResizeNumber<T>;
  using Result = ResizeResult<T, Last>;
  const S* rows;
  std::ptrdiff_t stride;
  const Number* weights;
  int taps;

  // Vectors * Lanes results, from sample i of the rows on.
  template <int Lanes, int Vectors>
  void write(std::ptrdiff_t i, Result* __restrict to) const {
    Vector<Number, Lanes> sums[Vectors];
    for (auto& sum : sums) sum = Vector<Number, Lanes>{} + kResizeStart<Number>;
    const auto* row = reinterpret_cast<const std::byte*>(rows + i);
    for (int k = 0; k < taps; ++k, row += stride) {
      const auto* samples = reinterpret_cast<const S*>(row);
#pragma GCC unroll 16
      for (int v = 0; v < Vectors; ++v)
        sums[v] += weights[k] * load<Number, Lanes>(samples + v * Lanes);
    }
    Number values[Vectors * Lanes];
    std::memcpy(values, sums, sizeof values);
    for (int j = 0; j < Vectors * Lanes; ++j) to[i + j] = resize_result<T, Last>(values[j]);
  }

  // `count` results; the last vector may cover some for the second time.
  void write_row(std::ptrdiff_t count, Result* __restrict to) const {
    std::ptrdiff_t i = 0;
    for (; i + 4 * kLanes <= count; i += 4 * kLanes) write<kLanes, 4>(i, to);
    for (; i + kLanes <= count; i += kLanes) write<kLanes, 1>(i, to);
    if (i < count && count >= kLanes) return write<kLanes, 1>(count - kLanes, to);
    for (; i < count; ++i) write<1, 1>(i, to);
  }
};

// Blocks of kTurned rows are transposed, kTile samples of each at a time: whole cache lines.
inline constexpr int kTurned = 16, kTile = 64;

// to[x][y] = from[y][x] of 16 x 16 samples.
template <class S>
inline void transpose(const S* __restrict from, int from_stride, S* __restrict to, int to_stride) {
  for (int x = 0; x < kTurned; ++x)
    for (int y = 0; y < kTurned; ++y) to[x * to_stride + y] = from[y * from_stride + x];
}

inline void transpose(const std::uint8_t* __restrict from, int from_stride,
                      std::uint8_t* __restrict to, int to_stride) {
  using Row = Vector<std::uint8_t, 16>;
  Row rows[16];
  for (int y = 0; y < 16; ++y) std::memcpy(&rows[y], from + y * from_stride, 16);
  // Each round puts the halves of the list into each other like the halves of a pack of cards.
#pragma GCC unroll 4
  for (int round = 0; round < 4; ++round) {
    Row next[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = __builtin_shufflevector(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                            5, 21, 6, 22, 7, 23);
      next[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26, 11, 27,
                                                12, 28, 13, 29, 14, 30, 15, 31);
    }
    std::memcpy(rows, next, sizeof rows);
  }
  for (int x = 0; x < 16; ++x) std::memcpy(to + x * to_stride, &rows[x], 16);
}

// turned[x][r] = sample x of row y + r; rows below the last repeat it.
template <class S>
void turn_rows(const ImageView<const S>& image, std::ptrdiff_t y, S* turned) {
  alignas(64) S tile[kTurned][kTile] = {};
  const std::ptrdiff_t samples = image.width * image.channels;
  for (std::ptrdiff_t x = 0; x < samples; x += kTile) {
    const std::ptrdiff_t count = samples - x < kTile ? samples - x : kTile;
    for (int r = 0; r < kTurned; ++r) {
      const std::ptrdiff_t row = y + r < image.height ? y + r : image.height - 1;
      const S* from = image.row(row) + x;
      if (count == kTile) {
        std::memcpy(tile[r], from, sizeof tile[r]);
      } else {
        std::memcpy(tile[r], from, static_cast<std::size_t>(count) * sizeof(S));
      }
    }
    for (int i = 0; i < kTile; i += kTurned)
      transpose(tile[0] + i, kTile, turned + (x + i) * kTurned, kTurned);
  }
}

// The inverse; rows below the last are dropped.
template <class S>
void turn_back(const S* turned, std::ptrdiff_t y, const ImageView<S>& image) {
  alignas(64) S tile[kTurned][kTile];
  const std::ptrdiff_t samples = image.width * image.channels;
  for (std::ptrdiff_t x = 0; x < samples; x += kTile) {
    const std::ptrdiff_t count = samples - x < kTile ? samples - x : kTile;
    for (int i = 0; i < kTile; i += kTurned)
      transpose(turned + (x + i) * kTurned, kTurned, tile[0] + i, kTile);
    for (int r = 0; r < kTurned && y + r < image.height; ++r)
      std::memcpy(image.row(y + r) + x, tile[r], static_cast<std::size_t>(count) * sizeof(S));
  }
}

// Room for the samples of a block of rows, whole tiles.
template <class S>
std::unique_ptr<S[]> turned_room(std::ptrdiff_t samples) {
  const std::ptrdiff_t whole = (samples + kTile - 1) / kTile * kTile;
  return std::make_unique_for_overwrite<S[]>(static_cast<std::size_t>(whole * kTurned));
}

template <class T, bool Last, int Channels, class S>
void resize_along_rows(const ImageView<const S>& image, const ImageView<ResizeResult<T, Last>>& out,
                       const ResizeTable<T>& table) {
  constexpr int kResults = Channels * kTurned;
  const std::ptrdiff_t pixel = std::ptrdiff_t{image.channels} * kTurned;
  const std::ptrdiff_t blocks = (image.height + kTurned - 1) / kTurned;
  parallel_for(blocks, blocks / 64 + 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    const auto turned = turned_room<S>(image.width * image.channels);
    const auto results = turned_room<ResizeResult<T, Last>>(out.width * Channels);
    for (std::ptrdiff_t block = begin; block < end; ++block) {
      turn_rows(image, block * kTurned, turned.get());
      for (std::ptrdiff_t x = 0; x < out.width; ++x) {
        const Sum<T, Last, S> sum{turned.get() + table.first[x] * pixel,
                                  pixel * static_cast<std::ptrdiff_t>(sizeof(S)),
                                  table.weights_of(x), table.taps};
        sum.template write<kLanes, kResults / kLanes>(0, results.get() + x * kResults);
      }
      turn_back(results.get(), block * kTurned, out);
    }
  });
}

template <class T, bool Last, class S>
void resize_along_rows(const ImageView<const S>& image, const ImageView<ResizeResult<T, Last>>& out,
                       const ResizeTable<T>& table) {
  switch (out.channels) {
    case 1: return resize_along_rows<T, Last, 1>(image, out, table);
    case 2: return resize_along_rows<T, Last, 2>(image, out, table);
    case 3: return resize_along_rows<T, Last, 3>(image, out, table);
    default: return resize_along_rows<T, Last, 4>(image, out, table);
  }
}

template <class T, bool Last, class S>
void resize_along_columns(const ImageView<const S>& image,
                          const ImageView<ResizeResult<T, Last>>& out,
                          const ResizeTable<T>& table) {
  parallel_rows(out.height, out.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const Sum<T, Last, S> sum{image.row(table.first[y]), image.stride, table.weights_of(y),
                                table.taps};
      sum.write_row(out.width * out.channels, out.row(y));
    }
  });
}

template <class T>
void resize_image(const ImageView<const T>& image, const ImageView<T>& out,
                  const ResizeTable<T>& across, const ResizeTable<T>& down) {
  using Between = ResizeResult<T, false>;
  const ResizePasses passes = resize_passes(image, out);
  if (!passes.rows) return resize_along_columns<T, true>(image, out, down);
  if (!passes.columns) return resize_along_rows<T, true>(image, out, across);
  const std::ptrdiff_t height = passes.columns_first ? out.height : image.height;
  const std::ptrdiff_t width = passes.columns_first ? image.width : out.width;
  const int channels = passes.columns_first ? image.channels : out.channels;
  const std::ptrdiff_t samples = width * channels;
  const auto memory =
      std::make_unique_for_overwrite<Between[]>(static_cast<std::size_t>(height * samples));
  const ImageView<Between> between{memory.get(), height, width, channels,
                                   samples * static_cast<std::ptrdiff_t>(sizeof(Between))};
  const ImageView<const Between> read = between;
  if (passes.columns_first) {
    resize_along_columns<T, false>(image, between, down);
    resize_along_rows<T, true>(read, out, across);
  } else {
    resize_along_rows<T, false>(image, between, across);
    resize_along_columns<T, true>(read, out, down);
  }
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {
namespace {

template <class T>
ResizeTable<T> make_table(ResizeFilter filter, std::ptrdiff_t from, std::ptrdiff_t to) {
  using Number = ResizeNumber<T>;
  const ResizeSide side{filter, static_cast<int>(from), static_cast<int>(to)};
  const int taps = resize_taps(side);
  ResizeTable<T> table{taps, std::vector<int>(static_cast<std::size_t>(to)),
                       std::vector<Number>(static_cast<std::size_t>(to * taps))};
  parallel_rows(to, 32 * taps, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    std::vector<double> weights(static_cast<std::size_t>(taps));
    for (std::ptrdiff_t i = begin; i < end; ++i) {
      table.first[i] = resize_weights(side, static_cast<int>(i), weights.data(), taps);
      for (int k = 0; k < taps; ++k)
        table.weights[i * taps + k] = resize_weight<Number>(weights[k]);
    }
  });
  return table;
}

}  // namespace

template <DeviceKind D, class T>
void resize(ImageView<const T> image, ImageView<T> out, const ResizeOptions& options, Stream) {
  if (image.empty() || out.empty()) return;
  const auto across = make_table<T>(options.filter, image.width, out.width);
  const auto down = make_table<T>(options.filter, image.height, out.height);
  TRIMATTE_CALL(resize_image<T>)(image, out, across, down);
}

#define TRIMATTE_INSTANTIATE(T)                                               \
  template void resize<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, \
                                            const ResizeOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

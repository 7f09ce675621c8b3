// Trimap on the GPU. What is not foreground, and what is not background, is kept as bits, 32 pixels
// of a row a word, and grown. Disks that reach up to 64 pixels grow in shared memory: row spans by
// doubling, or-ed over the rows above and below. Others, and rembg's square, by two passes whose
// cost does not depend on the width: how far the nearest set pixel of each column reaches along the
// row, then the union of these intervals. Both are exact.
#include <cstdint>
#include <utility>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {
namespace {

using cuda::Buffer;
using cuda::ImageBuffer;

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr unsigned kAll = ~0u;

// What was seen: classes of the mask, classes that the trimap is sure of.
constexpr unsigned kMaskForeground = 1, kMaskBackground = 2;
constexpr unsigned kSureForeground = 4, kSureBackground = 8;

struct Bitmaps {
  ImageView<std::uint32_t> not_fg, not_bg;
};

// The bits of word k that are pixels of a row.
__device__ unsigned valid_bits(std::ptrdiff_t width, std::ptrdiff_t k) {
  const std::ptrdiff_t rest = width - 32 * k;
  return rest >= 32 ? kAll : rest <= 0 ? 0u : (1u << rest) - 1u;
}

// The or of two flags over the block, for all its threads.
__device__ unsigned block_or(unsigned seen, unsigned first, unsigned second) {
  return (__syncthreads_or(seen & first) ? first : 0u) |
         (__syncthreads_or(seen & second) ? second : 0u);
}

// ---- Tiles -------------------------------------------------------------------------------------

constexpr int kTileRows = 32, kTileWords = 8;
constexpr int kTilePixels = 32 * kTileWords;
static_assert(kTileRows * kTileWords == kThreads);  // a word a thread

dim3 tiles_of(std::ptrdiff_t height, std::ptrdiff_t width) {
  return dim3(cuda::blocks_for(width, kTilePixels, 0x7fffffff),
              cuda::blocks_for(height, kTileRows));
}

__device__ std::ptrdiff_t block_index() {
  return std::ptrdiff_t{blockIdx.y} * gridDim.x + blockIdx.x;
}

// body(first row) for every tile of this block.
template <class Body>
__device__ void for_tiles(std::ptrdiff_t height, const Body& body) {
  const std::ptrdiff_t step = std::ptrdiff_t{gridDim.y} * kTileRows;
  for (std::ptrdiff_t y = std::ptrdiff_t{blockIdx.y} * kTileRows; y < height; y += step) body(y);
}

// Samples are read by neighbouring lanes, whole lines at any alignment; ballots make the words.
template <class T>
__global__ void __launch_bounds__(kThreads)
    pack_kernel(ImageView<const T> mask, MaskBounds<T> bounds, Bitmaps bits, unsigned* flags) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const std::ptrdiff_t first = std::ptrdiff_t{blockIdx.x} * kTileWords;
  // The first lanes keep the words of one class, the next ones those of the other.
  const std::ptrdiff_t k = first + lane % kTileWords;
  const bool foreground = lane < kTileWords;
  const bool keeps = lane < 2 * kTileWords && k < bits.not_fg.width;
  unsigned seen = 0;
  for_tiles(mask.height, [&](std::ptrdiff_t top) {
    for (int r = warp; r < kTileRows && top + r < mask.height; r += kWarps) {
      const T* row = mask.row(top + r);
      T samples[kTileWords];
#pragma unroll
      for (int i = 0; i < kTileWords; ++i) {
        const std::ptrdiff_t x = 32 * (first + i) + lane;
        samples[i] = x < mask.width ? row[x] : T(0);
      }
      unsigned word = 0;
#pragma unroll
      for (int i = 0; i < kTileWords; ++i) {
        const unsigned fg = __ballot_sync(kAll, bounds.is_foreground(samples[i]));
        const unsigned bg = __ballot_sync(kAll, bounds.is_background(samples[i]));
        word = lane % kTileWords != i ? word : foreground ? fg : bg;
      }
      if (!keeps) continue;
      const unsigned valid = valid_bits(mask.width, k);
      (foreground ? bits.not_fg : bits.not_bg).row(top + r)[k] = ~word & valid;
      if (word & valid) seen |= foreground ? kMaskForeground : kMaskBackground;
    }
  });
  seen = block_or(seen, kMaskForeground, kMaskBackground);
  if (threadIdx.x == 0) flags[block_index()] = seen;
}

// Four bits to four bytes of 0 or 1.
__device__ unsigned spread_bits(unsigned bits) {
  return ((bits & 15u) * 0x00204081u) & 0x01010101u;
}

__device__ unsigned trimap_bytes(unsigned not_fg, unsigned not_bg) {
  return spread_bits(~not_fg) * kTrimapForeground + spread_bits(not_fg & not_bg) * kTrimapUnknown;
}

// Writes Rows x 32 Words pixels of the trimap, those inside the image, 16 aligned bytes at a time.
template <int Rows, int Words>
__device__ void store_tile(const unsigned (&not_fg)[Rows][Words],
                           const unsigned (&not_bg)[Rows][Words],
                           const ImageView<std::uint8_t>& trimap, std::ptrdiff_t y0,
                           std::ptrdiff_t x0) {
  constexpr int kChunks = 2 * Words + 1;
  const std::ptrdiff_t rest = trimap.width - x0;
  const int count = rest < 32 * Words ? static_cast<int>(rest) : 32 * Words;
  for (int i = threadIdx.x; i < Rows * kChunks; i += kThreads) {
    const int r = i / kChunks;
    if (y0 + r >= trimap.height) break;
    std::uint8_t* row = trimap.row(y0 + r) + x0;
    const int begin =
        16 * (i % kChunks) - static_cast<int>(reinterpret_cast<std::uintptr_t>(row) % 16);
    if (begin >= 0 && begin + 16 <= count) {
      const int k = begin / 32, next = k + 1 < Words ? k + 1 : k;
      const unsigned fg = __funnelshift_r(not_fg[r][k], not_fg[r][next], begin % 32);
      const unsigned bg = __funnelshift_r(not_bg[r][k], not_bg[r][next], begin % 32);
      *reinterpret_cast<uint4*>(row + begin) =
          make_uint4(trimap_bytes(fg, bg), trimap_bytes(fg >> 4, bg >> 4),
                     trimap_bytes(fg >> 8, bg >> 8), trimap_bytes(fg >> 12, bg >> 12));
    } else {
      for (int p = begin < 0 ? 0 : begin; p < begin + 16 && p < count; ++p)
        row[p] = static_cast<std::uint8_t>(
            trimap_bytes(not_fg[r][p / 32] >> (p % 32), not_bg[r][p / 32] >> (p % 32)));
    }
  }
}

// ---- The softness of the mask ------------------------------------------------------------------

struct ContourCounts {  // a MaskContour for atomics
  unsigned long long between, sides;
};

// Adds up the values of the block in its first thread.
__device__ unsigned block_sum(unsigned value) {
  __shared__ unsigned sums[kWarps];
  for (int d = 16; d > 0; d /= 2) value += __shfl_xor_sync(kAll, value, d);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  unsigned sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += sums[w];
  __syncthreads();
  return sum;
}

// Sides between set and unset pixels: among those of a word and to the next, and to the row below.
__device__ unsigned count_sides(const ImageView<std::uint32_t>& bits, std::ptrdiff_t width,
                                std::ptrdiff_t y, std::ptrdiff_t k) {
  const std::uint32_t* row = bits.row(y);
  const unsigned next = k + 1 < bits.width ? row[k + 1] : 0u;
  const unsigned pairs = valid_bits(width - 1, k);
  const unsigned below = y + 1 < bits.height ? bits.row(y + 1)[k] : row[k];
  return static_cast<unsigned>(__popc((row[k] ^ __funnelshift_r(row[k], next, 1)) & pairs) +
                               __popc(row[k] ^ below));
}

__global__ void __launch_bounds__(kThreads)
    contour_kernel(Bitmaps bits, std::ptrdiff_t width, ContourCounts* counts) {
  const std::ptrdiff_t k =
      std::ptrdiff_t{blockIdx.x} * kTileWords + static_cast<int>(threadIdx.x) % kTileWords;
  unsigned between = 0, sides = 0;
  for_tiles(bits.not_fg.height, [&](std::ptrdiff_t top) {
    const std::ptrdiff_t y = top + static_cast<int>(threadIdx.x) / kTileWords;
    if (y >= bits.not_fg.height || k >= bits.not_fg.width) return;
    between += static_cast<unsigned>(__popc(bits.not_fg.row(y)[k] & bits.not_bg.row(y)[k]));
    sides += count_sides(bits.not_fg, width, y, k) + count_sides(bits.not_bg, width, y, k);
  });
  between = block_sum(between);
  sides = block_sum(sides);
  if (threadIdx.x == 0) {
    atomicAdd(&counts->between, static_cast<unsigned long long>(between));
    atomicAdd(&counts->sides, static_cast<unsigned long long>(sides));
  }
}

// One thread.
__global__ void auto_disks_kernel(const ContourCounts* counts, double network_pixel,
                                  std::ptrdiff_t height, std::ptrdiff_t width, Disks* disks) {
  const MaskContour contour{static_cast<std::int64_t>(counts->between),
                            static_cast<std::int64_t>(counts->sides)};
  const double radius = auto_radius(contour, network_pixel);
  *disks = disks_of({radius, radius}, height, width);
}

// The disks to grow by: given, or found on the device.
struct DiskSource {
  Disks given;
  const Disks* found;

  __device__ Disks get() const { return found ? *found : given; }
};

// ---- Disks in shared memory --------------------------------------------------------------------

constexpr int kMostReach = 64, kHaloWords = kMostReach / 32;
constexpr int kPitch = kTileWords + 2 * kHaloWords;
constexpr int kMostRows = kTileRows + 2 * kMostReach;

using SharedRows = unsigned[kMostRows][kPitch];

// The half widths of a disk, by the distance in rows.
using HalfWidths = unsigned char[kMostReach + 1];

__device__ void load_half_widths(std::int64_t square, int reach, HalfWidths& half_widths) {
  for (int dy = threadIdx.x; dy <= reach; dy += kThreads)
    half_widths[dy] = static_cast<unsigned char>(disk_half_width(square, dy));
}

// Loads the rows of a tile, and as far above and below as the disk reaches. True for all threads
// if the disk changes the tile: if there is something to grow and something to grow into.
__device__ bool load_rows(const ImageView<std::uint32_t>& bits, std::ptrdiff_t width,
                          std::ptrdiff_t y0, std::ptrdiff_t k0, int reach, SharedRows& rows) {
  bool any = false, room = false;
  for (int i = threadIdx.x; i < (kTileRows + 2 * reach) * kPitch; i += kThreads) {
    const int r = i / kPitch, c = i % kPitch;
    const std::ptrdiff_t y = y0 - reach + r, k = k0 - kHaloWords + c;
    const bool in_image = y >= 0 && y < bits.height && k >= 0 && k < bits.width;
    const unsigned word = in_image ? bits.row(y)[k] : 0u;
    rows[r][c] = word;
    any |= word != 0;
    const bool in_tile =
        r >= reach && r < reach + kTileRows && c >= kHaloWords && c < kHaloWords + kTileWords;
    room |= in_image && in_tile && word != valid_bits(width, k);
  }
  const bool grows = __syncthreads_or(any);
  return __syncthreads_or(room) && grows;
}

// A word of `row` or-ed with its neighbourhood `step` pixels to both sides. What lies outside of
// the row is farther than any disk reaches from the tile.
__device__ unsigned spread_word(const unsigned (&row)[kPitch], int k, int step) {
  const int q = step / 32, b = step % 32;
  const auto at = [&](int i) { return i >= 0 && i < kPitch ? row[i] : 0u; };
  return row[k] | __funnelshift_l(at(k - q - 1), at(k - q), b) |
         __funnelshift_r(at(k + q), at(k + q + 1), b);
}

// This thread's word of the tile, grown by the disk. The rows serve as scratch. Each round ors two
// rows that have grown to the half width of their distance, from the farthest to the nearest.
__device__ unsigned grow(SharedRows& rows, SharedRows& scratch, int reach,
                         const HalfWidths& half_widths, bool changes) {
  const int row = reach + threadIdx.x / kTileWords;
  const int column = kHaloWords + threadIdx.x % kTileWords;
  if (!changes) return rows[row][column];
  unsigned (*now)[kPitch] = rows;
  unsigned (*next)[kPitch] = scratch;
  unsigned out = 0;
  for (int dy = reach, half = 0; dy >= 0; --dy) {
    while (half < half_widths[dy]) {
      const int missing = half_widths[dy] - half;
      const int step = missing < 2 * half + 1 ? missing : 2 * half + 1;
      const int begin = (reach - dy) * kPitch, end = (reach + kTileRows + dy) * kPitch;
      for (int i = begin + threadIdx.x; i < end; i += kThreads)
        next[i / kPitch][i % kPitch] = spread_word(now[i / kPitch], i % kPitch, step);
      __syncthreads();
      unsigned (*const grown)[kPitch] = next;
      next = now;
      now = grown;
      half += step;
    }
    out |= now[row - dy][column] | now[row + dy][column];
  }
  __syncthreads();  // the scratch is free again
  return out;
}

__global__ void __launch_bounds__(kThreads)
    dilate_kernel(Bitmaps bits, DiskSource source, ImageView<std::uint8_t> trimap,
                  unsigned* flags) {
  __shared__ SharedRows fg_rows, bg_rows, scratch;
  __shared__ HalfWidths fg_widths, bg_widths;
  __shared__ unsigned not_fg[kTileRows][kTileWords], not_bg[kTileRows][kTileWords];
  const Disks disks = source.get();
  const int inside = disk_half_width(disks.inside, 0), outside = disk_half_width(disks.outside, 0);
  load_half_widths(disks.inside, inside, fg_widths);
  load_half_widths(disks.outside, outside, bg_widths);
  const int r = threadIdx.x / kTileWords, c = threadIdx.x % kTileWords;
  const std::ptrdiff_t k0 = std::ptrdiff_t{blockIdx.x} * kTileWords;
  unsigned seen = 0;
  for_tiles(trimap.height, [&](std::ptrdiff_t top) {
    const bool fg_changes = load_rows(bits.not_fg, trimap.width, top, k0, inside, fg_rows);
    const bool bg_changes = load_rows(bits.not_bg, trimap.width, top, k0, outside, bg_rows);
    const unsigned fg = grow(fg_rows, scratch, inside, fg_widths, fg_changes);
    const unsigned bg = grow(bg_rows, scratch, outside, bg_widths, bg_changes);
    not_fg[r][c] = fg;
    not_bg[r][c] = bg;
    const unsigned valid = top + r < trimap.height ? valid_bits(trimap.width, k0 + c) : 0u;
    if (~fg & valid) seen |= kSureForeground;
    if (~bg & valid) seen |= kSureBackground;
    __syncthreads();
    store_tile(not_fg, not_bg, trimap, top, 32 * k0);
    __syncthreads();
  });
  seen = block_or(seen, kSureForeground, kSureBackground);
  if (threadIdx.x == 0) flags[block_index()] |= seen;
}

// ---- Any disk, and the square ------------------------------------------------------------------

// What a set pixel grows to.
struct Element {
  std::int64_t square;  // of a disk's radius; -1: it is a square
  int up, down;         // how far rows above and below are looked at
  int widest;           // its largest half width; to the right of a set pixel of a square, which
  int skew;             // is even, one more

  TRIMATTE_HD static Element disk(std::int64_t square) {
    const int reach = disk_half_width(square, 0);
    return {square, reach, reach, reach, 0};
  }
  // scipy.ndimage.binary_erosion with ones((n, n)): offsets -(n / 2) .. n - 1 - n / 2.
  TRIMATTE_HD static Element ones(int n) {
    const int low = n / 2, high = n - 1 - n / 2;
    return {-1, low, high, high, low - high};
  }

  // One more than the half width in a row whose nearest set pixels of this column are so far above
  // and below; 0 if they are too far.
  __device__ int width_at(int above, int below) const {
    if (above > up && below > down) return 0;
    const int nearest = above < below ? above : below;
    return 1 + (square < 0 || nearest == 0 ? widest : disk_half_width(square, nearest));
  }
  // Border value 0 of binary_erosion: what the square cannot hold is not foreground.
  __device__ bool is_border(std::ptrdiff_t i, std::ptrdiff_t size) const {
    return square < 0 && (i < up || i >= size - down);
  }
};

// What the pixels that are not foreground, and those that are not background, grow to.
struct Elements {
  Element inside, outside;
};

// > 0: the square's side; else the disks.
struct ElementSource {
  int square;
  DiskSource disks;

  __device__ Elements get() const {
    if (square > 0) return {Element::ones(square), Element::ones(square)};
    const Disks found = disks.get();
    return {Element::disk(found.inside), Element::disk(found.outside)};
  }
};

template <class W>
struct Widths {  // of columns, see Element::width_at; rows are padded to whole words
  ImageView<W> fg, bg;
};

// 32 rows of this lane's column, the first one the lowest bit.
__device__ unsigned column_bits(const ImageView<std::uint32_t>& bits, std::ptrdiff_t k,
                                std::ptrdiff_t y0) {
  const std::ptrdiff_t y = y0 + threadIdx.x % 32;
  const unsigned word = y >= 0 && y < bits.height ? bits.row(y)[k] : 0u;
  unsigned column = 0;
  if (!__any_sync(kAll, word != 0)) return column;
#pragma unroll
  for (int r = 0; r < 32; ++r)
    column |= ((__shfl_sync(kAll, word, r) >> (threadIdx.x % 32)) & 1u) << r;
  return column;
}

// A warp takes 32 rows of a word's columns.
template <class W>
__device__ void column_widths(const ImageView<std::uint32_t>& bits, const Element& element,
                              const ImageView<W>& widths, std::ptrdiff_t k, std::ptrdiff_t y0) {
  constexpr int kNowhere = 1 << 30;
  const unsigned own = column_bits(bits, k, y0);
  // From the first row upwards, from the last one downwards.
  int above = kNowhere, below = kNowhere;
  for (int s = 32; s - 31 <= element.up && y0 - s > -32; s += 32) {
    const unsigned column = column_bits(bits, k, y0 - s);
    if (above == kNowhere && column) above = s - 31 + __clz(static_cast<int>(column));
    if (__all_sync(kAll, above != kNowhere)) break;
  }
  for (int s = 32; s - 31 <= element.down && y0 + s < bits.height; s += 32) {
    const unsigned column = column_bits(bits, k, y0 + s);
    if (below == kNowhere && column) below = s - 32 + __ffs(static_cast<int>(column));
    if (__all_sync(kAll, below != kNowhere)) break;
  }
  for (int r = 0; r < 32 && y0 + r < bits.height; ++r) {
    const unsigned up = own << (31 - r), down = own >> r;
    const int to_above = up ? __clz(static_cast<int>(up)) : above + r;
    const int to_below = down ? __ffs(static_cast<int>(down)) - 1 : below + 31 - r;
    widths.row(y0 + r)[32 * k + threadIdx.x % 32] =
        static_cast<W>(element.width_at(to_above, to_below));
  }
}

template <class W>
__global__ void __launch_bounds__(kThreads)
    columns_kernel(Bitmaps bits, ElementSource source, Widths<W> widths) {
  const std::ptrdiff_t k = std::ptrdiff_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (k >= bits.not_fg.width) return;
  const Elements elements = source.get();
  for_tiles(bits.not_fg.height, [&](std::ptrdiff_t y0) {
    if (blockIdx.z == 0)
      column_widths(bits.not_fg, elements.inside, widths.fg, k, y0);
    else
      column_widths(bits.not_bg, elements.outside, widths.bg, k, y0);
  });
}

constexpr int kRunPixels = 4, kRunsWords = kThreads * kRunPixels / 32;

template <class W>
struct alignas(kRunPixels * sizeof(W)) WidthRun {
  W v[kRunPixels];
};

// The largest of the values of the threads before this one (behind it, backwards) and of all
// threads' `outside`.
template <bool Backwards>
__device__ int most_before(int value, int outside) {
  __shared__ int totals[kWarps], outsides[kWarps];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int place = Backwards ? 31 - lane : lane;
  const auto larger = [](int a, int b) { return a > b ? a : b; };
  const auto from = [&](int v, int distance) {
    return Backwards ? __shfl_down_sync(kAll, v, distance) : __shfl_up_sync(kAll, v, distance);
  };
  int most = value;  // of the lanes up to this one
#pragma unroll
  for (int d = 1; d < 32; d *= 2) {
    const int other = from(most, d);
    if (place >= d) most = larger(most, other);
    outside = larger(outside, __shfl_xor_sync(kAll, outside, d));
  }
  if (place == 31) {
    totals[warp] = most;
    outsides[warp] = outside;
  }
  const int before = from(most, 1);
  __syncthreads();
  int result = outsides[0];
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    result = larger(result, outsides[w]);
    if (Backwards ? w > warp : w < warp) result = larger(result, totals[w]);
  }
  __syncthreads();
  return place > 0 ? larger(result, before) : result;
}

// Which of this thread's run of pixels the intervals of a row cover, as bits. Positions count from
// the first pixel of the block, x0.
template <class W>
__device__ unsigned covered_bits(const W* row, std::ptrdiff_t width, std::ptrdiff_t x0,
                                 const Element& element) {
  constexpr int kNone = -(1 << 30), kPixels = kThreads * kRunPixels;
  const int right = element.widest + element.skew, left = element.widest;
  // Intervals that begin on either side of the block's pixels and may reach into them.
  const int from = x0 < right ? -static_cast<int>(x0) : -right;
  const int to =
      width - x0 < std::ptrdiff_t{kPixels} + left ? static_cast<int>(width - x0) : kPixels + left;
  int ends = kNone, begins = kNone;  // begins are negated
  for (int i = from + static_cast<int>(threadIdx.x); i < 0; i += kThreads)
    if (const int w = row[x0 + i]; w > 0 && i + w - 1 + element.skew > ends)
      ends = i + w - 1 + element.skew;
  for (int i = kPixels + static_cast<int>(threadIdx.x); i < to; i += kThreads)
    if (const int w = row[x0 + i]; w > 0 && w - 1 - i > begins) begins = w - 1 - i;

  const int first = kRunPixels * static_cast<int>(threadIdx.x);
  WidthRun<W> run{};
  if (x0 + first < width) run = *reinterpret_cast<const WidthRun<W>*>(row + x0 + first);
  int own_ends = kNone, own_begins = kNone;
#pragma unroll
  for (int i = 0; i < kRunPixels; ++i) {
    const int w = run.v[i];
    if (w > 0 && first + i + w > own_ends) own_ends = first + i + w - 1 + element.skew;
    if (w > 0 && w - 1 - (first + i) > own_begins) own_begins = w - 1 - (first + i);
  }
  int end = most_before<false>(own_ends, ends), begin = most_before<true>(own_begins, begins);
  unsigned covered = 0;
#pragma unroll
  for (int i = 0; i < kRunPixels; ++i) {
    const int x = first + i, w = run.v[i];
    if (w > 0 && x + w - 1 + element.skew > end) end = x + w - 1 + element.skew;
    if (end >= x) covered |= 1u << i;
  }
#pragma unroll
  for (int i = kRunPixels - 1; i >= 0; --i) {
    const int x = first + i, w = run.v[i];
    if (w > 0 && w - 1 - x > begin) begin = w - 1 - x;
    if (begin >= -x) covered |= 1u << i;
  }
  return covered;
}

// The words of eight threads' bits, in the first of them.
__device__ unsigned gather_word(unsigned bits) {
  static_assert(kRunPixels == 4);
  bits <<= 4 * (threadIdx.x % 8);
  for (int d = 1; d < 8; d *= 2) bits |= __shfl_xor_sync(kAll, bits, d);
  return bits;
}

template <class W>
__global__ void __launch_bounds__(kThreads, 4)
    rows_kernel(Widths<W> widths, ElementSource source, ImageView<std::uint8_t> trimap,
                unsigned* flags, std::ptrdiff_t flag_count) {
  const Elements elements = source.get();
  __shared__ unsigned not_fg[1][kRunsWords], not_bg[1][kRunsWords];
  const std::ptrdiff_t x0 = std::ptrdiff_t{blockIdx.x} * kThreads * kRunPixels;
  const std::ptrdiff_t first = x0 + kRunPixels * static_cast<int>(threadIdx.x);
  unsigned seen = 0;
  for (std::ptrdiff_t y = blockIdx.y; y < trimap.height; y += gridDim.y) {
    unsigned fg = covered_bits(widths.fg.row(y), trimap.width, x0, elements.inside);
    for (int i = 0; i < kRunPixels; ++i)
      if (elements.inside.is_border(first + i, trimap.width) ||
          elements.inside.is_border(y, trimap.height))
        fg |= 1u << i;
    const unsigned bg = covered_bits(widths.bg.row(y), trimap.width, x0, elements.outside);
    for (int i = 0; i < kRunPixels && first + i < trimap.width; ++i) {
      if (!(fg >> i & 1u)) seen |= kSureForeground;
      if (!(bg >> i & 1u)) seen |= kSureBackground;
    }
    const unsigned fg_word = gather_word(fg), bg_word = gather_word(bg);
    if (threadIdx.x % 8 == 0) {
      not_fg[0][threadIdx.x / 8] = fg_word;
      not_bg[0][threadIdx.x / 8] = bg_word;
    }
    __syncthreads();
    store_tile(not_fg, not_bg, trimap, y, x0);  // of one row: `y` is its only one
    __syncthreads();
  }
  seen = block_or(seen, kSureForeground, kSureBackground);
  const std::ptrdiff_t block = block_index();
  if (threadIdx.x == 0) atomicOr(&flags[block < flag_count ? block : 0], seen);
}

// ---- The largest disk that keeps something -----------------------------------------------------

// From x to the nearest set pixel of a row, if that is nearer than `most`, else `most`.
__device__ std::ptrdiff_t row_gap(const std::uint32_t* row, std::ptrdiff_t words, std::ptrdiff_t x,
                                  std::ptrdiff_t most) {
  const std::ptrdiff_t k = x / 32;
  const int b = static_cast<int>(x % 32);
  const auto nearer = [&](std::ptrdiff_t gap) { most = gap < most ? gap : most; };
  for (std::ptrdiff_t s = 0; 32 * (s - 1) < most && (s <= k || k + s < words); ++s) {
    const unsigned left = s <= k ? row[k - s] & (s > 0 ? kAll : kAll >> (31 - b)) : 0u;
    const unsigned right = k + s < words ? row[k + s] & (s > 0 ? kAll : kAll << b) : 0u;
    if (left) nearer(x - (32 * (k - s) + 31 - __clz(static_cast<int>(left))));
    if (right) nearer(32 * (k + s) + __ffs(static_cast<int>(right)) - 1 - x);
  }
  return most;
}

// Squared distance to the nearest set pixel, or something up to `enough` if it is not larger.
__device__ std::int64_t squared_distance(const ImageView<std::uint32_t>& bits, std::ptrdiff_t width,
                                         std::ptrdiff_t y, std::ptrdiff_t x, std::int64_t enough) {
  std::int64_t nearest = width * width + bits.height * bits.height;
  for (std::ptrdiff_t dy = 0; dy * dy < nearest && nearest > enough && dy < bits.height; ++dy)
    for (const std::ptrdiff_t row : {y - dy, y + dy}) {
      const int most = disk_half_width(nearest - 1, dy) + 1;
      if (row < 0 || row >= bits.height || most == 0) continue;
      const std::ptrdiff_t gap = row_gap(bits.row(row), bits.width, x, most);
      if (gap < most) nearest = dy * dy + gap * gap;
    }
  return nearest;
}

// body(y, x) for the pixels that are not set, shared out to the threads.
template <class Body>
__device__ void for_unset(const ImageView<std::uint32_t>& bits, std::ptrdiff_t width,
                          const Body& body) {
  for (std::ptrdiff_t y = threadIdx.x / 32; y < bits.height; y += kWarps)
    for (std::ptrdiff_t k = threadIdx.x % 32; k < bits.width; k += 32)
      for (unsigned rest = ~bits.row(y)[k] & valid_bits(width, k); rest; rest &= rest - 1u)
        body(y, 32 * k + __ffs(static_cast<int>(rest)) - 1);
}

// Gives `sure` to the pixels of a class that are farthest from all others. Returns the square of
// the largest radius that keeps them.
__device__ std::int64_t keep_farthest(const ImageView<std::uint32_t>& bits,
                                      const ImageView<std::uint8_t>& trimap, std::uint8_t sure) {
  __shared__ unsigned long long most;
  if (threadIdx.x == 0) most = 0;
  __syncthreads();
  std::int64_t farthest = 0;
  for_unset(bits, trimap.width, [&](std::ptrdiff_t y, std::ptrdiff_t x) {
    const std::int64_t distance = squared_distance(bits, trimap.width, y, x, farthest);
    farthest = distance > farthest ? distance : farthest;
  });
  atomicMax(&most, static_cast<unsigned long long>(farthest));
  __syncthreads();
  farthest = static_cast<std::int64_t>(most);
  for_unset(bits, trimap.width, [&](std::ptrdiff_t y, std::ptrdiff_t x) {
    std::uint8_t& t = trimap.row(y)[x];
    if (t != kTrimapForeground &&
        squared_distance(bits, trimap.width, y, x, farthest - 1) == farthest)
      t = sure;
  });
  __syncthreads();
  return farthest - 1;
}

// One block. Where the mask has pixels of a class and the trimap has none, the class's disk becomes
// the largest that keeps some: distances between pixels are roots of whole numbers, so its square
// is one less than that of the farthest pixel's distance.
__global__ void __launch_bounds__(kThreads)
    reduce_kernel(Bitmaps bits, ImageView<std::uint8_t> trimap, const unsigned* flags,
                  std::ptrdiff_t flag_count, Disks* reduced) {
  unsigned seen = 0;
  for (std::ptrdiff_t i = threadIdx.x; i < flag_count; i += kThreads) seen |= flags[i];
  seen = block_or(seen, kMaskForeground, kMaskBackground) |
         block_or(seen, kSureForeground, kSureBackground);
  const bool lost_fg = (seen & kMaskForeground) && !(seen & kSureForeground);
  const bool lost_bg = (seen & kMaskBackground) && !(seen & kSureBackground);
  Disks result{-1, -1};  // as they were
  if (lost_fg) result.inside = keep_farthest(bits.not_fg, trimap, kTrimapForeground);
  if (lost_bg) result.outside = keep_farthest(bits.not_bg, trimap, kTrimapBackground);
  if (threadIdx.x == 0) *reduced = result;
}

// ---- Host --------------------------------------------------------------------------------------

// By the widths of columns, W wide enough for them.
template <class W>
void grow_any(const Bitmaps& bits, const ElementSource& elements,
              const ImageView<std::uint8_t>& trimap, const Buffer<unsigned>& flags, Stream stream) {
  const std::ptrdiff_t words = bits.not_fg.width;
  const ImageBuffer<W> fg(trimap.height, 32 * words, 1, stream);
  const ImageBuffer<W> bg(trimap.height, 32 * words, 1, stream);
  const Widths<W> widths{fg.view(), bg.view()};
  const dim3 segments(cuda::blocks_for(words, kWarps, 0x7fffffff),
                      cuda::blocks_for(trimap.height, kTileRows), 2);
  cuda::launch("make_trimap", columns_kernel<W>, segments, dim3(kThreads), stream, bits, elements,
               widths);
  const dim3 runs(cuda::blocks_for(trimap.width, kThreads * kRunPixels, 0x7fffffff),
                  cuda::blocks_for(trimap.height, 1));
  cuda::launch("make_trimap", rows_kernel<W>, runs, dim3(kThreads), stream, widths, elements,
               trimap, flags.data(), flags.size());
}

void grow_any(const Bitmaps& bits, const ElementSource& elements, int widest,
              const ImageView<std::uint8_t>& trimap, const Buffer<unsigned>& flags, Stream stream) {
  (widest < 0xffff ? grow_any<std::uint16_t> : grow_any<int>)(bits, elements, trimap, flags,
                                                              stream);
}

// The disks of the mask's own softness, in device memory.
Buffer<Disks> auto_disks(const Bitmaps& bits, std::ptrdiff_t width, double network_pixel,
                         Stream stream) {
  const std::ptrdiff_t height = bits.not_fg.height;
  const Buffer<ContourCounts> counts(1, stream);
  counts.fill_zero();
  cuda::launch("make_trimap", contour_kernel, tiles_of(height, width), dim3(kThreads), stream, bits,
               width, counts.data());
  Buffer<Disks> disks(1, stream);
  cuda::launch("make_trimap", auto_disks_kernel, dim3(1), dim3(1), stream, counts.data(),
               network_pixel, height, width, disks.data());
  return disks;
}

template <class T>
T download(const Buffer<T>& buffer, Stream stream) {
  T value;
  cuda::download(&value, buffer.data(), sizeof(T), stream);
  return value;
}

double radius_of(std::int64_t square) {
  return std::sqrt(static_cast<double>(square));
}

}  // namespace

template <DeviceKind D, class T>
void make_trimap(ImageView<const T> mask, ImageView<std::uint8_t> trimap,
                 const TrimapOptions& options, TrimapRadii* used, Stream stream) {
  if (used) *used = {options.outside, options.inside};
  if (mask.empty()) return;
  const std::ptrdiff_t height = mask.height, width = mask.width, words = (width + 31) / 32;
  const ImageBuffer<std::uint32_t> not_fg(height, words, 1, stream);
  const ImageBuffer<std::uint32_t> not_bg(height, words, 1, stream);
  const Bitmaps bits{not_fg.view(), not_bg.view()};
  const dim3 tiles = tiles_of(height, width);
  const Buffer<unsigned> flags(std::ptrdiff_t{tiles.x} * tiles.y, stream);
  cuda::launch("make_trimap", pack_kernel<T>, tiles, dim3(kThreads), stream, mask,
               MaskBounds<T>(options.low, options.high), bits, flags.data());
  if (options.square > 0) {
    grow_any(bits, {options.square, {}}, options.square, trimap, flags, stream);
    return;
  }
  const bool is_auto = options.network_pixel > 0;
  const Buffer<Disks> found =
      is_auto ? auto_disks(bits, width, options.network_pixel, stream) : Buffer<Disks>();
  TrimapRadii radii{options.outside, options.inside};
  if (is_auto)  // the widest: the others are known on the device alone
    radii.outside = radii.inside =
        auto_radius(AutoBand::kWidest / AutoBand::kShare, options.network_pixel);
  const Disks given = disks_of(radii, height, width);
  const DiskSource disks{given, found.data()};
  const int widest =
      disk_half_width(given.inside > given.outside ? given.inside : given.outside, 0);
  if (widest <= kMostReach)
    cuda::launch("make_trimap", dilate_kernel, tiles, dim3(kThreads), stream, bits, disks, trimap,
                 flags.data());
  else
    grow_any(bits, {0, disks}, widest, trimap, flags, stream);
  const Buffer<Disks> reduced(1, stream);
  cuda::launch("make_trimap", reduce_kernel, dim3(1), dim3(kThreads), stream, bits, trimap,
               flags.data(), flags.size(), reduced.data());
  if (!used) return;
  if (is_auto) {
    const Disks squares = download(found, stream);
    *used = {radius_of(squares.outside), radius_of(squares.inside)};
  }
  const Disks squares = download(reduced, stream);
  used->lost_foreground = squares.inside >= 0;
  used->lost_background = squares.outside >= 0;
  if (used->lost_foreground) used->inside = radius_of(squares.inside);
  if (used->lost_background) used->outside = radius_of(squares.outside);
}

#define TRIMATTE_INSTANTIATE(T)                                                                \
  template void make_trimap<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<std::uint8_t>, \
                                                  const TrimapOptions&, TrimapRadii*, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

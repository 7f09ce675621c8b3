// Trimap on the CPU. The two classes are kept as bits, 64 pixels a word. A disk of radius r is the
// union of row spans: the span of one source row is grown by doubling (D_{w+s} = D_w << s | D_w |
// D_w
// >> s for s <= 2w + 1) and or-ed into the rows above and below, so that a pixel costs about
// (2r + 1) / 64 word operations. Only contour pixels are sources; the rest of the set adds nothing.
#define TRIMATTE_THIS_FILE "cpu/trimap.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/trimap.hpp"

#if !defined(TRIMATTE_CPU_TRIMAP_BITMAP)
#define TRIMATTE_CPU_TRIMAP_BITMAP
namespace trimatte {

// Rows of bits, 64 pixels a word.
struct Bitmap {
  std::ptrdiff_t height, words;
  std::vector<std::uint64_t> bits;

  Bitmap(std::ptrdiff_t h, std::ptrdiff_t width)
      : height(h), words((width + 63) / 64), bits(static_cast<std::size_t>(h * words)) {}
  std::uint64_t* row(std::ptrdiff_t y) { return bits.data() + y * words; }
  const std::uint64_t* row(std::ptrdiff_t y) const { return bits.data() + y * words; }
};

struct Classes {
  Bitmap not_fg, not_bg;

  Classes(std::ptrdiff_t height, std::ptrdiff_t width)
      : not_fg(height, width), not_bg(height, width) {}
};

struct TrimapCounts {  // pixels
  std::int64_t foreground = 0, background = 0;
};

}  // namespace trimatte
#endif

TRIMATTE_TARGET_BEGIN

// 64 flags of 0 or 1 to one word.
inline std::uint64_t pack_word(const std::uint8_t* flags) {
#if TRIMATTE_TARGET_ID == 2
  const __m512i v = _mm512_loadu_si512(flags);
  return _mm512_test_epi8_mask(v, v);
#elif TRIMATTE_TARGET_ID == 1
  const __m256i zero = _mm256_setzero_si256();
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(flags));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(flags + 32));
  const auto a = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(low, zero)));
  const auto b = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(high, zero)));
  return a | static_cast<std::uint64_t>(b) << 32;
#else
  std::uint64_t word = 0;
  for (int i = 0; i < 8; ++i) {  // eight bytes of 0 / 1 to eight bits by one multiplication
    std::uint64_t bytes;
    std::memcpy(&bytes, flags + 8 * i, 8);
    word |= ((bytes * 0x0102040810204080ull) >> 56) << (8 * i);
  }
  return word;
#endif
}

// trimap of 64 pixels from the words "may be background" and "may be foreground".
inline void unpack_word(std::uint64_t not_fg, std::uint64_t not_bg, std::uint8_t* trimap) {
#if TRIMATTE_TARGET_ID == 2
  const __m512i bg = _mm512_maskz_mov_epi8(not_bg, _mm512_set1_epi8(char(kTrimapUnknown)));
  _mm512_storeu_si512(trimap,
                      _mm512_mask_mov_epi8(bg, ~not_fg, _mm512_set1_epi8(char(kTrimapForeground))));
#else
  for (int i = 0; i < 8; ++i) {
    const auto spread = [&](std::uint64_t word) {  // eight bits to eight bytes of 0 / 1
      const std::uint64_t bits = (word >> (8 * i)) & 0xff;
      return ((((bits * 0x0101010101010101ull) & 0x8040201008040201ull) + 0x7f7f7f7f7f7f7f7full) >>
              7) &
             0x0101010101010101ull;
    };
    const std::uint64_t fg = spread(~not_fg), unknown = spread(not_fg & not_bg);
    const std::uint64_t bytes = fg * kTrimapForeground | unknown * kTrimapUnknown;
    std::memcpy(trimap + 8 * i, &bytes, 8);
  }
#endif
}

template <class T>
void classify_row(const T* mask, std::ptrdiff_t width, MaskBounds<T> bounds,
                  std::uint64_t* __restrict not_fg, std::uint64_t* __restrict not_bg) {
  alignas(64) std::uint8_t a[64], b[64];
  for (std::ptrdiff_t x = 0; x < width; x += 64) {
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(64, width - x));
    if (count < 64) std::memset(a, 0, 64), std::memset(b, 0, 64);
    const T* m = mask + x;
    for (int i = 0; i < count; ++i) {
      a[i] = !bounds.is_foreground(m[i]);
      b[i] = !bounds.is_background(m[i]);
    }
    not_fg[x / 64] = pack_word(a);
    not_bg[x / 64] = pack_word(b);
  }
}

// out |= in shifted by s pixels to both sides; `in` has guard words of zero as far as s reaches.
inline void spread_row(const std::uint64_t* __restrict in, std::uint64_t* __restrict out,
                       std::ptrdiff_t begin, std::ptrdiff_t end, int left, int right) {
  // left: towards lower x, right: towards higher x
  const int ql = left / 64, bl = left % 64, qr = right / 64, br = right % 64;
  for (std::ptrdiff_t i = begin; i < end; ++i) {
    // (w >> 1) >> (63 - b) instead of w >> (64 - b): defined for b = 0 too
    const std::uint64_t to_right = in[i - qr] << br | (in[i - qr - 1] >> 1) >> (63 - br);
    const std::uint64_t to_left = in[i + ql] >> bl | (in[i + ql + 1] << 1) << (63 - bl);
    out[i] = in[i] | to_right | to_left;
  }
}

// Pixels of the set that have a 4-neighbour outside of it; the image border is no edge. False if
// there are none, else the first and last word with one.
bool contour_row(const std::uint64_t* __restrict above, const std::uint64_t* __restrict row,
                 const std::uint64_t* __restrict below, std::ptrdiff_t words, std::ptrdiff_t width,
                 std::uint64_t* __restrict out, std::ptrdiff_t& first, std::ptrdiff_t& last) {
  const std::uint64_t border = 1ull << ((width - 1) % 64);
  const auto inner = [&](std::ptrdiff_t i, std::uint64_t from_left, std::uint64_t from_right) {
    const std::uint64_t left = row[i] << 1 | from_left, right = row[i] >> 1 | from_right;
    return row[i] & ~(left & right & above[i] & below[i]);
  };
  std::uint64_t any = 0;
  for (std::ptrdiff_t i = 1; i + 1 < words; ++i) {
    out[i] = inner(i, row[i - 1] >> 63, row[i + 1] << 63);
    any |= out[i];
  }
  const std::ptrdiff_t end = words - 1;
  if (end == 0) {
    out[0] = inner(0, row[0] & 1, row[0] & border);
  } else {
    out[0] = inner(0, row[0] & 1, row[1] << 63);
    out[end] = inner(end, row[end - 1] >> 63, row[end] & border);
  }
  if (!(any | out[0] | out[end])) return false;
  for (first = 0; !out[first]; ++first) {
  }
  for (last = end; !out[last]; --last) {
  }
  return true;
}

// Rows [begin, end) of the dilation of `in` by a disk.
void dilate_disk_rows(const Bitmap& in, std::ptrdiff_t width, std::int64_t square, Bitmap& out,
                      std::ptrdiff_t begin, std::ptrdiff_t end) {
  const int reach = disk_half_width(square, 0);
  std::vector<int> half_width(static_cast<std::size_t>(reach) + 1);
  for (int dy = 0; dy <= reach; ++dy)
    half_width[static_cast<std::size_t>(dy)] = disk_half_width(square, dy);
  // Spans grow beyond the image too: what a doubling step shifts back in must not have been cut
  // off.
  const std::ptrdiff_t words = in.words, margin = reach / 64 + 1, guard = 2 * margin + 2;
  std::vector<std::uint64_t> scratch(static_cast<std::size_t>(2 * (words + 2 * guard)));
  std::uint64_t* span = scratch.data() + guard;
  std::uint64_t* next = span + words + 2 * guard;
  std::memcpy(out.row(begin), in.row(begin),
              static_cast<std::size_t>((end - begin) * words) * sizeof(std::uint64_t));
  const std::ptrdiff_t from = std::max<std::ptrdiff_t>(0, begin - reach);
  const std::ptrdiff_t to = std::min<std::ptrdiff_t>(in.height, end + reach);
  for (std::ptrdiff_t y = from; y < to; ++y) {
    std::ptrdiff_t first, last;
    const std::uint64_t* row = in.row(y);
    if (!contour_row(y > 0 ? in.row(y - 1) : row, row, y + 1 < in.height ? in.row(y + 1) : row,
                     words, width, span, first, last))
      continue;
    const std::ptrdiff_t lo = first - margin, hi = last + 1 + margin;
    const std::ptrdiff_t inside_lo = std::max<std::ptrdiff_t>(0, lo),
                         inside_hi = std::min(words, hi);
    int half = 0;
    for (int dy = reach; dy >= 0; --dy) {
      const int wanted = half_width[static_cast<std::size_t>(dy)];
      while (half < wanted) {
        const int step = std::min(wanted - half, 2 * half + 1);
        spread_row(span, next, lo, hi, step, step);
        std::swap(span, next);
        half += step;
      }
      for (const std::ptrdiff_t target : {y - dy, y + dy}) {
        if (target < begin || target >= end) continue;
        std::uint64_t* __restrict o = out.row(target);
        for (std::ptrdiff_t i = inside_lo; i < inside_hi; ++i) o[i] |= span[i];
        if (dy == 0) break;
      }
    }
    std::memset(next + lo, 0, static_cast<std::size_t>(hi - lo) * 8);  // guards of the next round
    std::memset(span + lo, 0, static_cast<std::size_t>(hi - lo) * 8);
  }
}

// out[y][x] = or of in over columns x - left .. x + right of one row, by doubling.
void dilate_span_rows(const Bitmap& in, int left, int right, Bitmap& out, std::ptrdiff_t begin,
                      std::ptrdiff_t end) {
  const std::ptrdiff_t words = in.words, margin = std::max(left, right) / 64 + 1;
  const std::ptrdiff_t guard = 2 * margin + 2;
  std::vector<std::uint64_t> scratch(static_cast<std::size_t>(2 * (words + 2 * guard)));
  std::uint64_t* span = scratch.data() + guard;
  std::uint64_t* next = span + words + 2 * guard;
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    std::fill(scratch.begin(), scratch.end(), 0);
    std::memcpy(span, in.row(y), static_cast<std::size_t>(words) * 8);
    // A pixel x is set by sources in [x - left, x + right]: sources move right by up to `left`.
    for (int l = 0, r = 0; l < left || r < right;) {
      const int covered = l + r + 1;
      const int dl = std::min(left - l, covered), dr = std::min(right - r, covered);
      spread_row(span, next, -margin, words + margin, dr, dl);
      std::swap(span, next);
      l += dl, r += dr;
    }
    std::memcpy(out.row(y), span, static_cast<std::size_t>(words) * 8);
  }
}

// out[y] = or of in over rows y - up .. y + down.
void dilate_column_rows(const Bitmap& in, int up, int down, Bitmap& out, std::ptrdiff_t begin,
                        std::ptrdiff_t end) {
  const std::ptrdiff_t words = in.words;
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    std::uint64_t* __restrict o = out.row(y);
    const std::ptrdiff_t from = std::max<std::ptrdiff_t>(0, y - up);
    const std::ptrdiff_t to = std::min<std::ptrdiff_t>(in.height - 1, y + down);
    std::memcpy(o, in.row(from), static_cast<std::size_t>(words) * 8);
    for (std::ptrdiff_t s = from + 1; s <= to; ++s) {
      const std::uint64_t* __restrict i = in.row(s);
      for (std::ptrdiff_t k = 0; k < words; ++k) o[k] |= i[k];
    }
  }
}

// Sets everything within `near` of the low sides and `far` of the high sides of the image.
void set_borders(Bitmap& bitmap, std::ptrdiff_t width, std::ptrdiff_t near, std::ptrdiff_t far) {
  for (std::ptrdiff_t y = 0; y < bitmap.height; ++y) {
    std::uint64_t* row = bitmap.row(y);
    const bool whole = y < near || y >= bitmap.height - far;
    for (std::ptrdiff_t x = 0; x < width; ++x) {
      if (!whole && x >= near && x < width - far) {
        x = std::max(x, width - far) - 1;  // jump over the inside
        continue;
      }
      row[x / 64] |= 1ull << (x % 64);
    }
  }
}

void erode_squares(Classes& classes, std::ptrdiff_t width, int n) {
  // scipy.ndimage.binary_erosion with ones((n, n)): offsets -(n / 2) .. n - 1 - n / 2.
  const int low = n / 2, high = n - 1 - n / 2;
  Bitmap columns(classes.not_fg.height, width);
  const auto dilate = [&](Bitmap& bitmap) {
    parallel_rows(bitmap.height, width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      dilate_span_rows(bitmap, low, high, columns, begin, end);
    });
    parallel_rows(bitmap.height, width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      dilate_column_rows(columns, low, high, bitmap, begin, end);
    });
  };
  dilate(classes.not_fg);
  dilate(classes.not_bg);
  set_borders(classes.not_fg, width, low, high);  // border_value 0: outside is no foreground
}

std::int64_t count_zero_bits(const Bitmap& bitmap, std::ptrdiff_t width, std::ptrdiff_t begin,
                             std::ptrdiff_t end) {
  std::int64_t set = 0;
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    const std::uint64_t* row = bitmap.row(y);
    for (std::ptrdiff_t i = 0; i < bitmap.words; ++i) {
      const int valid = static_cast<int>(std::min<std::ptrdiff_t>(64, width - 64 * i));
      set += std::popcount(row[i] << (64 - valid));
    }
  }
  return (end - begin) * width - set;
}

// body(begin, end) for bands of rows; then the pixels of the classes, counted while at hand.
template <class Body>
TrimapCounts count_rows(std::ptrdiff_t height, std::ptrdiff_t width, const Classes& classes,
                        const Body& body) {
  std::atomic<std::int64_t> foreground{0}, background{0};
  parallel_rows(height, width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    body(begin, end);
    foreground += count_zero_bits(classes.not_fg, width, begin, end);
    background += count_zero_bits(classes.not_bg, width, begin, end);
  });
  return {foreground, background};
}

template <class T>
TrimapCounts classify(const ImageView<const T>& mask, const TrimapOptions& options,
                      Classes& classes) {
  const MaskBounds<T> bounds(options.low, options.high);
  return count_rows(mask.height, mask.width, classes,
                    [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                      for (std::ptrdiff_t y = begin; y < end; ++y)
                        classify_row(mask.row(y), mask.width, bounds, classes.not_fg.row(y),
                                     classes.not_bg.row(y));
                    });
}

// Pixel sides between a set and an unset pixel: of a row, and between it and the next one.
std::int64_t count_sides(const Bitmap& bitmap, std::ptrdiff_t width, std::ptrdiff_t y) {
  const std::uint64_t* row = bitmap.row(y);
  const std::uint64_t* below = y + 1 < bitmap.height ? bitmap.row(y + 1) : row;
  const std::uint64_t last_pairs = (1ull << ((width - 1) % 64)) - 1;
  std::int64_t sides = 0;
  for (std::ptrdiff_t i = 0; i + 1 < bitmap.words; ++i)
    sides +=
        std::popcount(row[i] ^ (row[i] >> 1 | row[i + 1] << 63)) + std::popcount(row[i] ^ below[i]);
  const std::uint64_t last = row[bitmap.words - 1];
  return sides + std::popcount((last ^ last >> 1) & last_pairs) +
         std::popcount(last ^ below[bitmap.words - 1]);
}

MaskContour contour_of(const Classes& classes, std::ptrdiff_t width) {
  std::atomic<std::int64_t> between{0}, sides{0};
  parallel_rows(classes.not_fg.height, width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    MaskContour contour;
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const std::uint64_t *fg = classes.not_fg.row(y), *bg = classes.not_bg.row(y);
      for (std::ptrdiff_t i = 0; i < classes.not_fg.words; ++i)
        contour.between += std::popcount(fg[i] & bg[i]);
      contour.sides += count_sides(classes.not_fg, width, y);
      contour.sides += count_sides(classes.not_bg, width, y);
    }
    between += contour.between;
    sides += contour.sides;
  });
  return {between, sides};
}

void grow_disks(const Classes& classes, std::ptrdiff_t width, const Disks& disks, Classes& grown) {
  // A band re-reads the rows within the radius around it: make bands tall beside the radius.
  const int reach = disk_half_width(std::max(disks.inside, disks.outside), 0);
  const std::ptrdiff_t tall = 4 * std::ptrdiff_t{reach} + 32;
  parallel_for(classes.not_fg.height, tall, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    dilate_disk_rows(classes.not_fg, width, disks.inside, grown.not_fg, begin, end);
    dilate_disk_rows(classes.not_bg, width, disks.outside, grown.not_bg, begin, end);
  });
}

TrimapCounts write_trimap(const Classes& classes, const ImageView<std::uint8_t>& trimap) {
  const std::ptrdiff_t width = trimap.width;
  return count_rows(trimap.height, width, classes, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    alignas(64) std::uint8_t last[64];
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      std::uint8_t* row = trimap.row(y);
      const std::uint64_t *fg = classes.not_fg.row(y), *bg = classes.not_bg.row(y);
      std::ptrdiff_t x = 0;
      for (; x + 64 <= width; x += 64) unpack_word(fg[x / 64], bg[x / 64], row + x);
      if (x < width) {
        unpack_word(fg[x / 64], bg[x / 64], last);
        std::memcpy(row + x, last, static_cast<std::size_t>(width - x));
      }
    }
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {
namespace {

double radius_of(std::int64_t square) {
  return std::sqrt(static_cast<double>(square));
}

// The largest disk, by its square, below one that keeps nothing.
template <class Keeps>
std::int64_t largest_disk(std::int64_t square, const Keeps& keeps) {
  std::int64_t low = 0, high = square;  // 0 keeps everything
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (keeps(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

template <DeviceKind D, class T>
void make_trimap(ImageView<const T> mask, ImageView<std::uint8_t> trimap,
                 const TrimapOptions& options, TrimapRadii* used, Stream) {
  if (used) *used = {options.outside, options.inside};
  if (mask.empty()) return;
  const std::ptrdiff_t height = mask.height, width = mask.width;
  Classes classes(height, width);
  const TrimapCounts seen = TRIMATTE_CALL(classify<T>)(mask, options, classes);
  if (options.square > 0) {
    TRIMATTE_CALL(erode_squares)(classes, width, options.square);
    TRIMATTE_CALL(write_trimap)(classes, trimap);
    return;
  }
  TrimapRadii radii{options.outside, options.inside};
  const bool is_auto = options.network_pixel > 0;
  if (is_auto)
    radii.outside = radii.inside =
        auto_radius(TRIMATTE_CALL(contour_of)(classes, width), options.network_pixel);
  Disks disks = disks_of(radii, height, width);
  Classes grown(height, width);
  const auto run = [&] {
    TRIMATTE_CALL(grow_disks)(classes, width, disks, grown);
    return TRIMATTE_CALL(write_trimap)(grown, trimap);
  };
  const TrimapCounts sure = run();
  radii.lost_foreground = seen.foreground > 0 && sure.foreground == 0;
  radii.lost_background = seen.background > 0 && sure.background == 0;
  if (radii.lost_foreground)
    disks.inside = largest_disk(disks.inside, [&](std::int64_t square) {
      disks.inside = square;
      return run().foreground > 0;
    });
  if (radii.lost_background)
    disks.outside = largest_disk(disks.outside, [&](std::int64_t square) {
      disks.outside = square;
      return run().background > 0;
    });
  if (radii.lost_foreground || radii.lost_background) run();
  if (is_auto || radii.lost_foreground) radii.inside = radius_of(disks.inside);
  if (is_auto || radii.lost_background) radii.outside = radius_of(disks.outside);
  if (used) *used = radii;
}

#define TRIMATTE_INSTANTIATE(T)                                                               \
  template void make_trimap<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<std::uint8_t>, \
                                                 const TrimapOptions&, TrimapRadii*, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

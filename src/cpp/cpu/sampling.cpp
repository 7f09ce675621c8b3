// Shared sampling on the CPU: 32 x 32 tiles that have unknown pixels, each step over all of them.
// Known and unknown pixels lie in one packed image; what belongs to unknown pixels is only touched
// there. A tile is read with its surroundings into planes, and offsets are the outer loop, so that
// rows of pixels are worked on side by side.
#define TRIMATTE_THIS_FILE "cpu/sampling.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/plane.hpp"
#include "ops.hpp"
#include "pixel/sampling.hpp"
#include "pixel/trimap.hpp"

#if !defined(TRIMATTE_CPU_SAMPLING_SHARED)
#define TRIMATTE_CPU_SAMPLING_SHARED
namespace trimatte {

inline constexpr int kSamplingTile = 32;

// Pixels that are set only where they are needed.
template <class V>
class SparseImage {
 public:
  SparseImage(std::ptrdiff_t height, std::ptrdiff_t width)
      : width_(width), memory_(height * width) {}
  V* row(std::ptrdiff_t y) const { return memory_.data() + y * width_; }

 private:
  std::ptrdiff_t width_;
  WorkArray<V> memory_;
};

struct SamplingImages {
  std::ptrdiff_t height, width;
  SparseImage<SamplingPixel> pixels;
  SparseImage<SamplingPair> gathered;
  SparseImage<SharedPair> shared;
  std::vector<std::ptrdiff_t> tiles;  // those with unknown pixels: y0 * width + x0

  SamplingImages(std::ptrdiff_t h, std::ptrdiff_t w)
      : height(h), width(w), pixels(h, w), gathered(h, w), shared(h, w) {}
};

// A tile of floats with R pixels around it.
template <int R>
struct TilePlane {
  static constexpr int kSide = kSamplingTile + 2 * R;
  float data[kSide][kSide];
  float* row(int y) { return data[y + R] + R; }
};

// The unknown pixels of a tile's row lie in [begin, end).
struct TileRow {
  int begin = kSamplingTile, end = 0;
};

}  // namespace trimatte
#endif

TRIMATTE_TARGET_BEGIN

constexpr int kT = kSamplingTile;

// Colours and classes; alpha of what is known.
template <class T>
void pack_rows(const ImageView<const T>& image, const ImageView<const std::uint8_t>& trimap,
               const ImageView<float>& alpha, const SamplingImages& work, std::ptrdiff_t begin,
               std::ptrdiff_t end) {
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    const T* __restrict from = image.row(y);
    const std::uint8_t* __restrict classes = trimap.row(y);
    SamplingPixel* __restrict to = work.pixels.row(y);
    float* __restrict a = alpha.row(y);
    const auto pack = [&](auto channels) {
      for (std::ptrdiff_t x = 0; x < image.width; ++x) {
        const T* p = from + channels * x;
        const std::uint32_t kind = sampling_class(classes[x]);
        to[x] = sampling_pixel(p[0], p[1], p[2], kind);
        a[x] = 0.5f * static_cast<float>(kind);
      }
    };
    if (image.channels == 3)
      pack(std::integral_constant<int, 3>{});
    else
      pack(std::integral_constant<int, 4>{});
  }
}

// What a tile has of each class.
struct TileSums {
  ClassSums of[3];
};

void add_row(const SamplingPixel* row, std::ptrdiff_t count, TileSums& sums) {
  for (std::uint32_t k = 0; k < 3; ++k) {
    std::int32_t number = 0, r = 0, g = 0, b = 0;
    for (std::ptrdiff_t x = 0; x < count; ++x) {
      const std::int32_t in = row[x].kind() == k;
      number += in;
      r += in * row[x].r();
      g += in * row[x].g();
      b += in * row[x].b();
    }
    sums.of[k] += {number, r, g, b};
  }
}

// Lists the tiles that have unknown pixels, and adds up the classes.
TileSums survey(SamplingImages& work) {
  const std::ptrdiff_t rows = (work.height + kT - 1) / kT, columns = (work.width + kT - 1) / kT;
  std::vector<TileSums> sums(static_cast<std::size_t>(rows * columns));
  parallel_for(rows, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin * kT; y < std::min(end * kT, work.height); ++y)
      for (std::ptrdiff_t c = 0; c < columns; ++c)
        add_row(work.pixels.row(y) + c * kT, std::min<std::ptrdiff_t>(kT, work.width - c * kT),
                sums[static_cast<std::size_t>(y / kT * columns + c)]);
  });
  TileSums all;
  for (std::ptrdiff_t t = 0; t < rows * columns; ++t) {
    const TileSums& tile = sums[static_cast<std::size_t>(t)];
    if (tile.of[kSampleUnknown].count > 0)
      work.tiles.push_back(t / columns * kT * work.width + t % columns * kT);
    for (int k = 0; k < 3; ++k) all.of[k] += tile.of[k];
  }
  return all;
}

// body(y0, x0) for every tile of the list.
template <class Body>
void for_tiles(const SamplingImages& work, const Body& body) {
  parallel_for(static_cast<std::ptrdiff_t>(work.tiles.size()), 1,
               [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                 for (std::ptrdiff_t t = begin; t < end; ++t) {
                   const std::ptrdiff_t tile = work.tiles[static_cast<std::size_t>(t)];
                   body(tile / work.width, tile % work.width);
                 }
               });
}

// body(y, x) for the tile and R pixels around it, where they lie in the image.
template <int R, class Body>
void for_surroundings(const SamplingImages& work, std::ptrdiff_t y0, std::ptrdiff_t x0,
                      const Body& body) {
  const auto low = [](std::ptrdiff_t at) {
    return static_cast<int>(std::max<std::ptrdiff_t>(-R, -at));
  };
  const auto high = [](std::ptrdiff_t at, std::ptrdiff_t size) {
    return static_cast<int>(std::min<std::ptrdiff_t>(kT + R, size - at));
  };
  for (int y = low(y0); y < high(y0, work.height); ++y)
    for (int x = low(x0); x < high(x0, work.width); ++x) body(y, x);
}

TileRow unknown_in_row(const SamplingImages& work, std::ptrdiff_t y, std::ptrdiff_t x0) {
  TileRow found;
  if (y >= work.height) return found;
  const SamplingPixel* row = work.pixels.row(y) + x0;
  const int count = static_cast<int>(std::min<std::ptrdiff_t>(kT, work.width - x0));
  for (int x = 0; x < count; ++x)
    if (row[x].kind() == kSampleUnknown) {
      found.begin = std::min(found.begin, x);
      found.end = x + 1;
    }
  return found;
}

// body(y, x) for the unknown pixels of a tile.
template <class Body>
void for_unknown(const SamplingImages& work, std::ptrdiff_t y0, std::ptrdiff_t x0,
                 const Body& body) {
  for (std::ptrdiff_t y = y0; y < std::min(y0 + kT, work.height); ++y) {
    const TileRow row = unknown_in_row(work, y, x0);
    for (std::ptrdiff_t x = x0 + row.begin; x < x0 + row.end; ++x)
      if (work.pixels.row(y)[x].kind() == kSampleUnknown) body(y, x);
  }
}

// ---- Expansion ---------------------------------------------------------------------------------

void expand_tile(const SamplingImages& work, const ImageView<float>& alpha,
                 const ExpansionDisk& disk, std::ptrdiff_t y0, std::ptrdiff_t x0) {
  constexpr int R = kExpansionRadius;
  static thread_local TilePlane<R> red, green, blue, kind;
  std::fill_n(&kind.data[0][0], sizeof(kind.data) / sizeof(float), 0.5f);
  bool has_known[kT + 2 * R] = {};
  for_surroundings<R>(work, y0, x0, [&](int y, int x) {
    const SamplingPixel p = work.pixels.row(y0 + y)[x0 + x];
    red.row(y)[x] = static_cast<float>(p.r());
    green.row(y)[x] = static_cast<float>(p.g());
    blue.row(y)[x] = static_cast<float>(p.b());
    kind.row(y)[x] = 0.5f * static_cast<float>(p.kind());
    has_known[y + R] |= p.kind() != kSampleUnknown;
  });
  for (int y = 0; y < kT; ++y) {
    const TileRow row = unknown_in_row(work, y0 + y, x0);
    if (row.end == 0) continue;
    float own[kT];
    std::copy_n(kind.row(y), kT, own);
    const float* __restrict r = red.row(y);
    const float* __restrict g = green.row(y);
    const float* __restrict b = blue.row(y);
    int since = 0;
    for (const ExpansionOffset offset : disk.offset) {
      if (!has_known[y + R + offset.y]) continue;
      if (++since % 16 == 0 && std::find(own + row.begin, own + row.end, 0.5f) == own + row.end)
        break;
      const float* __restrict qr = red.row(y + offset.y) + offset.x;
      const float* __restrict qg = green.row(y + offset.y) + offset.x;
      const float* __restrict qb = blue.row(y + offset.y) + offset.x;
      const float* __restrict qk = kind.row(y + offset.y) + offset.x;
      for (int x = 0; x < kT; ++x) {
        const float dr = r[x] - qr[x], dg = g[x] - qg[x], db = b[x] - qb[x];
        const float found = dr * dr + dg * dg + db * db <= float{kNearColor} ? qk[x] : 0.5f;
        own[x] = own[x] == 0.5f ? found : own[x];
      }
    }
    float* to = alpha.row(y0 + y) + x0;
    for (int x = row.begin; x < row.end; ++x) to[x] = own[x];
  }
}

// What the expansion found is known from here on.
void take_expansion(const SamplingImages& work, const ImageView<float>& alpha, std::ptrdiff_t y0,
                    std::ptrdiff_t x0) {
  for_unknown(work, y0, x0, [&](std::ptrdiff_t y, std::ptrdiff_t x) {
    SamplingPixel& p = work.pixels.row(y)[x];
    p = p.with_kind(static_cast<std::uint32_t>(2.0f * alpha.row(y)[x]));
  });
}

// The pairs of a pixel side by side; those without a sample too.
struct Pairs {
  const RaySample *front[kSamplingPairs], *back[kSamplingPairs];
  // F - B, B, |F - B|^2, the error over the window, alpha of the pixel itself.
  float fr[kSamplingPairs], fg[kSamplingPairs], fb[kSamplingPairs];
  float br[kSamplingPairs], bg[kSamplingPairs], bb[kSamplingPairs];
  float square[kSamplingPairs], error[kSamplingPairs] = {}, alpha[kSamplingPairs];

  explicit Pairs(const Gathered& found) {
    for (int i = 0; i < kSamplingPairs; ++i) {
      front[i] = &found.fronts.of[i / kSamplingRays];
      back[i] = &found.backs.of[i % kSamplingRays];
      const PairLine line({front[i]->pixel, back[i]->pixel});
      fr[i] = line.r, fg[i] = line.g, fb[i] = line.b;
      br[i] = line.back_r, bg[i] = line.back_g, bb[i] = line.back_b;
      square[i] = line.square;
    }
  }

  void add_error(SamplingPixel pixel, bool own) {
    const float r = static_cast<float>(pixel.r()), g = static_cast<float>(pixel.g()),
                b = static_cast<float>(pixel.b());
    float along[kSamplingPairs];
    for (int i = 0; i < kSamplingPairs; ++i) {
      const float ir = r - br[i], ig = g - bg[i], ib = b - bb[i];
      along[i] = ir * fr[i] + ig * fg[i] + ib * fb[i];
      error[i] += fit_error(along[i], square[i], ir * ir + ig * ig + ib * ib);
    }
    if (own)
      for (int i = 0; i < kSamplingPairs; ++i)
        alpha[i] = square[i] > 0.0f ? clip_unit(along[i] / square[i]) : 0.5f;
  }
};

SamplingPair best_pair(const SamplingImages& work, std::ptrdiff_t y, std::ptrdiff_t x, int spacing,
                       const SamplingPair& means) {
  const auto at = [&](std::ptrdiff_t qy, std::ptrdiff_t qx) { return work.pixels.row(qy)[qx]; };
  const Gathered found(at, work.height, work.width, y, x, spacing, means);
  Pairs pairs(found);
  for (int i = 0; i < 9; ++i) {
    const std::ptrdiff_t qy = std::clamp<std::ptrdiff_t>(y + i / 3 - 1, 0, work.height - 1);
    const std::ptrdiff_t qx = std::clamp<std::ptrdiff_t>(x + i % 3 - 1, 0, work.width - 1);
    pairs.add_error(at(qy, qx), i == 4);
  }
  int best = 0;
  double least = HUGE_VAL;
  for (int i = 0; i < kSamplingPairs; ++i) {
    if (pairs.front[i]->square == 0 || pairs.back[i]->square == 0) continue;
    const double cost = found.cost(*pairs.front[i], *pairs.back[i], pairs.error[i], pairs.alpha[i]);
    if (cost < least) least = cost, best = i;
  }
  return {pairs.front[best]->pixel, pairs.back[best]->pixel};
}

void gather_tile(const SamplingImages& work, const SamplingPair& means, int spacing,
                 std::ptrdiff_t y0, std::ptrdiff_t x0) {
  for_unknown(work, y0, x0, [&](std::ptrdiff_t y, std::ptrdiff_t x) {
    if (y % spacing == 0 && x % spacing == 0)
      work.gathered.row(y)[x] = best_pair(work, y, x, spacing, means);
  });
}

// ---- Sharing -----------------------------------------------------------------------------------

void share_tile(const SamplingImages& work, int spacing, std::ptrdiff_t y0, std::ptrdiff_t x0) {
  constexpr int R = kSharingRadius;
  const int reach = R / spacing * spacing;
  // F - B, B, |F - B|^2, and 0 or, where there is no pair, infinity.
  static thread_local TilePlane<R> fr, fg, fb, br, bg, bb, square, none;
  std::fill_n(&none.data[0][0], sizeof(none.data) / sizeof(float), HUGE_VALF);
  for_surroundings<R>(work, y0, x0, [&](int y, int x) {
    const std::ptrdiff_t from_y = gathering_place(y0 + y, spacing);
    const std::ptrdiff_t from_x = gathering_place(x0 + x, spacing);
    if (work.pixels.row(from_y)[from_x].kind() != kSampleUnknown) return;
    const PairLine line(work.gathered.row(from_y)[from_x]);
    fr.row(y)[x] = line.r, fg.row(y)[x] = line.g, fb.row(y)[x] = line.b;
    br.row(y)[x] = line.back_r, bg.row(y)[x] = line.back_g, bb.row(y)[x] = line.back_b;
    square.row(y)[x] = line.square;
    none.row(y)[x] = 0.0f;
  });
  for (int y = 0; y < kT; ++y) {
    const TileRow row = unknown_in_row(work, y0 + y, x0);
    if (row.end == 0) continue;
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(kT, work.width - x0));
    float r[kT] = {}, g[kT] = {}, b[kT] = {};
    for (int x = 0; x < count; ++x) {
      const SamplingPixel p = work.pixels.row(y0 + y)[x0 + x];
      r[x] = static_cast<float>(p.r()), g[x] = static_cast<float>(p.g());
      b[x] = static_cast<float>(p.b());
    }
    // The best three and where they are from, the best first.
    static_assert(kSharedPairs == 3);
    float cost[3][kT];
    std::int32_t from[3][kT] = {};
    std::fill_n(&cost[0][0], 3 * kT, HUGE_VALF);
    for (int dy = -reach; dy <= reach; dy += spacing)
      for (int dx = -reach; dx <= reach; dx += spacing) {
        const auto at = [&](TilePlane<R>& plane) { return plane.row(y + dy) + dx; };
        const float *qfr = at(fr), *qfg = at(fg), *qfb = at(fb), *qbr = at(br), *qbg = at(bg),
                    *qbb = at(bb), *qd = at(square), *qnone = at(none);
        const std::int32_t offset = (dy + R) * (2 * R + 1) + dx + R;
        for (int x = 0; x < kT; ++x) {
          const float ir = r[x] - qbr[x], ig = g[x] - qbg[x], ib = b[x] - qbb[x];
          const float n = ir * qfr[x] + ig * qfg[x] + ib * qfb[x];
          const float error = fit_error(n, qd[x], ir * ir + ig * ig + ib * ib) + qnone[x];
          const float c0 = cost[0][x], c1 = cost[1][x], c2 = cost[2][x];
          const std::int32_t o0 = from[0][x], o1 = from[1][x], o2 = from[2][x];
          const bool in0 = error < c0, in1 = error < c1, in2 = error < c2;
          cost[0][x] = in0 ? error : c0;
          from[0][x] = in0 ? offset : o0;
          cost[1][x] = in0 ? c0 : in1 ? error : c1;
          from[1][x] = in0 ? o0 : in1 ? offset : o1;
          cost[2][x] = in1 ? c1 : in2 ? error : c2;
          from[2][x] = in1 ? o1 : in2 ? offset : o2;
        }
      }
    for (int x = row.begin; x < row.end; ++x) {
      const SamplingPixel p = work.pixels.row(y0 + y)[x0 + x];
      if (p.kind() != kSampleUnknown) continue;
      PairMean mean;
      for (int k = 0; k < kSharedPairs; ++k) {
        if (cost[k][x] == HUGE_VALF) break;
        const int dy = from[k][x] / (2 * R + 1) - R, dx = from[k][x] % (2 * R + 1) - R;
        mean.add(work.gathered.row(
            gathering_place(y0 + y + dy, spacing))[gathering_place(x0 + x + dx, spacing)]);
      }
      work.shared.row(y0 + y)[x0 + x] = mean.shared(p);
    }
  }
}

// ---- Smoothing ---------------------------------------------------------------------------------

void smooth_tile(const SamplingImages& work, const ImageView<float>& alpha,
                 const ImageView<float>& confidence, const SmoothingWeights& weights,
                 std::ptrdiff_t y0, std::ptrdiff_t x0) {
  constexpr int R = kSmoothingRadius;
  static thread_local TilePlane<R> planes[kSmoothingInputs];
  for (TilePlane<R>& plane : planes)
    std::fill_n(&plane.data[0][0], sizeof(plane.data) / sizeof(float), 0.0f);
  for_surroundings<R>(work, y0, x0, [&](int y, int x) {
    const SmoothingInput in(work.pixels.row(y0 + y)[x0 + x], work.shared.row(y0 + y)[x0 + x]);
    for (int i = 0; i < kSmoothingInputs; ++i) planes[i].row(y)[x] = in.value[i];
  });
  for (int y = 0; y < kT; ++y) {
    const TileRow row = unknown_in_row(work, y0 + y, x0);
    if (row.end == 0) continue;
    float sums[kSmoothingSums][kT] = {};
    const float* __restrict own = planes[kSmoothAlpha].row(y);
    for (int dy = -R; dy <= R; ++dy)
      for (int dx = -R; dx <= R; ++dx) {
        const float near = weights.near[(dy + R) * (2 * R + 1) + dx + R];
        const float same = dy == 0 && dx == 0 ? 1.0f : 0.0f;
        const float* q[kSmoothingInputs];
        for (int i = 0; i < kSmoothingInputs; ++i) q[i] = planes[i].row(y + dy) + dx;
        for (int x = 0; x < kT; ++x) {
          float values[kSmoothingInputs], sum[kSmoothingSums];
          for (int i = 0; i < kSmoothingInputs; ++i) values[i] = q[i][x];
          for (int i = 0; i < kSmoothingSums; ++i) sum[i] = sums[i][x];
          add_smoothing(own[x], values, near, same, sum);
          for (int i = 0; i < kSmoothingSums; ++i) sums[i][x] = sum[i];
        }
      }
    for (int x = row.begin; x < row.end; ++x) {
      const SamplingPixel p = work.pixels.row(y0 + y)[x0 + x];
      if (p.kind() != kSampleUnknown) continue;
      float sum[kSmoothingSums];
      for (int i = 0; i < kSmoothingSums; ++i) sum[i] = sums[i][x];
      const SmoothedAlpha result = smoothed_alpha(p, sum);
      alpha.row(y0 + y)[x0 + x] = result.alpha;
      if (confidence.data) confidence.row(y0 + y)[x0 + x] = result.confidence;
    }
  }
}

template <class T>
void sample_image(const ImageView<const T>& image, const ImageView<const std::uint8_t>& trimap,
                  const ImageView<float>& alpha, const ImageView<float>& confidence,
                  const SamplingOptions& options) {
  SamplingImages work(image.height, image.width);
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    pack_rows(image, trimap, alpha, work, begin, end);
    if (confidence.data)
      for (std::ptrdiff_t y = begin; y < end; ++y)
        std::fill_n(confidence.row(y), image.width, 1.0f);
  });
  const TileSums classes = survey(work);
  const ClassSums &front = classes.of[kSampleForeground], &back = classes.of[kSampleBackground];
  if (front.count == 0 || back.count == 0) {
    const OneSided only(front.count > 0, back.count > 0);
    for_tiles(work, [&](auto y0, auto x0) {
      for_unknown(work, y0, x0, [&](auto y, auto x) {
        alpha.row(y)[x] = only.alpha;
        if (confidence.data) confidence.row(y)[x] = only.confidence;
      });
    });
    return;
  }
  const ExpansionDisk disk = expansion_disk();
  for_tiles(work, [&](auto y0, auto x0) { expand_tile(work, alpha, disk, y0, x0); });
  for_tiles(work, [&](auto y0, auto x0) { take_expansion(work, alpha, y0, x0); });
  const SamplingPair means{front.mean(), back.mean()};
  for_tiles(work, [&](auto y0, auto x0) { gather_tile(work, means, options.spacing, y0, x0); });
  for_tiles(work, [&](auto y0, auto x0) { share_tile(work, options.spacing, y0, x0); });
  const SmoothingWeights weights = smoothing_weights();
  for_tiles(work, [&](auto y0, auto x0) { smooth_tile(work, alpha, confidence, weights, y0, x0); });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void sample_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                  ImageView<float> alpha, ImageView<float> confidence,
                  const SamplingOptions& options, Stream) {
  if (image.empty()) return;
  TRIMATTE_CALL(sample_image<T>)(image, trimap, alpha, confidence, options);
}

#define TRIMATTE_INSTANTIATE(T)                                                              \
  template void sample_alpha<DeviceKind::kCPU, T>(                                           \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<float>, ImageView<float>, \
      const SamplingOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

// Steadied alpha on the CPU: counts of some rows, then rows of differences, of their sums and of
// the largest sums, each kept for as long as the rows beside it need it.
#define TRIMATTE_THIS_FILE "cpu/stabilize.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/stabilize.hpp"

#if !defined(TRIMATTE_CPU_STABILIZE_SHARED)
#define TRIMATTE_CPU_STABILIZE_SHARED
namespace trimatte {

// The last three rows of something, with a column more at either end.
template <class S>
class ThreeRows {
 public:
  explicit ThreeRows(std::ptrdiff_t width)
      : stride_(width + 2), data_(static_cast<std::size_t>(3 * stride_)) {}
  S* at(std::ptrdiff_t row) { return data_.data() + row % 3 * stride_ + 1; }

 private:
  std::ptrdiff_t stride_;
  std::vector<S> data_;
};

// The columns beside a row are its ends again.
template <class S>
void repeat_ends(S* row, std::ptrdiff_t width) {
  row[-1] = row[0];
  row[width] = row[width - 1];
}

}  // namespace trimatte
#endif

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"

// Two stretches of a row, taken apart.
template <class T>
struct Pair {
  alignas(64) T now[4][kStrip];
  alignas(64) T before[4][kStrip];

  template <int C>
  void load(const T* from_now, const T* from_before, int count) {
    deinterleave<C, 3>(from_now, count, now);
    deinterleave<C, 3>(from_before, count, before);
  }
  int difference(int c, int i) const {
    return difference_level(now[c][i]) - difference_level(before[c][i]);
  }
};

template <int C, class T>
void count_row(const T* now, const T* before, std::ptrdiff_t width, Pair<T>& pair,
               StabilizeCounts& counts) {
  alignas(64) std::uint8_t change[kStrip], grain[kStrip];
  alignas(64) std::int16_t differences[3][kStrip];
  // Strips overlap by the pixel that is a neighbour only.
  for (std::ptrdiff_t x = 0; x + 1 < width; x += kStrip - 1) {
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(width - x, kStrip));
    pair.template load<C>(now + C * x, before + C * x, count);
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < count; ++i)
        differences[c][i] = static_cast<std::int16_t>(pair.difference(c, i));
    const std::int16_t *r = differences[0], *g = differences[1], *b = differences[2];
    for (int i = 0; i < count - 1; ++i) {
      change[i] = difference_bin(largest_magnitude(r[i], g[i], b[i]));
      grain[i] =
          difference_bin(largest_magnitude(r[i] - r[i + 1], g[i] - g[i + 1], b[i] - b[i + 1]));
    }
    for (int i = 0; i < count - 1; ++i) {
      ++counts.change[change[i]];
      ++counts.grain[grain[i]];
    }
  }
}

template <int C, class T>
StabilizeCounts count_rows(const ImageView<const T>& image, const ImageView<const T>& previous) {
  StabilizeCounts counts;
  std::mutex mutex;
  parallel_rows((image.height + kNoiseRows - 1) / kNoiseRows, image.width,
                [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                  StabilizeCounts part;
                  Pair<T> pair;
                  for (std::ptrdiff_t i = begin; i < end; ++i)
                    count_row<C>(image.row(i * kNoiseRows), previous.row(i * kNoiseRows),
                                 image.width, pair, part);
                  const std::lock_guard lock(mutex);
                  for (int i = 0; i < kDifferenceBins; ++i) {
                    counts.change[i] += part.change[i];
                    counts.grain[i] += part.grain[i];
                  }
                });
  return counts;
}

// Rows of the image, downwards: the largest sums of differences around each pixel.
template <int C, class T>
class Motion {
 public:
  Motion(const ImageView<const T>& image, const ImageView<const T>& previous, std::ptrdiff_t first)
      : image_(image),
        previous_(previous),
        width_(image.width),
        last_(image.height - 1),
        differences_(width_),
        sums_(width_),
        column_(static_cast<std::size_t>(width_ + 2)),
        largest_(static_cast<std::size_t>(width_)),
        next_difference_(std::max<std::ptrdiff_t>(first - 2, 0)),
        next_sum_(std::max<std::ptrdiff_t>(first - 1, 0)) {}

  // Of row y, which is the one after the last or the first.
  const std::uint16_t* row(std::ptrdiff_t y) {
    const std::ptrdiff_t above = std::max<std::ptrdiff_t>(y - 1, 0), below = std::min(y + 1, last_);
    for (; next_sum_ <= below; ++next_sum_) make_sums(next_sum_);
    const std::uint16_t *a = sums_.at(above), *b = sums_.at(y), *c = sums_.at(below);
    std::uint16_t* column = column_.data() + 1;
    for (std::ptrdiff_t x = 0; x < width_; ++x) column[x] = std::max(std::max(a[x], b[x]), c[x]);
    repeat_ends(column, width_);
    std::uint16_t* to = largest_.data();
    for (std::ptrdiff_t x = 0; x < width_; ++x)
      to[x] = std::max(std::max(column[x - 1], column[x]), column[x + 1]);
    return to;
  }

 private:
  void make_differences(std::ptrdiff_t y) {
    std::uint8_t* row = differences_.at(y);
    for_strips(width_, [&](std::ptrdiff_t x, int count) {
      pair_.template load<C>(image_.row(y) + C * x, previous_.row(y) + C * x, count);
      std::uint8_t* __restrict to = row + x;
      for (int i = 0; i < count; ++i)
        to[i] = difference_bin(largest_magnitude(pair_.difference(0, i), pair_.difference(1, i),
                                                 pair_.difference(2, i)));
    });
  }

  void make_sums(std::ptrdiff_t y) {
    const std::ptrdiff_t above = std::max<std::ptrdiff_t>(y - 1, 0), below = std::min(y + 1, last_);
    for (; next_difference_ <= below; ++next_difference_) make_differences(next_difference_);
    const std::uint8_t *a = differences_.at(above), *b = differences_.at(y),
                       *c = differences_.at(below);
    std::uint16_t* column = column_.data() + 1;
    for (std::ptrdiff_t x = 0; x < width_; ++x)
      column[x] = static_cast<std::uint16_t>(a[x] + b[x] + c[x]);
    repeat_ends(column, width_);
    std::uint16_t* to = sums_.at(y);
    for (std::ptrdiff_t x = 0; x < width_; ++x)
      to[x] = static_cast<std::uint16_t>(column[x - 1] + column[x] + column[x + 1]);
  }

  const ImageView<const T>&image_, &previous_;
  std::ptrdiff_t width_, last_;
  ThreeRows<std::uint8_t> differences_;
  ThreeRows<std::uint16_t> sums_;
  std::vector<std::uint16_t> column_, largest_;
  std::ptrdiff_t next_difference_, next_sum_;
  Pair<T> pair_;
};

// Not inlined: among the callers' choices compilers do not see that it is a plain loop.
template <class A>
[[gnu::noinline]] void blend_row(const A* __restrict alpha, const A* __restrict previous,
                                 const std::uint16_t* __restrict sums, int count,
                                 const StabilizeRule rule, A* __restrict out) {
  for (int i = 0; i < count; ++i)
    out[i] = stabilized_alpha(alpha[i], previous[i], rule.gain(sums[i]));
}

template <int C, class T, class A>
void stabilize_rows(const ImageView<const T>& image, const ImageView<const A>& alpha,
                    const ImageView<const T>& previous, const ImageView<const A>& previous_alpha,
                    const ImageView<A>& out, const StabilizeOptions& options) {
  const StabilizeRule rule =
      stabilize_rule(count_rows<C>(image, previous), kDifferenceSteps<T>, options);
  const bool stream = worth_streaming(out);
  constexpr std::ptrdiff_t kPixels = 1 << 18;  // four rows more than its own are read for a chunk
  parallel_rows(
      image.height, image.width,
      [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        Motion<C, T> motion(image, previous, begin);
        alignas(64) A buffer[kStrip];
        for (std::ptrdiff_t y = begin; y < end; ++y) {
          const std::uint16_t* sums = motion.row(y);
          for_strips(image.width, [&](std::ptrdiff_t x, int count) {
            A* to = out.row(y) + x;
            blend_row(alpha.row(y) + x, previous_alpha.row(y) + x, sums + x, count, rule,
                      stream ? buffer : to);
            if (stream) stream_out(to, buffer, count);
          });
        }
      },
      kPixels);
}

template <class T, class A>
void stabilize_image(const ImageView<const T>& image, const ImageView<const A>& alpha,
                     const ImageView<const T>& previous, const ImageView<const A>& previous_alpha,
                     const ImageView<A>& out, const StabilizeOptions& options) {
  image.channels == 3 ? stabilize_rows<3>(image, alpha, previous, previous_alpha, out, options)
                      : stabilize_rows<4>(image, alpha, previous, previous_alpha, out, options);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T, class A>
void stabilize_alpha(ImageView<const T> image, ImageView<const A> alpha,
                     ImageView<const T> previous, ImageView<const A> previous_alpha,
                     ImageView<A> out, const StabilizeOptions& options, Stream) {
  if (out.empty()) return;
  TRIMATTE_CALL(stabilize_image<T, A>)(image, alpha, previous, previous_alpha, out, options);
}

#define TRIMATTE_INSTANTIATE(T, A)                                                    \
  template void stabilize_alpha<DeviceKind::kCPU, T, A>(                              \
      ImageView<const T>, ImageView<const A>, ImageView<const T>, ImageView<const A>, \
      ImageView<A>, const StabilizeOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

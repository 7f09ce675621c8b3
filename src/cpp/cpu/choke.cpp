// Choke on the CPU. A row of the result at a time, in stretches that fit the L1 cache: minima of
// the rows around it, spread along the row by shifts (pixel/choke.hpp), about 3 radii of vector
// minima a pixel.
#define TRIMATTE_THIS_FILE "cpu/choke.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/choke.hpp"

TRIMATTE_TARGET_BEGIN

inline constexpr int kChokePixels = 4096;  // of a row at a time
inline constexpr int kChokeGuard = 2 * kLargestChoke;

// A stretch of a row, and as much on both sides as shifts reach.
template <class T>
struct ChokeRow {
  alignas(64) T samples[kChokePixels + 2 * kChokeGuard];
  T* at(std::ptrdiff_t x) { return samples + kChokeGuard + x; }
};

// The erosion of count pixels of row y from x on, by disks.
template <bool Spread, class T>
class Choker {
 public:
  explicit Choker(const ImageView<const T>& alpha) : alpha_(alpha) {}

  const T* run(std::ptrdiff_t y, std::ptrdiff_t x, int count, int radius) {
    // What the result depends on lies within the radius; beyond the image nothing counts.
    begin_ = -static_cast<int>(std::min<std::ptrdiff_t>(radius, x));
    end_ = count + static_cast<int>(std::min<std::ptrdiff_t>(radius, alpha_.width - x - count));
    from_ = -radius, to_ = count + radius;
    clear_outside(*now_, begin_, end_);
    clear_outside(*next_, from_, to_);
    std::memcpy(now_->at(begin_), alpha_.row(y) + x + begin_,
                static_cast<std::size_t>(end_ - begin_) * sizeof(T));
    for (int i = 1; i <= radius; ++i) {
      spread(choke_step(radius, i));
      take_rows(y, x, i);
    }
    return now_->at(0);
  }

 private:
  // As far as shifts reach.
  void clear_outside(ChokeRow<T>& row, int begin, int end) const {
    const int reach = -from_;
    std::fill(row.at(from_ - reach), row.at(begin), choke_outside<Spread, T>());
    std::fill(row.at(end), row.at(to_ + reach), choke_outside<Spread, T>());
  }

  void spread(int wanted) {
    for (int covered = 0; covered < wanted;) {
      const int shift = choke_shift(wanted, covered);
      const T* __restrict row = now_->at(0);
      T* __restrict out = next_->at(0);
      const int to = to_;  // bytes that are written might be a member's
      for (int x = from_; x < to; ++x)
        out[x] = choke_pick<Spread>(choke_pick<Spread>(row[x - shift], row[x + shift]), row[x]);
      std::swap(now_, next_);
      covered += shift;
    }
  }

  void take_rows(std::ptrdiff_t y, std::ptrdiff_t x, int distance) {
    const bool is_above = y >= distance, is_below = y + distance < alpha_.height;
    if (!is_above && !is_below) return;
    T* __restrict row = now_->at(0);
    const T* __restrict above = alpha_.row(is_above ? y - distance : y + distance) + x;
    const T* __restrict below = alpha_.row(is_below ? y + distance : y - distance) + x;
    const int end = end_;
    for (int i = begin_; i < end; ++i)
      row[i] = choke_pick<Spread>(row[i], choke_pick<Spread>(above[i], below[i]));
  }

  ImageView<const T> alpha_;
  ChokeRow<T> rows_[2];
  ChokeRow<T>*now_ = rows_, *next_ = rows_ + 1;
  int begin_ = 0, end_ = 0;  // inside the image
  int from_ = 0, to_ = 0;
};

template <bool Spread, class T>
void choke_rows(const ImageView<const T>& alpha, const ImageView<T>& out, const ChokeDisks& disks,
                std::ptrdiff_t begin, std::ptrdiff_t end) {
  Choker<Spread, T> choker(alpha);
  for (std::ptrdiff_t y = begin; y < end; ++y) {
    for (std::ptrdiff_t x = 0; x < out.width; x += kChokePixels) {
      const int count = static_cast<int>(std::min<std::ptrdiff_t>(kChokePixels, out.width - x));
      T* __restrict to = out.row(y) + x;
      std::memcpy(to, choker.run(y, x, count, disks.lower),
                  static_cast<std::size_t>(count) * sizeof(T));
      if (disks.upper == disks.lower) continue;
      const T* __restrict upper = choker.run(y, x, count, disks.upper);
      for (int i = 0; i < count; ++i) to[i] = choke_between(to[i], upper[i], disks.part);
    }
  }
}

template <class T>
void choke_image(const ImageView<const T>& alpha, const ImageView<T>& out,
                 const ChokeOptions& options) {
  const ChokeDisks disks = choke_disks(options);
  parallel_rows(out.height, out.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    options.radius < 0.0 ? choke_rows<true>(alpha, out, disks, begin, end)
                         : choke_rows<false>(alpha, out, disks, begin, end);
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void choke(ImageView<const T> alpha, ImageView<T> out, const ChokeOptions& options, Stream) {
  TRIMATTE_CALL(choke_image<T>)(alpha, out, options);
}

#define TRIMATTE_INSTANTIATE(T)                                                                   \
  template void choke<DeviceKind::kCPU, T>(ImageView<const T>, ImageView<T>, const ChokeOptions&, \
                                           Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

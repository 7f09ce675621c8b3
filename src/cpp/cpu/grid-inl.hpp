// A coarse grid's bilinear samples for a piece of a strip.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after cpu/strip-inl.hpp.

// Pieces are short: the planes of floats that a pixel's way takes stay in the L1 cache together,
// and do not fall on the same places of it.
inline constexpr int kPiece = 256;
inline constexpr int kLanes = 16;
typedef float PiecePlane[kPiece + kLanes];  // stretches are written by whole vectors

class StripGrid {
 public:
  // `cell` as for grid_scale; cells without data are none.
  StripGrid(const ImageView<const float>& cells, std::ptrdiff_t height, std::ptrdiff_t width,
            int cell)
      : cells_(cells) {
    if (!cells.data || width == 0 || height == 0) return;
    scale_x_ = grid_scale(cells.width, width, cell);
    scale_y_ = grid_scale(cells.height, height, cell);
    begins_.resize(static_cast<std::size_t>(cells.width) + 2);
    for (std::size_t j = 0; j < begins_.size(); ++j) {
      const double first = std::ceil((static_cast<double>(j) - 0.5) / scale_x_ - 0.5);
      begins_[j] = std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(first), 0, width);
    }
    begins_.back() = width;
  }

  bool empty() const { return !cells_.data; }

  // Calls body(i, end, start, slope) for stretches of the pixels from (y, x): channel c of pixel
  // x + i + n is start[c] + n * slope[c], up to `end`.
  template <int C, class Body>
  void for_stretches(std::ptrdiff_t y, std::ptrdiff_t x, int count, const Body& body) const {
    const auto row = grid_point(y, scale_y_, cells_.height);
    const float *top = cells_.row(row.low), *bottom = cells_.row(row.high);
    const auto down = static_cast<float>(row.t), step = static_cast<float>(scale_x_);
    const auto read = [&](std::ptrdiff_t column, float (&out)[C]) {
      const std::ptrdiff_t at = C * std::clamp<std::ptrdiff_t>(column, 0, cells_.width - 1);
      for (int c = 0; c < C; ++c) out[c] = mix(top[at + c], bottom[at + c], down);
    };
    std::ptrdiff_t j = stretch_of(x);
    float left[C], right[C], start[C], slope[C];
    read(j - 1, left);
    read(j, right);
    for (int i = 0; i < count;) {
      while (begins_[static_cast<std::size_t>(j) + 1] <= x + i) {
        std::copy(right, right + C, left);
        read(++j, right);
      }
      const std::ptrdiff_t next = begins_[static_cast<std::size_t>(j) + 1] - x;
      const int end = static_cast<int>(std::min<std::ptrdiff_t>(count, next));
      const double u = (static_cast<double>(x + i) + 0.5) * scale_x_ - 0.5;
      const auto t = static_cast<float>(u - static_cast<double>(j - 1));
      for (int c = 0; c < C; ++c) {
        start[c] = mix(left[c], right[c], t);
        slope[c] = (right[c] - left[c]) * step;
      }
      body(i, end, start, slope);
      i = end;
    }
  }

  // planes[c][i] = channel c at pixel (y, x + i), for up to kPiece of them.
  template <int C>
  void sample(std::ptrdiff_t y, std::ptrdiff_t x, int count, PiecePlane* planes) const {
    if (scale_x_ == 1.0 && x + count <= cells_.width) return copy<C>(y, x, count, planes);
    for_stretches<C>(y, x, count, [&](int i, int end, const float* start, const float* slope) {
      for (int c = 0; c < C; ++c)
        for (int from = i; from < end; from += kLanes) {
          float* __restrict out = planes[c] + from;
          const float base = start[c] + static_cast<float>(from - i) * slope[c];
          for (int n = 0; n < kLanes; ++n) out[n] = base + static_cast<float>(n) * slope[c];
        }
    });
  }

 private:
  // The same of a grid with a cell for every pixel.
  template <int C>
  void copy(std::ptrdiff_t y, std::ptrdiff_t x, int count, PiecePlane* planes) const {
    const auto row = grid_point(y, scale_y_, cells_.height);
    const float *top = cells_.row(row.low) + C * x, *bottom = cells_.row(row.high) + C * x;
    const auto down = static_cast<float>(row.t);
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < C; ++c) planes[c][i] = mix(top[C * i + c], bottom[C * i + c], down);
  }

  // Between the cells j - 1 and j; the first and the last lie outside of them all.
  std::ptrdiff_t stretch_of(std::ptrdiff_t x) const {
    const double u = (static_cast<double>(x) + 0.5) * scale_x_ - 0.5;
    return std::min(static_cast<std::ptrdiff_t>(u + 1.0), cells_.width);
  }

  ImageView<const float> cells_;
  double scale_x_ = 1.0, scale_y_ = 1.0;  // cells a pixel
  std::vector<std::ptrdiff_t> begins_;    // the first pixel of each stretch, and the width
};

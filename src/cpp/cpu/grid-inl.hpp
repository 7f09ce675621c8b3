// A coarse grid's bilinear samples for a piece of a strip.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after cpu/strip-inl.hpp.

// Pieces are short: the planes of floats that a pixel's way takes stay in the L1 cache together,
// and do not fall on the same places of it.
inline constexpr int kPiece = 256;
inline constexpr int kLanes = 16;
typedef float PiecePlane[kPiece + kLanes];  // stretches are written by whole vectors

// Walks a row piece by piece: body(first pixel, pixel count).
template <class Body>
inline void for_pieces(std::ptrdiff_t width, const Body& body) {
  for (std::ptrdiff_t x = 0; x < width; x += kPiece)
    body(x, static_cast<int>(width - x < kPiece ? width - x : kPiece));
}

struct StripGrid {
  ImageView<const float> cells;
  double scale_x, scale_y;  // cells a pixel

  // Calls body(i, end, start, slope) for stretches of the pixels from (y, x): channel c of pixel
  // x + i + n is start[c] + n * slope[c], up to `end`.
  template <int C, class Body>
  void for_stretches(std::ptrdiff_t y, std::ptrdiff_t x, int count, const Body& body) const {
    const auto row = grid_point(y, scale_y, cells.height);
    const float *top = cells.row(row.low), *bottom = cells.row(row.high);
    const auto down = static_cast<float>(row.t);
    for (int i = 0; i < count;) {
      const auto at = grid_point(x + i, scale_x, cells.width);
      const int end = std::max(i + 1, std::min(count, stretch_end(x + i) - static_cast<int>(x)));
      float start[C], slope[C];
      for (int c = 0; c < C; ++c) {
        const float left = mix(top[C * at.low + c], bottom[C * at.low + c], down);
        const float right = mix(top[C * at.high + c], bottom[C * at.high + c], down);
        start[c] = mix(left, right, static_cast<float>(at.t));
        slope[c] = (right - left) * static_cast<float>(scale_x);
      }
      body(i, end, start, slope);
      i = end;
    }
  }

  // planes[c][i] = channel c at pixel (y, x + i), for up to kPiece of them.
  template <int C>
  void sample(std::ptrdiff_t y, std::ptrdiff_t x, int count, PiecePlane* planes) const {
    if (scale_x == 1.0 && x + count <= cells.width) return copy<C>(y, x, count, planes);
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
    const auto row = grid_point(y, scale_y, cells.height);
    const float *top = cells.row(row.low) + C * x, *bottom = cells.row(row.high) + C * x;
    for (int c = 0; c < C; ++c)
      for (int i = 0; i < count; ++i)
        planes[c][i] = mix(top[C * i + c], bottom[C * i + c], static_cast<float>(row.t));
  }

  // The first pixel behind `x` with another pair of neighbours.
  int stretch_end(std::ptrdiff_t x) const {
    const double next = std::floor((static_cast<double>(x) + 0.5) * scale_x - 0.5) + 1.5;
    return static_cast<int>(std::ceil(next / scale_x - 0.5));
  }
};

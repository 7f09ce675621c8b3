// A coarse grid's bilinear samples for a piece of a strip.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after cpu/strip-inl.hpp.

// Pieces are short: the planes of floats that a pixel's way takes stay in the L1 cache together,
// and do not fall on the same places of it.
inline constexpr int kPiece = 256;
inline constexpr int kLanes = 16;
typedef float PiecePlane[kPiece + kLanes];  // stretches are written by whole vectors

struct StripGrid {
  ImageView<const float> cells;
  double scale_x, scale_y;  // cells a pixel

  // planes[c][i] = channel c at pixel (y, x + i).
  template <int C>
  void sample(std::ptrdiff_t y, std::ptrdiff_t x, int count, PiecePlane* planes) const {
    const auto row = grid_point(y, scale_y, cells.height);
    const float *top = cells.row(row.low), *bottom = cells.row(row.high);
    const auto column = [&](std::ptrdiff_t i, float* out) {
      for (int c = 0; c < C; ++c)
        out[c] = mix(top[C * i + c], bottom[C * i + c], static_cast<float>(row.t));
    };
    if (scale_x == 1.0 && x + count <= cells.width) {  // a plate of the image's own size
      for (int i = 0; i < count; ++i)
        for (int c = 0; c < C; ++c)
          planes[c][i] =
              mix(top[C * (x + i) + c], bottom[C * (x + i) + c], static_cast<float>(row.t));
      return;
    }
    for (int i = 0; i < count;) {
      const auto at = grid_point(x + i, scale_x, cells.width);
      float left[C], right[C];
      column(at.low, left);
      column(at.high, right);
      const int end = std::max(i + 1, std::min(count, stretch_end(x + i) - static_cast<int>(x)));
      ramp<C>(left, right, static_cast<float>(at.t), end - i, planes, i);
      i = end;
    }
  }

 private:
  // The first pixel behind `x` with another pair of neighbours.
  int stretch_end(std::ptrdiff_t x) const {
    const double next = std::floor((static_cast<double>(x) + 0.5) * scale_x - 0.5) + 1.5;
    return static_cast<int>(std::ceil(next / scale_x - 0.5));
  }

  template <int C>
  void ramp(const float* left, const float* right, float t, int count, PiecePlane* planes,
            int first) const {
    const float step = static_cast<float>(scale_x);
    for (int c = 0; c < C; ++c) {
      const float slope = (right[c] - left[c]) * step, start = mix(left[c], right[c], t);
      float* __restrict out = planes[c] + first;
      for (int from = 0; from < count; from += kLanes) {
        const float base = start + static_cast<float>(from) * slope;
        for (int i = 0; i < kLanes; ++i) out[from + i] = base + static_cast<float>(i) * slope;
      }
    }
  }
};

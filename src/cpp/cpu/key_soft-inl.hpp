// Soft chroma keys of a strip, piece by piece.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after cpu/strip-inl.hpp and cpu/grid-inl.hpp.

template <class T>
inline float light_of(T sample, bool linear) {
  const float v = to_unit(sample);
  return linear ? quick_srgb_to_linear(v) : v;
}

// Of `count` pixels from `first`.
template <class T>
inline void to_light(const T (*planes)[kStrip], int first, int count, bool linear,
                     PiecePlane* light) {
  for (int c = 0; c < 3; ++c) {
    const T* __restrict from = planes[c] + first;
    float* __restrict to = light[c];
    if (linear) {
      for (int i = 0; i < count; ++i) to[i] = light_of(from[i], true);
    } else {
      for (int i = 0; i < count; ++i) to[i] = light_of(from[i], false);
    }
  }
}

// Alpha of the pixels of a strip, by whichever method.
template <class T>
class SoftKeyStrip {
 public:
  SoftKeyStrip(const ImageView<const T>& image, const ImageView<const float>& cells,
               const SoftKeyOptions& options)
      : image_(image),
        method_(options.method),
        rule_(soft_key_rule(options)),
        grid_(cells, image.height, image.width, options.cell) {}

  // `planes` are the image's at (y, x).
  void operator()(std::ptrdiff_t y, std::ptrdiff_t x, int count, const T (*planes)[kStrip],
                  float* alpha) const {
    for (int i = 0; i < count; i += kPiece)
      piece(y, x + i, i, std::min(kPiece, count - i), planes, alpha + i);
  }

 private:
  // Of `count` pixels from (y, x), which are those from `first` in the planes.
  void piece(std::ptrdiff_t y, std::ptrdiff_t x, int first, int count, const T (*planes)[kStrip],
             float* alpha) const {
    if (method_ == SoftKeyMethod::kFfmpeg) return ffmpeg(y, x, count, alpha);
    if (method_ == SoftKeyMethod::kObs) return obs(y, x, count, alpha);
    alignas(64) PiecePlane light[3];
    to_light(planes, first, count, rule_.linear, light);
    if (method_ == SoftKeyMethod::kPlate) return plate(y, x, count, light, alpha);
    vlahos(y, x, count, light, alpha);
  }

  void vlahos(std::ptrdiff_t y, std::ptrdiff_t x, int count, const PiecePlane* light,
              float* __restrict alpha) const {
    const SoftKeyRule rule = rule_;
    const float* __restrict k = light[rule.k];
    const float* __restrict a = light[rule.a];
    const float* __restrict b = light[rule.b];
    if (grid_.empty()) {
      for (int i = 0; i < count; ++i) alpha[i] = vlahos_alpha(k[i], a[i], b[i], rule.inverse, rule);
      return;
    }
    alignas(64) PiecePlane screen[3];
    grid_.template sample<3>(y, x, count, screen);
    const float* __restrict sk = screen[rule.k];
    const float* __restrict sa = screen[rule.a];
    const float* __restrict sb = screen[rule.b];
    for (int i = 0; i < count; ++i)
      alpha[i] = vlahos_alpha(k[i], a[i], b[i], inverse_difference(sk[i], sa[i], sb[i]), rule);
  }

  void plate(std::ptrdiff_t y, std::ptrdiff_t x, int count, const PiecePlane* light,
             float* alpha) const {
    grid_.template for_stretches<4>(y, x, count,
                                    [&](int i, int end, const float* start, const float* slope) {
                                      plate_stretch(light[0] + i, light[1] + i, light[2] + i,
                                                    end - i, start, slope, rule_, alpha + i);
                                    });
  }

  // The models stay in registers: planes of them would take longer than the key.
  static void plate_stretch(const float* __restrict r, const float* __restrict g,
                            const float* __restrict b, int count, const float* start,
                            const float* slope, const SoftKeyRule& given, float* __restrict alpha) {
    const SoftKeyRule rule = given;
    const float s0 = start[0], s1 = start[1], s2 = start[2], s3 = start[3];
    const float d0 = slope[0], d1 = slope[1], d2 = slope[2], d3 = slope[3];
    for (int i = 0; i < count; ++i) {
      const auto n = static_cast<float>(i);
      alpha[i] =
          plate_alpha(r[i], g[i], b[i], s0 + n * d0, s1 + n * d1, s2 + n * d2, s3 + n * d3, rule);
    }
  }

  // Chromas of a row, with one pixel more on each side; the image's borders go on outward.
  struct ChromaRow {
    alignas(64) float u[kPiece + 2], v[kPiece + 2];
    Chroma at(int i) const { return {u[i], v[i]}; }
  };
  void chromas(std::ptrdiff_t y, std::ptrdiff_t x, int count, ChromaRow& row) const {
    alignas(64) T planes[3][kStrip];
    alignas(64) PiecePlane light[3];
    const std::ptrdiff_t held = std::clamp<std::ptrdiff_t>(y, 0, image_.height - 1);
    const T* pixels = image_.row(held);
    image_.channels == 3 ? deinterleave<3, 3>(pixels + 3 * x, count, planes)
                         : deinterleave<4, 3>(pixels + 4 * x, count, planes);
    to_light(planes, 0, count, rule_.linear, light);
    const ChromaWeights w = rule_.chroma;
    float* __restrict u = row.u + 1;
    float* __restrict v = row.v + 1;
    for (int i = 0; i < count; ++i) {
      const Chroma c = chroma_of(light[0][i], light[1][i], light[2][i], w);
      u[i] = c.u;
      v[i] = c.v;
    }
    const auto put = [&](int i, std::ptrdiff_t column) {
      const T* p =
          pixels + image_.channels * std::clamp<std::ptrdiff_t>(column, 0, image_.width - 1);
      const bool linear = rule_.linear;
      const Chroma c =
          chroma_of(light_of(p[0], linear), light_of(p[1], linear), light_of(p[2], linear), w);
      row.u[i] = c.u;
      row.v[i] = c.v;
    };
    put(0, x - 1);
    put(count + 1, x + count);
  }

  void ffmpeg(std::ptrdiff_t y, std::ptrdiff_t x, int count, float* __restrict alpha) const {
    ChromaRow row;
    alignas(64) float sums[kPiece + 2] = {};
    for (int dy = -1; dy <= 1; ++dy) {
      chromas(y + dy, x, count, row);
      for (int i = 0; i < count + 2; ++i) sums[i] += length_of(row.at(i));
    }
    const SoftKeyRule rule = rule_;
    for (int i = 0; i < count; ++i)
      alpha[i] = ffmpeg_alpha(sums[i] + sums[i + 1] + sums[i + 2], rule);
  }

  void obs(std::ptrdiff_t y, std::ptrdiff_t x, int count, float* __restrict alpha) const {
    ChromaRow above, own, below;
    chromas(y - 1, x, count, above);
    chromas(y, x, count, own);
    chromas(y + 1, x, count, below);
    const SoftKeyRule rule = rule_;
    for (int i = 0; i < count; ++i) {
      const float taps = tap_distance(above.at(i), own.at(i)) +
                         tap_distance(own.at(i + 2), below.at(i + 2)) +
                         tap_distance(below.at(i), below.at(i + 1)) +
                         tap_distance(above.at(i + 1), above.at(i + 2));
      alpha[i] = obs_alpha(taps, length_of(own.at(i + 1)), rule);
    }
  }

  ImageView<const T> image_;
  SoftKeyMethod method_;
  SoftKeyRule rule_;
  StripGrid grid_;
};

// The alpha solver's operator on one level: loads and sums over blocks, the matting Laplacian as a
// stencil, and the linear models of the windows.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, once per instruction set (no include guard),
// after cpu/matting_levels.hpp.

// kLanes floats, one of each pixel of a block.
typedef float FloatLanes __attribute__((vector_size(64)));
typedef float StoredFloatLanes __attribute__((vector_size(64), aligned(4), may_alias));
#define ALWAYS_INLINE inline __attribute__((always_inline))

ALWAYS_INLINE FloatLanes load(const float* p) {
  return *reinterpret_cast<const StoredFloatLanes*>(p);
}
ALWAYS_INLINE void store(float* p, FloatLanes v) {
  *reinterpret_cast<StoredFloatLanes*>(p) = v;
}

constexpr std::ptrdiff_t kChunk = 256;  // blocks a chunk

// body(position in the list, block) over a list of blocks.
template <class Body>
void for_blocks(const std::vector<std::int32_t>& blocks, const Body& body) {
  parallel_for(static_cast<std::ptrdiff_t>(blocks.size()), kChunk,
               [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                 for (std::ptrdiff_t i = begin; i < end; ++i)
                   body(i, blocks[static_cast<std::size_t>(i)]);
               });
}

void clear(const std::vector<std::int32_t>& blocks, float* v) {
  for (const std::int32_t b : blocks) store(v + b * std::ptrdiff_t{kLanes}, FloatLanes{});
}

// Sum of term(block) (16 lanes) over the core blocks; the order of summation is fixed.
template <class Term>
double sum_core(const Level& level, const Term& term) {
  const auto count = static_cast<std::ptrdiff_t>(level.core.size());
  std::vector<double> partial(static_cast<std::size_t>((count + kChunk - 1) / kChunk));
  parallel_for(count, kChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    double sum = 0.0;
    for (std::ptrdiff_t i = begin; i < end;
         i += 16) {  // float inside a short run, double across runs
      FloatLanes run{};
      for (std::ptrdiff_t k = i; k < std::min(i + 16, end); ++k)
        run += term(level.core[static_cast<std::size_t>(k)]);
      float total = 0.0f;
      for (int lane = 0; lane < kLanes; ++lane) total += run[lane];
      sum += static_cast<double>(total);
    }
    partial[static_cast<std::size_t>(begin / kChunk)] = sum;
  });
  double sum = 0.0;
  for (const double p : partial) sum += p;
  return sum;
}

double dot(const Level& level, const float* a, const float* b) {
  return sum_core(level, [=](std::int32_t block) {
    return load(a + block * std::ptrdiff_t{kLanes}) * load(b + block * std::ptrdiff_t{kLanes});
  });
}

// ---------------------------------------------------------------------------------------------
// The operator

struct Rows {  // lane offsets of a block and those two above and below
  std::ptrdiff_t up2, up1, here, down1, down2;
};

ALWAYS_INLINE Rows rows_of(const Level& level, std::int32_t block) {
  const std::int32_t up = level.up[static_cast<std::size_t>(block)];
  const std::int32_t down = level.down[static_cast<std::size_t>(block)];
  constexpr std::ptrdiff_t n = kLanes;
  return {level.up[static_cast<std::size_t>(up)] * n, up * n, block * n, down * n,
          level.down[static_cast<std::size_t>(down)] * n};
}

ALWAYS_INLINE FloatLanes box_sum(const Rows& at, const float* v) {
  FloatLanes sum{};
#pragma GCC unroll 3
  for (int dx = -1; dx <= 1; ++dx)
    sum += load(v + at.up1 + dx) + load(v + at.here + dx) + load(v + at.down1 + dx);
  return sum;
}

// (A v) of one block: 25 products a pixel. Rows of known pixels have values as well.
ALWAYS_INLINE FloatLanes apply_rows(const Level& level, std::int32_t block, const float* v) {
  const Rows at = rows_of(level, block);
  const float* c = level.stencil;
  const std::size_t n = level.lanes();
  FloatLanes sum = load(c + at.here) * load(v + at.here);
  sum += load(c + n + at.here) * load(v + at.here + 1);
  sum += load(c + n + at.here - 1) * load(v + at.here - 1);
  sum += load(c + 2 * n + at.here) * load(v + at.here + 2);
  sum += load(c + 2 * n + at.here - 2) * load(v + at.here - 2);
  FloatLanes far{};
#pragma GCC unroll 5
  for (int dx = -2; dx <= 2; ++dx) {
    const float* near_plane = c + static_cast<std::size_t>(matting_offset_index(1, dx)) * n;
    const float* far_plane = c + static_cast<std::size_t>(matting_offset_index(2, dx)) * n;
    sum += load(near_plane + at.here) * load(v + at.down1 + dx);
    far += load(near_plane + at.up1 - dx) * load(v + at.up1 - dx);
    sum += load(far_plane + at.here) * load(v + at.down2 + dx);
    far += load(far_plane + at.up2 - dx) * load(v + at.up2 - dx);
  }
  return sum + far;
}

ALWAYS_INLINE FloatLanes apply_block(const Level& level, std::int32_t block, const float* v) {
  return apply_rows(level, block, v) * load(level.unknown_mask + block * std::ptrdiff_t{kLanes});
}

ALWAYS_INLINE FloatLanes absolute(FloatLanes v) {
  return v < 0.0f ? -v : v;
}

void apply(const Level& level, const float* v, float* out) {
  for_blocks(level.core, [&](auto, std::int32_t b) {
    store(out + b * std::ptrdiff_t{kLanes}, apply_block(level, b, v));
  });
}

// out = b - A x
void residual(const Level& level, const float* b, const float* x, float* out) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(out + at, load(b + at) - apply_block(level, block, x));
  });
}

// ---------------------------------------------------------------------------------------------
// Set-up of the windows

// 16 windows side by side, centred on the lanes of one block.
struct Window {
  FloatLanes color[9][3];  // less the mean; once factored, L^-1 times that
  FloatLanes mean[3];      // less the centre pixel's colour
  FloatLanes valid;        // 1 where the window lies within the image
};

ALWAYS_INLINE void load_windows(const Level& level, std::int32_t block, Window& w) {
  const Rows at = rows_of(level, block);
  const std::ptrdiff_t row[3] = {at.up1, at.here, at.down1};
  const auto k = static_cast<std::size_t>(block);
  const std::ptrdiff_t x0 = level.x[k] * std::ptrdiff_t{kLanes}, y = level.y[k];
  const bool row_valid = y >= 1 && y <= level.height - 2;
  for (int i = 0; i < kLanes; ++i)
    w.valid[i] = row_valid && x0 + i >= 1 && x0 + i <= level.width - 2 ? 1.0f : 0.0f;
  for (int c = 0; c < 3; ++c) {
    const float* image = level.image[c];
    const FloatLanes centre = load(image + at.here);
    FloatLanes sum{};
#pragma GCC unroll 9
    for (int q = 0; q < 9; ++q) {
      w.color[q][c] = load(image + row[q / 3] + q % 3 - 1) - centre;
      sum += w.color[q][c];
    }
    w.mean[c] = sum * (1.0f / 9.0f);
#pragma GCC unroll 9
    for (int q = 0; q < 9; ++q) w.color[q][c] -= w.mean[c];
  }
}

ALWAYS_INLINE FloatLanes square_root(FloatLanes v) {
  for (int i = 0; i < kLanes; ++i) v[i] = std::sqrt(v[i]);
  return v;
}

// Adds the windows centred on one block to the stencil.
void add_windows(Level& level, std::int32_t block, float epsilon) {
  Window w;
  load_windows(level, block, w);
  const ColorFactor<FloatLanes> factor = factor_window(w.color, epsilon / 9.0f);
  const Rows at = rows_of(level, block);
  const std::ptrdiff_t row[3] = {at.up1, at.here, at.down1};
  // Only windows that touch an unknown pixel count; the others would write outside of the band.
  const FloatLanes active = box_sum(at, level.unknown_mask) > 0.0f ? w.valid : FloatLanes{};
  const FloatLanes third = active * (1.0f / 3.0f);
  const FloatLanes scale[3] = {square_root(factor.i0) * third, square_root(factor.i1) * third,
                               square_root(factor.i2) * third};
#pragma GCC unroll 9
  for (int q = 0; q < 9; ++q)
    for (int c = 0; c < 3; ++c) w.color[q][c] *= scale[c];
  const std::size_t n = level.lanes();
  const FloatLanes beside = active * (-1.0f / 9.0f), centre = active + beside;
  // Columns last: the same place of a plane is not loaded again right after it was stored.
#pragma GCC unroll 3
  for (int column = 0; column < 3; ++column)
#pragma GCC unroll 3
    for (int p = column; p < 9; p += 3)
#pragma GCC unroll 9
      for (int q = p; q < 9; ++q) {
        const int d = matting_offset_index(q / 3 - p / 3, q % 3 - p % 3);
        float* plane = level.stencil + static_cast<std::size_t>(d) * n + row[p / 3] + column - 1;
        store(plane, load(plane) + (p == q ? centre : beside) - w.color[p][0] * w.color[q][0] -
                         w.color[p][1] * w.color[q][1] - w.color[p][2] * w.color[q][2]);
      }
}

// Cuts image and trimap of a level into its blocks.
template <class T>
void fill_blocks(Level& level, const DenseLevel& dense, const ImageView<const T>& image) {
  const std::size_t n = level.lanes();
  for (Plane& plane : level.image) plane = level.arena.take_unset(n);
  level.unknown_mask = level.arena.take_unset(n);
  level.known = level.arena.take_unset(n);
  Plane* const planes[] = {&level.image[0], &level.image[1], &level.image[2], &level.unknown_mask,
                           &level.known};
  const int channels = image.channels;
  parallel_for(level.blocks, kChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t b = begin; b < end; ++b) {
      const auto k = static_cast<std::size_t>(b);
      const std::ptrdiff_t y = level.y[k], x0 = level.x[k] * std::ptrdiff_t{kLanes};
      const std::ptrdiff_t count =
          y < 0 || x0 < 0 ? 0 : std::clamp<std::ptrdiff_t>(level.width - x0, 0, kLanes);
      if (count < kLanes)
        for (Plane* plane : planes) store(*plane + b * kLanes, FloatLanes{});
      if (count == 0) continue;
      const std::uint8_t* classes = dense.trimap.data() + y * dense.width + x0;
      const T* pixels = image.row(y) + x0 * channels;
      for (std::ptrdiff_t i = 0; i < count; ++i) {
        const std::ptrdiff_t at = b * kLanes + i;
        level.unknown_mask[at] = classes[i] == kTrimapUnknown ? 1.0f : 0.0f;
        level.known[at] = classes[i] == kTrimapForeground ? 1.0f : 0.0f;
        for (int c = 0; c < 3; ++c) level.image[c][at] = to_unit(pixels[i * channels + c]);
      }
    }
  });
}

// A vector of the iterations: unset on the core blocks, zero elsewhere.
Plane take_vector(Level& level) {
  const Plane plane = level.arena.take_unset(level.lanes());
  clear(level.off_core, plane);
  return plane;
}

// The stencil of a level, from the windows of all stored pixels.
void build_stencil(Level& level, float epsilon) {
  level.stencil = level.arena.take(level.lanes(), kMattingOffsets);
  for (Plane* v : {&level.inverse_diagonal, &level.rhs, &level.solution, &level.r, &level.z,
                   &level.p, &level.q, &level.old, &level.direction, &level.product})
    *v = take_vector(level);
  // Bands of rows: a window writes one row beyond its band, so even bands go first, then odd ones.
  const auto bands = static_cast<std::ptrdiff_t>(level.wide_bands.size()) - 1;
  for (int parity = 0; parity < 2; ++parity)
    parallel_for((bands + 1 - parity) / 2, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      for (std::ptrdiff_t i = begin; i < end; ++i) {
        const auto band = static_cast<std::size_t>(2 * i + parity);
        for (auto k = level.wide_bands[band]; k < level.wide_bands[band + 1]; ++k)
          add_windows(level, level.wide[static_cast<std::size_t>(k)], epsilon);
      }
    });
}

// What follows from who is known: the right-hand side and the diagonal of the preconditioner.
void finish_operator(Level& level) {
  // Known pixels go to the right-hand side. D is the row sums of absolute values over the unknown
  // ones: D^-1 A has no eigenvalue above 1 with it, whatever the image.
  for_blocks(level.core, [&](auto, std::int32_t b) {
    const Rows rows = rows_of(level, b);
    const std::ptrdiff_t ahead[3] = {rows.here, rows.down1, rows.down2},
                         behind[3] = {rows.here, rows.up1, rows.up2};
    FloatLanes known{}, sum{};
    const auto add = [&](FloatLanes coefficient, std::ptrdiff_t at) {
      known += coefficient * load(level.known + at);
      sum += absolute(coefficient) * load(level.unknown_mask + at);
    };
    add(load(level.stencil + rows.here), rows.here);
#pragma GCC unroll 12
    for (int d = 1; d < kMattingOffsets; ++d) {
      const float* plane = level.stencil + static_cast<std::size_t>(d) * level.lanes();
      const int dy = matting_offset_dy(d), dx = matting_offset_dx(d);
      add(load(plane + rows.here), ahead[dy] + dx);
      add(load(plane + behind[dy] - dx), behind[dy] - dx);
    }
    const FloatLanes mask = load(level.unknown_mask + rows.here);
    store(level.rhs + rows.here, -known * mask);
    store(level.inverse_diagonal + rows.here, mask / (sum > 1e-6f ? sum : FloatLanes{} + 1e-6f));
  });
}

// The linear models of a coarse level, for the finer one.
void build_models(Level& level, float epsilon) {
  const auto take = [&](Plane& plane) {
    plane = level.arena.take_unset(level.lanes());
    clear(level.off_wide, plane);
  };
  for (Plane& plane : level.factor) take(plane);
  for (Plane& plane : level.mean) take(plane);
  for (Plane& plane : level.model) take(plane);
  for (Plane& plane : level.smooth) take(plane);
  take(level.window_valid);
  take(level.window_weight);
  for_blocks(level.wide, [&](auto, std::int32_t b) {
    Window w;
    load_windows(level, b, w);
    const ColorFactor<FloatLanes> factor = factor_window(w.color, epsilon / 9.0f);
    const auto k = static_cast<std::size_t>(b);
    const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes}, y = level.y[k];
    const FloatLanes parts[6] = {factor.l10, factor.l20, factor.l21,
                                 factor.i0,  factor.i1,  factor.i2};
    for (int j = 0; j < 6; ++j) store(level.factor[j] + at, parts[j]);
    for (int c = 0; c < 3; ++c) store(level.mean[c] + at, w.mean[c] + load(level.image[c] + at));
    store(level.window_valid + at, w.valid);
    FloatLanes weight{};
    for (int i = 0; i < kLanes; ++i) {
      const std::ptrdiff_t x = level.x[k] * std::ptrdiff_t{kLanes} + i;
      const int count = x < level.width ? matting_windows_over(x, level.width) *
                                              matting_windows_over(y, level.height)
                                        : 0;
      weight[i] = count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
    }
    store(level.window_weight + at, weight);
  });
}

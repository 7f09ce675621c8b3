// The alpha solver between levels: models carried up and residuals carried down, smoothing,
// V-cycles and conjugate gradients.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, once per instruction set (no include guard),
// after cpu/matting_operator-inl.hpp.

ALWAYS_INLINE FloatLanes box_sum(const Rows& at, const float* v, const float* weight) {
  FloatLanes sum{};
#pragma GCC unroll 3
  for (int dx = -1; dx <= 1; ++dx)
    sum += load(v + at.up1 + dx) * load(weight + at.up1 + dx) +
           load(v + at.here + dx) * load(weight + at.here + dx) +
           load(v + at.down1 + dx) * load(weight + at.down1 + dx);
  return sum;
}

ALWAYS_INLINE void solve_windows(const Level& level, std::ptrdiff_t at, FloatLanes& q0,
                                 FloatLanes& q1, FloatLanes& q2) {
  const FloatLanes l10 = load(level.factor[0] + at), l20 = load(level.factor[1] + at);
  const FloatLanes l21 = load(level.factor[2] + at);
  q1 -= l10 * q0;
  q2 -= l20 * q0 + l21 * q1;
  q2 *= load(level.factor[5] + at);
  q1 = q1 * load(level.factor[4] + at) - l21 * q2;
  q0 = q0 * load(level.factor[3] + at) - l10 * q1 - l20 * q2;
}

// Fits v by linear models in the windows of a coarse level, and averages them: level.smooth.
void fit_models(Level& level, const float* v) {
  constexpr float kNinth = 1.0f / 9.0f;
  for_blocks(level.wide, [&](auto, std::int32_t b) {
    const Rows at = rows_of(level, b);
    const FloatLanes mean = box_sum(at, v) * kNinth;
    const FloatLanes mu0 = load(level.mean[0] + at.here), mu1 = load(level.mean[1] + at.here);
    const FloatLanes mu2 = load(level.mean[2] + at.here);
    FloatLanes a0 = box_sum(at, v, level.image[0]) * kNinth - mu0 * mean;
    FloatLanes a1 = box_sum(at, v, level.image[1]) * kNinth - mu1 * mean;
    FloatLanes a2 = box_sum(at, v, level.image[2]) * kNinth - mu2 * mean;
    solve_windows(level, at.here, a0, a1, a2);
    const FloatLanes valid = load(level.window_valid + at.here);
    store(level.model[0] + at.here, a0 * valid);
    store(level.model[1] + at.here, a1 * valid);
    store(level.model[2] + at.here, a2 * valid);
    store(level.model[3] + at.here, (mean - a0 * mu0 - a1 * mu1 - a2 * mu2) * valid);
  });
  for_blocks(level.wide, [&](auto, std::int32_t b) {
    const Rows at = rows_of(level, b);
    const FloatLanes weight = load(level.window_weight + at.here);
    for (int j = 0; j < 4; ++j)
      store(level.smooth[j] + at.here, box_sum(at, level.model[j]) * weight);
  });
}

// One plane of a coarse level at the 16 pixels of a fine block.
ALWAYS_INLINE FloatLanes interpolate(const float* plane, std::ptrdiff_t near_row,
                                     std::ptrdiff_t far_row, float near_y, float far_y,
                                     FloatLanes near_x, FloatLanes far_x) {
  const FloatLanes mixed = near_y * load(plane + near_row - 1) + far_y * load(plane + far_row - 1);
  const FloatLanes near =
      __builtin_shufflevector(mixed, mixed, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8);
  const FloatLanes far =
      __builtin_shufflevector(mixed, mixed, 0, 2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 8, 7, 9);
  return near_x * near + far_x * far;
}

// out(block offset, value of the coarse models on the finer image) for every core block.
template <class Out>
void evaluate_models(const Level& fine, const Level& coarse, const Out& out) {
  for_blocks(fine.core, [&](std::ptrdiff_t position, std::int32_t b) {
    const auto k = static_cast<std::size_t>(b);
    const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes};
    const auto y = static_cast<std::size_t>(fine.y[k] + kLanes);
    const std::size_t x = static_cast<std::size_t>(fine.x[k] + 1) * kLanes;
    const FloatLanes near_x = load(fine.near_x.data() + x), far_x = load(fine.far_x.data() + x);
    const float near_y = fine.near_y[y], far_y = fine.far_y[y];
    const std::ptrdiff_t near = fine.coarse_near[static_cast<std::size_t>(position)];
    const std::ptrdiff_t far = fine.coarse_far[static_cast<std::size_t>(position)];
    FloatLanes value = interpolate(coarse.smooth[3], near, far, near_y, far_y, near_x, far_x);
    for (int c = 0; c < 3; ++c)
      value += interpolate(coarse.smooth[c], near, far, near_y, far_y, near_x, far_x) *
               load(fine.image[c] + at);
    out(at, value * load(fine.unknown_mask + at));
  });
}

template <int First>
ALWAYS_INLINE FloatLanes every_second(const FloatLanes (&v)[2]) {
  constexpr int f = First;
  return __builtin_shufflevector(v[0], v[1], f, f + 2, f + 4, f + 6, f + 8, f + 10, f + 12, f + 14,
                                 f + 16, f + 18, f + 20, f + 22, f + 24, f + 26, f + 28, f + 30);
}

// The adjoint: coarse.rhs-like vector `out` from a fine residual.
void restrict_residual(const Level& fine, Level& coarse, const float* r, float* out) {
  // Adjoint of the interpolation and of the averaging's weights: coarse.smooth. A coarse pixel's
  // two children have it as their nearest, the pixels beside them (lanes 2 i - 1 and 2 i + 2) as
  // the far one.
  for_blocks(coarse.wide, [&](std::ptrdiff_t position, std::int32_t b) {
    const auto k = static_cast<std::size_t>(b);
    const std::int32_t* blocks = coarse.fine.data() + position * 8;
    FloatLanes even[4][2], odd[4][2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      FloatLanes near[4] = {}, before[4] = {}, after[4] = {};
#pragma GCC unroll 4
      for (int row = 0; row < 4; ++row) {
        const auto y = static_cast<std::size_t>(2 * coarse.y[k] - 1 + row + kLanes);
        const float weight = row == 0 || row == 3 ? fine.far_y[y] : fine.near_y[y];
        const std::ptrdiff_t at = blocks[2 * row + half] * std::ptrdiff_t{kLanes};
        const FloatLanes here = weight * load(r + at), left = weight * load(r + at - 1);
        const FloatLanes right = weight * load(r + at + 2);
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) {
          const float* image = fine.image[j] + at;
          near[j] += here * load(image);
          before[j] += left * load(image - 1);
          after[j] += right * load(image + 2);
        }
        near[3] += here;
        before[3] += left;
        after[3] += right;
      }
      const auto x = static_cast<std::size_t>(2 * coarse.x[k] + half + 1) * kLanes;
      const FloatLanes near_x = load(fine.near_x.data() + x);
      const FloatLanes before_x = load(fine.far_x.data() + x - 1),
                       after_x = load(fine.far_x.data() + x + 2);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        odd[j][half] = near_x * near[j];
        even[j][half] = odd[j][half] + before_x * before[j] + after_x * after[j];
      }
    }
    const std::ptrdiff_t at = b * std::ptrdiff_t{kLanes};
    const FloatLanes weight = load(coarse.window_weight + at);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      store(coarse.smooth[j] + at, weight * (every_second<0>(even[j]) + every_second<1>(odd[j])));
  });
  // Adjoint of the averaging and of the fit: coarse.model.
  for_blocks(coarse.wide, [&](auto, std::int32_t b) {
    const Rows at = rows_of(coarse, b);
    const FloatLanes valid = load(coarse.window_valid + at.here) * (1.0f / 9.0f);
    const FloatLanes mu0 = load(coarse.mean[0] + at.here), mu1 = load(coarse.mean[1] + at.here);
    const FloatLanes mu2 = load(coarse.mean[2] + at.here);
    const FloatLanes h3 = box_sum(at, coarse.smooth[3]);
    FloatLanes h0 = box_sum(at, coarse.smooth[0]) - mu0 * h3;
    FloatLanes h1 = box_sum(at, coarse.smooth[1]) - mu1 * h3;
    FloatLanes h2 = box_sum(at, coarse.smooth[2]) - mu2 * h3;
    solve_windows(coarse, at.here, h0, h1, h2);
    store(coarse.model[0] + at.here, h0 * valid);
    store(coarse.model[1] + at.here, h1 * valid);
    store(coarse.model[2] + at.here, h2 * valid);
    store(coarse.model[3] + at.here, (h3 - h0 * mu0 - h1 * mu1 - h2 * mu2) * valid);
  });
  for_blocks(coarse.core, [&](auto, std::int32_t b) {
    const Rows at = rows_of(coarse, b);
    FloatLanes sum = box_sum(at, coarse.model[3]);
    for (int c = 0; c < 3; ++c)
      sum += box_sum(at, coarse.model[c]) * load(coarse.image[c] + at.here);
    store(out + at.here, sum * load(coarse.unknown_mask + at.here));
  });
}

// ---------------------------------------------------------------------------------------------
// Smoothing and cycles

// `steps` Chebyshev steps for A z = b; from zero, or from z.
void smooth(Level& level, const float* b, float* z, int steps, bool from_zero) {
  float *r = level.q, *p = level.p, *next = level.old;
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    const FloatLanes inverse = load(level.inverse_diagonal + at);
    FloatLanes res = load(b + at);
    if (!from_zero) res -= apply_rows(level, block, z);
    res *= inverse;
    store(r + at, res);
    store(p + at, res / ChebyshevSteps::kTheta);
  });
  ChebyshevSteps chebyshev;
  for (int step = 1; step < steps; ++step) {
    chebyshev.next();
    const float keep = chebyshev.keep, take = chebyshev.take;
    const bool first = step == 1 && from_zero;
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      const FloatLanes direction = load(p + at);
      const FloatLanes res =
          load(r + at) - apply_rows(level, block, p) * load(level.inverse_diagonal + at);
      store(z + at, first ? direction : load(z + at) + direction);
      store(r + at, res);
      store(next + at, keep * direction + take * res);
    });
    std::swap(p, next);
  }
  const bool only = steps == 1 && from_zero;
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(z + at, only ? load(p + at) : load(z + at) + load(p + at));
  });
}

// Conjugate gradients with the diagonal as preconditioner, from zero: the coarsest level. Returns
// the steps; `reached` gets the |r| / |b| of the preconditioned residual.
int solve_coarsest(Level& level, const float* b, float* z, int most, double tolerance,
                   double& reached) {
  float *r = level.q, *p = level.p, *ap = level.old;
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(z + at, FloatLanes{});
    store(r + at, load(b + at));
    store(p + at, load(b + at) * load(level.inverse_diagonal + at));
  });
  const auto energy = [&] {
    return sum_core(level, [&](std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      return load(r + at) * load(r + at) * load(level.inverse_diagonal + at);
    });
  };
  const double start = energy(), goal = start * tolerance * tolerance;
  double rz = start;
  int step = 0;
  for (; step < most && rz > goal; ++step) {
    apply(level, p, ap);
    const double curvature = dot(level, p, ap);
    if (!(curvature > 0.0) || !(rz > 0.0)) break;
    const auto alpha = static_cast<float>(rz / curvature);
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(z + at, load(z + at) + alpha * load(p + at));
      store(r + at, load(r + at) - alpha * load(ap + at));
    });
    const double next = energy();
    const auto beta = static_cast<float>(next / rz);
    rz = next;
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(p + at, load(r + at) * load(level.inverse_diagonal + at) + beta * load(p + at));
    });
  }
  reached = start > 0.0 ? std::sqrt(rz / start) : 0.0;
  return step;
}

// One V-cycle for A z = b.
void cycle(std::vector<Level>& levels, std::size_t l, const float* b, float* z, int smoothing) {
  Level& level = levels[l];
  if (l + 1 == levels.size()) {
    double reached;
    solve_coarsest(level, b, z, kMattingCoarsestSteps, kMattingCoarsestTolerance, reached);
    return;
  }
  Level& coarse = levels[l + 1];
  smooth(level, b, z, smoothing, true);
  residual(level, b, z, level.q);
  restrict_residual(level, coarse, level.q, coarse.rhs);
  cycle(levels, l + 1, coarse.rhs, coarse.z, smoothing);
  fit_models(coarse, coarse.z);
  const float scale = 1.0f / level.coarse_scale;
  evaluate_models(level, coarse, [&](std::ptrdiff_t at, FloatLanes v) {
    store(z + at, load(z + at) + scale * v);
  });
  smooth(level, b, z, smoothing, false);
}

void copy_vector(const Level& level, const float* from, float* to) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(to + at, load(from + at));
  });
}

struct Effort {
  int steps, smoothing;
  double tolerance;  // of |r| / |b|
};

// Flexible (Polak-Ribiere) conjugate gradients on level l, preconditioned by V-cycles. Where float
// does not resolve the equations the residual may grow again: the solution of the smallest one is
// kept. `reached` gets steps and |r| / |b|.
template <class Report>
void solve(std::vector<Level>& levels, std::size_t l, const Effort& effort, MattingSummary& reached,
           const Report& report) {
  Level& level = levels[l];
  float *x = level.solution, *r = level.r, *z = level.z, *p = level.direction, *ap = level.product;
  const double norm = std::sqrt(dot(level, level.rhs, level.rhs));
  residual(level, level.rhs, x, r);
  double size = std::sqrt(dot(level, r, r)), best = size, rz = 0.0, last_alpha = 0.0;
  if (level.best) copy_vector(level, x, level.best);
  int step = 0;
  while (step < effort.steps && size > effort.tolerance * norm && size <= 1e3 * best) {
    cycle(levels, l, r, z, effort.smoothing);
    // (r - r_old) . z = -alpha_old (A p_old) . z
    const double beta = step ? -last_alpha * dot(level, ap, z) / rz : 0.0;
    rz = dot(level, r, z);
    const auto b = static_cast<float>(beta);
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(p + at, step ? load(z + at) + b * load(p + at) : load(z + at));
    });
    apply(level, p, ap);
    const double curvature = dot(level, p, ap);
    if (!(curvature > 0.0) || !(rz > 0.0)) break;
    last_alpha = rz / curvature;
    const auto a = static_cast<float>(last_alpha);
    for_blocks(level.core, [&](auto, std::int32_t block) {
      const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
      store(x + at, load(x + at) + a * load(p + at));
      store(r + at, load(r + at) - a * load(ap + at));
    });
    size = std::sqrt(dot(level, r, r));
    ++step;
    if (level.best && size < best) copy_vector(level, x, level.best);
    best = std::min(best, size);
    report(step);
  }
  if (level.best && size > best) {
    copy_vector(level, level.best, x);
    size = best;
  }
  reached.iterations = step;
  reached.residual = norm > 0.0 ? size / norm : 0.0;
}

void clip_solution(Level& level) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    float* x = level.solution + block * std::ptrdiff_t{kLanes};
    for (int i = 0; i < kLanes; ++i) x[i] = std::min(1.0f, std::max(0.0f, x[i]));
  });
}

void fill_noise(const Level& level, float* v) {
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const auto k = static_cast<std::size_t>(block);
    for (int i = 0; i < kLanes; ++i)
      v[block * std::ptrdiff_t{kLanes} + i] =
          matting_noise(level.y[k], level.x[k] * std::ptrdiff_t{kLanes} + i) *
          level.unknown_mask[block * std::ptrdiff_t{kLanes} + i];
  });
}

// v -= D^-1 A v
void damp(Level& level, float* v) {
  apply(level, v, level.q);
  for_blocks(level.core, [&](auto, std::int32_t block) {
    const std::ptrdiff_t at = block * std::ptrdiff_t{kLanes};
    store(v + at, load(v + at) - load(level.q + at) * load(level.inverse_diagonal + at));
  });
}

// How much more energy the finer level sees in a smooth coarse function than the coarse one does.
void find_coarse_scale(Level& fine, Level& coarse) {
  float *v = coarse.z, *w = fine.z;
  fill_noise(coarse, v);
  for (int it = 0; it < kMattingScaleSteps; ++it) damp(coarse, v);
  apply(coarse, v, coarse.q);
  const double coarse_energy = dot(coarse, v, coarse.q);
  fit_models(coarse, v);
  evaluate_models(fine, coarse, [&](std::ptrdiff_t at, FloatLanes value) { store(w + at, value); });
  apply(fine, w, fine.q);
  const double fine_energy = dot(fine, w, fine.q);
  fine.coarse_scale = coarse_energy > 0.0 && fine_energy > 0.0
                          ? static_cast<float>(fine_energy / coarse_energy)
                          : 1.0f;
}

// The start of a level: the coarser one's alpha, known pixels included, as local linear models.
// Alpha: FloatLanes(coarse block).
template <class Alpha>
void start_from(Level& coarse, const Alpha& alpha, Level& fine) {
  float* v = coarse.z;
  parallel_for(coarse.blocks, kChunk, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t b = begin; b < end; ++b)
      store(v + b * kLanes, alpha(static_cast<std::int32_t>(b)));
  });
  fit_models(coarse, v);
  evaluate_models(fine, coarse,
                  [&](std::ptrdiff_t at, FloatLanes value) { store(fine.solution + at, value); });
  clip_solution(fine);
  clear(coarse.off_core, v);
}

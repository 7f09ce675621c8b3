// The arithmetic of the alpha solver and of guided alpha against its definition: matrices are
// inverted by cofactors, polynomials and interpolation have their closed forms, counts are counted.
// tools/mutate.py says what these tests miss.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "check.hpp"
#include "pixel/guided.hpp"
#include "pixel/matting.hpp"

using namespace trimatte;
using trimatte::test::near;

namespace {

struct Matrix {
  double at[3][3] = {};
};

// Of a symmetric matrix.
Matrix inverse(const Matrix& m) {
  Matrix cofactors;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      const std::size_t i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;
      cofactors.at[i][j] = m.at[i1][j1] * m.at[i2][j2] - m.at[i1][j2] * m.at[i2][j1];
    }
  double determinant = 0.0;
  for (std::size_t j = 0; j < 3; ++j) determinant += m.at[0][j] * cofactors.at[0][j];
  for (auto& row : cofactors.at)
    for (double& v : row) v /= determinant;
  return cofactors;
}

// p' M q
template <class P, class Q>
double product(const P& p, const Matrix& m, const Q& q) {
  double sum = 0.0;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      sum += static_cast<double>(p[i]) * m.at[i][j] * static_cast<double>(q[j]);
  return sum;
}

// The part of a number that two may differ by.
bool close(double a, double b, double part) {
  return near(a, b, part * std::max(1.0, std::fabs(b)));
}

// Nine colours whose channels go together, so that every term of the factors counts.
constexpr double kWindow[9][3] = {{0.10, 0.32, 0.05}, {0.22, 0.35, 0.21}, {0.35, 0.60, 0.30},
                                  {0.41, 0.52, 0.48}, {0.48, 0.71, 0.33}, {0.60, 0.66, 0.62},
                                  {0.72, 0.93, 0.55}, {0.83, 0.80, 0.81}, {0.95, 0.99, 0.70}};

// A window, and what lies behind it, which has no say.
template <class Real>
struct Window {
  Real color[9][3];
  Real behind[3] = {Real(5), Real(-7), Real(11)};

  Window() {
    for (std::size_t c = 0; c < 3; ++c) {
      double mean = 0.0;
      for (const auto& color_of : kWindow) mean += color_of[c] / 9.0;
      for (std::size_t q = 0; q < 9; ++q) color[q][c] = static_cast<Real>(kWindow[q][c] - mean);
    }
  }
  Matrix ridged_covariance(double ridge) const {
    Matrix m;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j)
        for (const auto& q : color)
          m.at[i][j] += static_cast<double>(q[i]) * static_cast<double>(q[j]) / 9.0;
      m.at[i][i] += ridge;
    }
    return m;
  }
};

// Whether the factors are those of m: L D L' = m.
template <class Real>
bool is_factor(const ColorFactor<Real>& f, const Matrix& m, double part) {
  const auto l10 = static_cast<double>(f.l10), l20 = static_cast<double>(f.l20),
             l21 = static_cast<double>(f.l21);
  const double d0 = 1.0 / static_cast<double>(f.i0), d1 = 1.0 / static_cast<double>(f.i1),
               d2 = 1.0 / static_cast<double>(f.i2);
  return near(d0, m.at[0][0], part) && near(l10 * d0, m.at[1][0], part) &&
         near(l20 * d0, m.at[2][0], part) && near(l10 * l10 * d0 + d1, m.at[1][1], part) &&
         near(l20 * l10 * d0 + l21 * d1, m.at[2][1], part) &&
         near(l20 * l20 * d0 + l21 * l21 * d1 + d2, m.at[2][2], part);
}

template <class Real>
void check_window(float ridge, double part) {
  Window<Real> window;
  const Window<Real> given;
  const Matrix m = given.ridged_covariance(static_cast<double>(ridge)), inverted = inverse(m);
  const ColorFactor<Real> f = factor_window(window.color, ridge);
  CHECK(is_factor(f, m, part));
  const double scale[] = {static_cast<double>(f.i0), static_cast<double>(f.i1),
                          static_cast<double>(f.i2)};
  bool whitened = true;
  for (std::size_t p = 0; p < 9; ++p)
    for (std::size_t q = 0; q < 9; ++q) {
      double sum = 0.0;
      for (std::size_t c = 0; c < 3; ++c)
        sum += scale[c] * static_cast<double>(window.color[p][c]) *
               static_cast<double>(window.color[q][c]);
      whitened &= close(sum, product(given.color[p], inverted, given.color[q]), 20.0 * part);
    }
  CHECK(whitened);
  CHECK(window.behind[0] == Real(5) && window.behind[1] == Real(-7) &&
        window.behind[2] == Real(11));
}

}  // namespace

TEST(matting_takes_the_steps_of_its_quality) {
  const auto is = [](MattingQuality quality, int finest_steps, int finest_smoothing, int steps,
                     int smoothing, double tolerance, bool prior) {
    const MattingSchedule s = matting_schedule(quality);
    return s.finest_steps == finest_steps && s.finest_smoothing == finest_smoothing &&
           s.steps == steps && s.smoothing == smoothing && s.tolerance == tolerance &&
           s.prior == prior;
  };
  CHECK(is(MattingQuality::kFast, 1, 2, 1, 2, 0.0, false));
  CHECK(is(MattingQuality::kBalanced, 1, 2, 3, 3, 0.0, true));
  CHECK(is(MattingQuality::kExact, 100, 3, 4, 3, 2e-6, false));
}

TEST(matting_has_the_constants_it_was_measured_with) {
  CHECK(kMattingEpsilon == 1e-7f);  // PyMatting's
  CHECK(kMattingCoarseEpsilon == 1e-6f && kMattingModelEpsilon == 2e-5f);
  CHECK(kMattingSmallestSide == 48 && kMattingScaleSteps == 10);
  CHECK(kMattingStartSteps == 4000 && kMattingCoarsestSteps == 60);
  CHECK(kMattingStartTolerance == 1e-6 && kMattingCoarsestTolerance == 0.1);
  CHECK(kMattingTile == 1536 && kMattingHalo == 64 && kMattingPriorSpacing == 2);
  // The sides of the largest image are halved until the smallest is reached.
  int levels = 1;
  for (std::int64_t side = INT32_MAX; side > kMattingSmallestSide; side = (side + 1) / 2) ++levels;
  CHECK(levels <= MattingInfo::kMostLevels && MattingInfo::kMostLevels == 32);
  const MattingInfo info;
  CHECK(info.unknown == 0 && info.levels == 0 && info.iterations == 0 && info.residual == 0.0);
  CHECK(std::size(info.seconds) == 32 && info.seconds[0] == 0.0 && info.seconds[31] == 0.0);
}

TEST(matting_reports_its_progress_if_asked) {
  MattingOptions options;
  options.report(0.5);  // nobody listens
  double heard = 0.0;
  options.context = &heard;
  options.progress = [](void* context, double done) { *static_cast<double*>(context) += done; };
  options.report(0.25);
  CHECK(heard == 0.25);
}

TEST(matting_prior_counts_where_samples_are_sure) {
  CHECK(matting_prior_weight(1.0f) == 0.15f && matting_prior_weight(0.0f) == 0.0f);
  for (const double confidence : {0.5, 0.8, 0.97, 1.1}) {
    const double wanted = 0.15 * std::pow(confidence, 24.0);
    CHECK(near(matting_prior_weight(static_cast<float>(confidence)) / wanted, 1.0, 1e-5));
  }
  // The first level below the finest of at most 512 x 512 pixels; halves are rounded up.
  CHECK(matting_prior_level(1, 1) == 1 && matting_prior_level(512, 512) == 1);
  CHECK(matting_prior_level(1024, 1024) == 1 && matting_prior_level(1023, 1023) == 1);
  CHECK(matting_prior_level(1025, 1024) == 2 && matting_prior_level(1024, 1025) == 2);
  CHECK(matting_prior_level(1024, 1026) == 2 && matting_prior_level(1026, 1024) == 2);
  CHECK(matting_prior_level(2048, 2048) == 2 && matting_prior_level(2160, 4096) == 3);
  CHECK(matting_prior_level(1, 524288) == 1 && matting_prior_level(524289, 1) == 2);
}

// The errors that k steps leave of an eigenvector of D^-1 A are the Chebyshev polynomial
// T_k((theta - x) / delta) / T_k(theta / delta): the smallest over the interval of all that are 1
// at 0.
TEST(chebyshev_steps_damp_their_interval) {
  constexpr double kHigh = 0.9, kLow = 0.9 / 8, kMiddle = (kHigh + kLow) / 2,
                   kHalf = (kHigh - kLow) / 2;
  CHECK(kMattingSpectrumEnd == 0.9f && near(ChebyshevSteps::kLow, kLow, 1e-7));
  CHECK(near(ChebyshevSteps::kTheta, kMiddle, 1e-7) && near(ChebyshevSteps::kDelta, kHalf, 1e-7));
  CHECK(near(ChebyshevSteps::kSigma, kMiddle / kHalf, 1e-6));
  const ChebyshevSteps start;
  CHECK(near(start.rho, kHalf / kMiddle, 1e-6) && start.keep == 0.0f && start.take == 0.0f);

  const auto polynomial = [](int k, double at) {
    return std::fabs(at) <= 1.0
               ? std::cos(k * std::acos(at))
               : (at < 0.0 && k % 2 ? -1.0 : 1.0) * std::cosh(k * std::acosh(std::fabs(at)));
  };
  bool good = true, bounded = true, contracts = true;
  for (int i = 0; i <= 40; ++i) {
    const double x = i / 40.0;
    ChebyshevSteps steps;
    double r = 1.0, z = 0.0, p = r / kMiddle;
    for (int k = 1; k <= 6; ++k) {
      z += p;
      r -= x * p;
      steps.next();
      p = static_cast<double>(steps.keep) * p + static_cast<double>(steps.take) * r;
      const double largest = 1.0 / polynomial(k, kMiddle / kHalf);
      good &= near(r, polynomial(k, (kMiddle - x) / kHalf) * largest, 1e-5);
      good &= near(1.0 - x * z, r, 1e-6);
      if (x >= kLow && x <= kHigh) bounded &= std::fabs(r) <= largest + 1e-5;
      contracts &= std::fabs(r) < (i ? 1.0 : 1.0 + 1e-6);
    }
  }
  CHECK(good && bounded && contracts);
}

TEST(stencils_have_a_plane_for_each_offset_ahead) {
  CHECK(kMattingOffsets == 13);
  int d = 0;
  for (int dy = 0; dy <= 2; ++dy)
    for (int dx = -2; dx <= 2; ++dx) {
      if (dy == 0 && dx < 0) continue;  // behind
      CHECK(matting_offset_index(dy, dx) == d);
      CHECK(matting_offset_dy(d) == dy && matting_offset_dx(d) == dx);
      ++d;
    }
  CHECK(d == kMattingOffsets);
}

TEST(halved_pixels_lie_between_two_parents) {
  for (const std::ptrdiff_t fine : {1, 2, 3, 6, 7, 8}) {
    const std::ptrdiff_t coarse = (fine + 1) / 2;
    for (std::ptrdiff_t i = 0; i < fine; ++i) {
      const double place = (static_cast<double>(i) + 0.5) / 2.0 - 0.5;  // in coarse pixels
      const auto left = static_cast<std::ptrdiff_t>(std::floor(place));
      const std::ptrdiff_t parent = i / 2, far = left == parent ? left + 1 : left;
      CHECK(matting_far_pixel(i) == far);
      const MattingWeights w = matting_weights(i, coarse);
      const bool exists = far >= 0 && far < coarse;
      const double wanted = exists ? std::fabs(place - static_cast<double>(parent)) : 0.0;
      CHECK(static_cast<double>(w.far) == wanted && static_cast<double>(w.near) == 1.0 - wanted);
    }
  }
}

TEST(windows_over_a_pixel_are_those_that_fit_into_the_image) {
  bool good = true;
  for (std::ptrdiff_t size = 1; size <= 9; ++size)
    for (std::ptrdiff_t i = 0; i < size; ++i) {
      int wanted = 0;
      for (std::ptrdiff_t first = 0; first + 3 <= size; ++first)
        wanted += first <= i && i < first + 3;
      good &= matting_windows_over(i, size) == wanted;
    }
  CHECK(good);
}

TEST(noise_is_the_same_in_every_run_and_looks_random) {
  constexpr double kHalf = 8388608.0;  // worked out apart from this, in whole numbers
  CHECK(static_cast<double>(matting_noise(0, 0)) == -1.0);
  CHECK(static_cast<double>(matting_noise(0, 1)) == 13022226.0 / kHalf - 1.0);
  CHECK(static_cast<double>(matting_noise(1, 0)) == 6099864.0 / kHalf - 1.0);
  CHECK(static_cast<double>(matting_noise(3, 7)) == 5098344.0 / kHalf - 1.0);
  CHECK(static_cast<double>(matting_noise(1234, 4321)) == 10271831.0 / kHalf - 1.0);
  double sum = 0.0, squares = 0.0, beside = 0.0, below = 0.0, least = 0.0, most = 0.0;
  constexpr int kSide = 128;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      const auto v = static_cast<double>(matting_noise(y, x));
      sum += v, squares += v * v;
      beside += v * static_cast<double>(matting_noise(y, x + 1));
      below += v * static_cast<double>(matting_noise(y + 1, x));
      least = std::min(least, v), most = std::max(most, v);
    }
  constexpr double n = kSide * kSide;
  CHECK(least >= -1.0 && least < -0.99 && most <= 1.0 && most > 0.99);
  CHECK(near(sum / n, 0.0, 0.02) && near(squares / n, 1.0 / 3.0, 0.02));
  CHECK(near(beside / n, 0.0, 0.02) && near(below / n, 0.0, 0.02));
}

TEST(windows_are_factored_and_whitened) {
  check_window<double>(0.02f, 1e-7);
  check_window<double>(1e-4f, 1e-7);
  check_window<float>(0.02f, 1e-6);
}

TEST(windows_of_one_colour_have_the_ridge_alone) {
  double color[9][3] = {};
  const auto f = factor_window(color, 0.25f);
  CHECK(f.i0 == 4.0 && f.i1 == 4.0 && f.i2 == 4.0);
  CHECK(f.l10 == 0.0 && f.l20 == 0.0 && f.l21 == 0.0);
}

// Of colours t d, (I_p - mu)' (Sigma + ridge Id)^-1 (I_q - mu) is t_p t_q d'd / (mean t^2 d'd +
// ridge). In float too, where an inverse would have no digit left.
TEST(windows_of_colours_on_a_line_keep_their_precision) {
  constexpr double kDirection[3] = {0.25, 0.5, -0.375}, kRidge = 1e-7 / 9.0;
  double length = 0.0, mean = 0.0;
  for (const double d : kDirection) length += d * d;
  float color[9][3];
  const auto along = [](std::size_t q) { return (static_cast<double>(q) - 4.0) / 8.0; };
  for (std::size_t q = 0; q < 9; ++q) {
    mean += along(q) * along(q) / 9.0;
    for (std::size_t c = 0; c < 3; ++c) color[q][c] = static_cast<float>(along(q) * kDirection[c]);
  }
  const auto f = factor_window(color, static_cast<float>(kRidge));
  bool good = true;
  for (std::size_t p = 0; p < 9; ++p)
    for (std::size_t q = 0; q < 9; ++q) {
      const float sum = color[p][0] * color[q][0] * f.i0 + color[p][1] * color[q][1] * f.i1 +
                        color[p][2] * color[q][2] * f.i2;
      good &= near(static_cast<double>(sum),
                   along(p) * along(q) * length / (mean * length + kRidge), 1e-5);
    }
  CHECK(good);
}

TEST(covariances_are_factored_and_solved) {
  for (const double ridge : {0.02, 1e-3}) {
    const Matrix m = Window<double>().ridged_covariance(ridge), inverted = inverse(m);
    const auto f = factor_covariance(m.at[0][0] - ridge, m.at[0][1], m.at[0][2], m.at[1][1] - ridge,
                                     m.at[1][2], m.at[2][2] - ridge, ridge);
    CHECK(is_factor(f, m, 1e-12));
    const double q[3] = {0.3, -0.7, 0.2};
    double a[3] = {q[0], q[1], q[2]};
    solve_factored(f, a[0], a[1], a[2]);
    for (std::size_t i = 0; i < 3; ++i) {
      double unit[3] = {};
      unit[i] = 1.0;
      CHECK(close(a[i], product(unit, inverted, q), 1e-9));
    }
  }
}

TEST(pivots_of_a_covariance_are_held_at_the_ridge) {
  // What rounding may leave: more covariance than the variances allow.
  const auto second = factor_covariance(1.0, 1.5, 0.0, 1.0, 0.0, 1.0, 0.25);
  CHECK(second.i1 == 4.0 && near(second.l10, 1.2, 1e-15) && second.i2 == 0.8);
  const auto third = factor_covariance(1.0, 0.0, 1.5, 1.0, 0.0, 1.0, 0.25);
  CHECK(third.i2 == 4.0 && third.i1 == 0.8 && near(third.l20, 1.2, 1e-15));
  const auto both = factor_covariance(1.0, 1.5, 1.5, 1.0, 1.5, 1.0, 0.25);
  CHECK(both.i1 == 4.0 && both.i2 == 4.0);
  // None at all.
  const auto none = factor_covariance(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25);
  CHECK(none.i0 == 4.0 && none.i1 == 4.0 && none.i2 == 4.0);
  // Above the ridge they are themselves, even a little above.
  const auto free = factor_covariance(1.0, 0.0, 0.0, 0.0625, 0.0, 0.125, 0.25);
  CHECK(free.i0 == 0.8 && near(free.i1, 3.2, 1e-15) && near(free.i2, 1.0 / 0.375, 1e-15));
}

// ---- Guided alpha ------------------------------------------------------------------------------

TEST(guide_grids_cover_the_image) {
  const auto is = [](std::ptrdiff_t height, std::ptrdiff_t width, std::ptrdiff_t side,
                     std::ptrdiff_t rows, std::ptrdiff_t columns) {
    const GuideGrid grid(height, width);
    return grid.side == side && grid.rows == rows && grid.columns == columns &&
           grid.cells() == rows * columns;
  };
  CHECK(is(1, 1, 1, 1, 1) && is(100, 99, 1, 100, 99) && is(99, 100, 1, 99, 100));
  CHECK(is(101, 50, 2, 51, 25) && is(49, 101, 2, 25, 51));
  CHECK(is(200, 200, 2, 100, 100) && is(250, 1001, 11, 23, 91) && is(1100, 7, 11, 100, 1));
  CHECK(kGuideRadius == 10 && kGuideMeanRadius == 5);
}

TEST(guide_moments_are_those_of_the_mean_colours) {
  CHECK(kGuideCounts == 8);
  CHECK(kGuideClassMoments == 10 && kGuideMoments == 20 && kGuideModel == 5);
  const auto check = [](const std::int32_t (&counts)[kGuideCounts]) {
    double moments[2 * kGuideMoments];
    std::fill(std::begin(moments), std::end(moments), -1.0);
    guide_moments(counts, moments);
    for (std::size_t k = 0; k < 2; ++k) {
      const double n = counts[4 * k];
      double mean[3] = {};
      if (n > 0.0)
        for (std::size_t c = 0; c < 3; ++c) mean[c] = counts[4 * k + 1 + c] / n / 1020.0;
      const double* of = moments + 10 * k;
      CHECK(of[0] == n);
      std::size_t at = 4;
      for (std::size_t c = 0; c < 3; ++c) {
        CHECK(near(of[1 + c], n * mean[c], 1e-12));
        for (std::size_t d = c; d < 3; ++d) CHECK(near(of[at++], n * mean[c] * mean[d], 1e-12));
      }
    }
    for (std::size_t i = kGuideMoments; i < 2 * kGuideMoments; ++i) CHECK(moments[i] == -1.0);
  };
  check({3, 1530, 510, 2040, 5, 4080, 1020, 255});
  check({1, 1020, 255, 0, 0, 0, 0, 0});
  check({0, 0, 0, 0, 1, 102, 204, 408});
  check({0, 0, 0, 0, 0, 0, 0, 0});
}

namespace {

// Cells of a window: a class, pixels, their mean colour.
struct Cell {
  bool front;
  double n, color[3];
};
constexpr Cell kCells[] = {{true, 7.0, {0.9, 0.4, 0.2}},  {true, 2.0, {0.7, 0.5, 0.3}},
                           {true, 5.0, {0.8, 0.7, 0.1}},  {false, 3.0, {0.3, 0.2, 0.6}},
                           {false, 4.0, {0.1, 0.4, 0.8}}, {false, 2.0, {0.2, 0.1, 0.3}}};
enum class Take { kBoth, kFronts, kBacks, kNone };

struct Moments {
  double of[kGuideMoments] = {};

  explicit Moments(Take take) {
    for (const Cell& cell : kCells) {
      if (take == Take::kNone || take == (cell.front ? Take::kBacks : Take::kFronts)) continue;
      double* to = of + (cell.front ? 0 : kGuideClassMoments);
      to[0] += cell.n;
      std::size_t at = 4;
      for (std::size_t c = 0; c < 3; ++c) {
        to[1 + c] += cell.n * cell.color[c];
        for (std::size_t d = c; d < 3; ++d) to[at++] += cell.n * cell.color[c] * cell.color[d];
      }
    }
  }
};

struct Model {
  double of[kGuideModel + 1];

  Model(Take window_takes, Take whole_takes) {
    std::fill(std::begin(of), std::end(of), -1.0);
    const Moments window(window_takes), whole(whole_takes);
    guide_model(window.of, whole.of, of);
  }
  bool is(double weight, const double (&a)[3], double b) const {
    bool good = of[kGuideModel] == -1.0 && of[4] == weight;
    for (std::size_t c = 0; c < 3; ++c) good &= close(of[c] / weight, a[c], 1e-9);
    return good && close(of[3] / weight, b, 1e-9);
  }
};

}  // namespace

// Weighted least squares: a class counts by the root of its number.
TEST(guide_models_are_regressions) {
  constexpr double kFronts = 14.0, kBacks = 9.0;
  const double p = std::sqrt(kFronts) / (std::sqrt(kFronts) + std::sqrt(kBacks));
  const auto weight = [&](const Cell& cell) {
    return cell.front ? p * cell.n / kFronts : (1.0 - p) * cell.n / kBacks;
  };
  double mean[3] = {}, slope[3] = {}, b = p;
  for (const Cell& cell : kCells)
    for (std::size_t c = 0; c < 3; ++c) mean[c] += weight(cell) * cell.color[c];
  Matrix m;
  for (const Cell& cell : kCells)
    for (std::size_t i = 0; i < 3; ++i) {
      slope[i] += weight(cell) * (cell.color[i] - mean[i]) * (cell.front ? 1.0 - p : -p);
      for (std::size_t j = 0; j < 3; ++j)
        m.at[i][j] += weight(cell) * (cell.color[i] - mean[i]) * (cell.color[j] - mean[j]);
    }
  for (std::size_t i = 0; i < 3; ++i) m.at[i][i] += 3e-5;
  const Matrix inverted = inverse(m);
  double a[3];
  for (std::size_t i = 0; i < 3; ++i) {
    const double unit[3] = {i == 0 ? 1.0 : 0.0, i == 1 ? 1.0 : 0.0, i == 2 ? 1.0 : 0.0};
    a[i] = product(unit, inverted, slope);
    b -= a[i] * mean[i];
  }
  CHECK(Model(Take::kBoth, Take::kNone).is(1.0, a, b));
  CHECK(Model(Take::kBoth, Take::kFronts).is(1.0, a, b));
  // A window that knows nothing takes the image's.
  CHECK(Model(Take::kNone, Take::kBoth).is(1e-9, a, b));
  CHECK(kGuideEpsilon == 3e-5);
}

TEST(guide_models_of_one_class_are_its_alpha) {
  CHECK(Model(Take::kFronts, Take::kBoth).is(1e-3, {0.0, 0.0, 0.0}, 1.0));
  CHECK(Model(Take::kBacks, Take::kBoth).is(1e-3, {0.0, 0.0, 0.0}, 0.0));
  CHECK(Model(Take::kNone, Take::kFronts).is(1e-9, {0.0, 0.0, 0.0}, 1.0));
  CHECK(Model(Take::kNone, Take::kBacks).is(1e-9, {0.0, 0.0, 0.0}, 0.0));
  const Model nothing(Take::kNone, Take::kNone);
  CHECK(nothing.is(1e-9, {0.0, 0.0, 0.0}, 0.5));
  CHECK(nothing.of[0] == 0.0 && nothing.of[1] == 0.0 && nothing.of[2] == 0.0);
}

TEST(guide_places_lie_between_the_middles_of_two_cells) {
  for (const std::ptrdiff_t side : {1, 2, 3, 7})
    for (const std::ptrdiff_t size : {1, 5, 14, 23}) {
      const std::ptrdiff_t cells = (size + side - 1) / side;
      bool good = true;
      for (std::ptrdiff_t at = 0; at < size; ++at) {
        const GuidePlace place(at, side, cells);
        const double cell = (static_cast<double>(at) + 0.5) / static_cast<double>(side) - 0.5;
        const double below = std::floor(cell), last = static_cast<double>(cells - 1);
        good &= static_cast<double>(place.first) == std::max(below, 0.0);
        good &= static_cast<double>(place.second) == std::min(below + 1.0, last);
        good &= near(static_cast<double>(place.part), cell - below, 1e-6);
      }
      CHECK(good);
    }
}

TEST(guided_alpha_is_its_model_within_the_unit) {
  CHECK(near(guide_between(2.0f, 4.0f, 0.25f), 2.5, 1e-6) && guide_between(2.0f, 4.0f, 0.0f) == 2);
  const float model[4] = {0.5f, -0.25f, 2.0f, 0.125f};
  CHECK(near(guided_alpha(0.5f, 0.25f, 0.125f, model), 0.25 - 0.0625 + 0.25 + 0.125, 1e-6));
  CHECK(guided_alpha(0.0f, 1.0f, 0.0f, model) == 0.0f);
  CHECK(guided_alpha(0.0f, 0.0f, 1.0f, model) == 1.0f);
}

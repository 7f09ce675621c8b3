// The arithmetic of shared sampling against its definition: rays are followed on images drawn for
// them, fits and sums are worked out in double, ties and ends of loops by hand. tools/mutate.py
// says what these tests miss.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <new>
#include <utility>

#include "check.hpp"
#include "pixel/sampling.hpp"

using namespace trimatte;
using trimatte::test::near;

namespace {

using U8 = std::uint8_t;
using U16 = std::uint16_t;

SamplingPixel pixel_of(int r, int g, int b, std::uint32_t kind = kSampleUnknown) {
  return {static_cast<std::uint32_t>(r) | static_cast<std::uint32_t>(g) << 10 |
          static_cast<std::uint32_t>(b) << 20 | kind << 30};
}

bool is_color(SamplingPixel p, int r, int g, int b) {
  return p.r() == r && p.g() == g && p.b() == b;
}

// An image as a function of y and x, that counts how often it is looked at and notices whether that
// is outside of it.
template <class Function>
struct Drawn {
  std::ptrdiff_t height, width;
  Function color;
  mutable int looks = 0;
  mutable bool inside = true;
  mutable std::ptrdiff_t rightmost = 0;

  Drawn(std::ptrdiff_t its_height, std::ptrdiff_t its_width, Function its_color)
      : height(its_height), width(its_width), color(std::move(its_color)) {}
  SamplingPixel operator()(std::ptrdiff_t y, std::ptrdiff_t x) const {
    ++looks;
    inside &= y >= 0 && x >= 0 && y < height && x < width;
    rightmost = std::max(rightmost, x);
    return color(y, x);
  }
  Gathered gathered(std::ptrdiff_t y, std::ptrdiff_t x, int spacing = 1) const {
    return Gathered(*this, height, width, y, x, spacing,
                    {pixel_of(1000, 900, 800), pixel_of(100, 90, 80)});
  }
};

bool found(const RaySample& sample, int dy, int dx) {
  return sample.square == dy * dy + dx * dx;
}
bool none_but(const RaySamples& samples, std::size_t one) {
  bool good = true;
  for (std::size_t i = 0; i < kSamplingRays; ++i) good &= i == one || samples.of[i].square == 0;
  return good;
}

}  // namespace

TEST(sampling_has_the_constants_of_its_paper) {
  CHECK(kSamplingScale == 4 * 255 && kExpansionRadius == 10);
  CHECK(kNearColor == 4 * 10 * 4 * 10);  // ten steps of uint8
  CHECK(kSamplingRays == 4 && kSamplingPairs == 16 && kSamplingReach == 4096);
  CHECK(kSharingRadius == 5 && kSharedPairs == 3 && kSmoothingRadius == 5);
  CHECK(kShareScale % 1 == 0 && kShareScale % 2 == 0 && kShareScale % 3 == 0 && kShareScale < 12);
  CHECK(near(kSmoothingSpread, 121.0 / (9.0 * std::acos(-1.0)), 1e-3));
  CHECK(near(fit_confidence(0.0f), 1.0, 1e-7) && near(fit_confidence(0.25f), std::exp(-1.0), 1e-6));
  CHECK(gathering_place(7, 3) == 6 && gathering_place(6, 3) == 6 && gathering_place(5, 3) == 3);
  CHECK(gathering_place(2, 3) == 0 && gathering_place(9, 1) == 9);
}

TEST(colours_of_ten_bits_are_the_nearest) {
  bool good = true;
  for (int v = 0; v < 256; ++v)
    good &= ten_bits(static_cast<U8>(v)) == 4u * static_cast<unsigned>(v);
  for (int v = 0; v < 65536; ++v)  // no ties: 65535 is odd
    good &= ten_bits(static_cast<U16>(v)) ==
            static_cast<std::uint32_t>(std::floor(v * 1020.0 / 65535.0 + 0.5));
  for (int v = 0; v <= 1020; ++v)
    for (const double off : {-0.49, 0.0, 0.49})
      good &= ten_bits(static_cast<float>((v + off) / 1020.0)) == static_cast<std::uint32_t>(v);
  CHECK(good);
  CHECK(ten_bits(-1.0f) == 0 && ten_bits(2.0f) == 1020 && ten_bits(0.25f) == 255);
}

TEST(sampling_pixels_hold_a_colour_and_a_class) {
  CHECK(kSampleBackground == 0 && kSampleUnknown == 1 && kSampleForeground == 2);
  CHECK(sampling_class(25) == kSampleBackground && sampling_class(26) == kSampleUnknown);
  CHECK(sampling_class(229) == kSampleUnknown && sampling_class(230) == kSampleForeground);
  const SamplingPixel p = sampling_pixel<U8>(255, 128, 1, kSampleForeground);
  CHECK(is_color(p, 1020, 512, 4) && p.kind() == kSampleForeground);
  CHECK(p.bits == 1020u + 512u * 1024u + 4u * 1048576u + 2u * 1073741824u);
  const SamplingPixel back = p.with_kind(kSampleBackground), unknown = back.with_kind(1);
  CHECK(is_color(back, 1020, 512, 4) && back.kind() == kSampleBackground);
  CHECK(is_color(unknown, 1020, 512, 4) && unknown.kind() == kSampleUnknown);
  const SamplingPixel q = sampling_pixel<U8>(1, 2, 255, kSampleUnknown);
  CHECK(is_color(q, 4, 8, 1020) && is_color(q.with_kind(3), 4, 8, 1020) && q.kind() == 1);
  CHECK(color_distance(pixel_of(10, 20, 30), pixel_of(13, 15, 37)) == 9 + 25 + 49);
  CHECK(color_distance(pixel_of(0, 0, 0), pixel_of(1020, 1020, 1020)) == 3 * 1020 * 1020);
}

// ---- Gathering ---------------------------------------------------------------------------------

TEST(rays_have_all_slopes_a_quarter_turn_apart) {
  int count[17][17] = {};
  bool good = true;
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) {
      const SamplingRay first(y, x, 0);
      ++count[first.y][first.x];
      int turned_y = first.y, turned_x = first.x;
      for (int quarter = 0; quarter < 4; ++quarter) {
        const SamplingRay ray(y, x, quarter), again(y + 4 * 4, x + 16, quarter);
        good &= ray.x == turned_x && ray.y == turned_y && again.x == ray.x && again.y == ray.y;
        turned_y = std::exchange(turned_x, -turned_y);
      }
    }
  CHECK(good);
  for (int odd = 1; odd < 16; odd += 2) CHECK(count[odd][16] == 1 && count[16][odd] == 1);
  const auto is = [](std::ptrdiff_t y, std::ptrdiff_t x, int ray_y, int ray_x) {
    const SamplingRay ray(y, x, 0);
    return ray.y == ray_y && ray.x == ray_x;
  };
  CHECK(is(0, 0, 1, 16) && is(0, 1, 15, 16));  // neighbours are seven or four slopes apart
  CHECK(is(1, 0, 16, 7) && is(1, 1, 7, 16) && is(0, 2, 16, 3) && is(2, 0, 16, 15));
}

TEST(rays_go_to_the_nearest_pixels) {
  bool good = true;
  for (int x = 0; x < 4; ++x)
    for (int quarter = 0; quarter < 4; ++quarter) {
      const SamplingRay ray(1, x, quarter);
      for (int step = 0; step <= 100; ++step)
        good &= ray.dx(step) == std::floor(step * ray.x / 16.0 + 0.5) &&
                ray.dy(step) == std::floor(step * ray.y / 16.0 + 0.5);
    }
  CHECK(good);
}

TEST(fits_are_the_distance_to_a_segment) {
  const int colors[][3] = {{0, 0, 0},     {1020, 1020, 1020}, {300, 500, 700}, {310, 490, 720},
                           {900, 20, 40}, {5, 1000, 3},       {301, 500, 700}};
  bool good = true;
  for (const auto& i : colors)
    for (const auto& f : colors)
      for (const auto& b : colors) {
        const PairLine line({pixel_of(f[0], f[1], f[2]), pixel_of(b[0], b[1], b[2])});
        double n = 0.0, d = 0.0, square = 0.0;
        for (std::size_t c = 0; c < 3; ++c) {
          n += 1.0 * (i[c] - b[c]) * (f[c] - b[c]);
          d += 1.0 * (f[c] - b[c]) * (f[c] - b[c]);
        }
        const double alpha = d > 0.0 ? std::clamp(n / d, 0.0, 1.0) : 0.5;
        for (std::size_t c = 0; c < 3; ++c)
          square += std::pow(i[c] - alpha * f[c] - (1.0 - alpha) * b[c], 2.0);
        float along = -1.0f;
        const float error = line.error(pixel_of(i[0], i[1], i[2]), along);
        good &= near(error, square, 1e-3 + 1e-6 * square) && along == n && line.square == d;
        good &= near(line.alpha(along), alpha, 1e-6);
      }
  CHECK(good);
  CHECK(PairLine({pixel_of(3, 3, 3), pixel_of(3, 3, 3)}).alpha(0.0f) == 0.5f);
  // At the ends of the segment there is nothing to round.
  CHECK(fit_error(0.0f, 3000003.0f, 1000003.0f) == 1000003.0f);
  CHECK(fit_error(1000012.0f, 1000012.0f, 1500003.0f) == 499991.0f);
  CHECK(fit_error(-1.0f, 4.0f, 9.0f) == 9.0f && fit_error(5.0f, 4.0f, 9.0f) == 3.0f);
  CHECK(fit_error(2.0f, 4.0f, 9.0f) == 8.0f && fit_error(0.0f, 0.0f, 7.0f) == 7.0f);
}

TEST(samples_of_rays_keep_the_least_energy) {
  RaySamples samples;
  CHECK(samples.energy == INT64_MAX && samples.of[0].square == 0 && samples.of[3].square == 0);
  samples.add(2, pixel_of(1, 2, 3), -3, 4, 70);
  CHECK(samples.energy == 70 && samples.of[2].square == 25 &&
        is_color(samples.of[2].pixel, 1, 2, 3));
  samples.add(1, pixel_of(4, 5, 6), 5, 2, 80);
  CHECK(samples.energy == 70 && samples.of[1].square == 29 && samples.of[0].square == 0);
  samples.add(3, pixel_of(4, 5, 6), 0, 1, 60);
  CHECK(samples.energy == 60);
  samples.or_mean(pixel_of(7, 8, 9));
  CHECK(samples.energy == 60 && samples.of[0].square == 0);
  RaySamples none;
  none.or_mean(pixel_of(7, 8, 9));
  CHECK(none.energy == 0 && none.of[0].square == 1 && is_color(none.of[0].pixel, 7, 8, 9));
}

TEST(means_of_a_class_round_half_up) {
  ClassSums sums;
  CHECK(sums.count == 0 && sums.r == 0 && sums.g == 0 && sums.b == 0 && sums.mean().bits == 0);
  sums += ClassSums{1, 1020, 7, 0};
  CHECK(is_color(sums.mean(), 1020, 7, 0));
  sums += ClassSums{3, 0, 3, 1021};
  CHECK(sums.count == 4 && sums.r == 1020 && sums.g == 10 && sums.b == 1021);
  CHECK(is_color(sums.mean(), 255, 3, 255) && sums.mean().kind() == 0);  // 2.5 and 255.25
  CHECK(is_color(ClassSums{4, 9, 11, 4080}.mean(), 2, 3, 1020));         // 2.25, 2.75
}

// From (32, 32) the rays go (16, 1) / 16 a step, and so turned. Foreground lies to the right of an
// image, background to the left.
TEST(rays_find_the_nearest_of_each_class) {
  const Drawn image(96, 64, [](std::ptrdiff_t y, std::ptrdiff_t x) {
    return pixel_of(static_cast<int>(10 * x), 0, static_cast<int>(y),
                    x >= 36   ? kSampleForeground
                    : x <= 29 ? kSampleBackground
                              : kSampleUnknown);
  });
  for (const auto& [place, spacing] : {std::pair{32, 1}, std::pair{32, 2}}) {
    const Gathered g = image.gathered(place, place, spacing);
    CHECK(image.inside);
    // Right, four steps of ten levels; below and above nothing is near enough.
    CHECK(found(g.fronts.of[0], 0, 4) && is_color(g.fronts.of[0].pixel, 360, 0, 32));
    CHECK(none_but(g.fronts, 0) && g.fronts.energy == 400);
    // Left, three; down, 32 steps of a row, five of two rows, three columns on the way.
    CHECK(found(g.backs.of[2], 0, -3) && is_color(g.backs.of[2].pixel, 290, 0, 32));
    CHECK(found(g.backs.of[1], 42, -3) && is_color(g.backs.of[1].pixel, 290, 0, 74));
    CHECK(g.backs.of[0].square == 0 && g.backs.of[3].square == 0 && g.backs.energy == 300);
    CHECK(near(g.front_likely, 3.0 / 7.0, 1e-15));
  }
  // Of every third pixel this is (10, 10), whose first ray goes three columns in sixteen rows.
  const Gathered by_threes = image.gathered(32, 32, 3);
  CHECK(found(by_threes.fronts.of[0], 19, 4));
}

TEST(energies_are_summed_over_the_steps_of_a_ray) {
  // The same way down, of the only background.
  const Drawn image(96, 64, [](std::ptrdiff_t y, std::ptrdiff_t x) {
    return pixel_of(static_cast<int>(10 * x), 0, static_cast<int>(y),
                    x <= 29 && y >= 40 ? kSampleBackground : kSampleUnknown);
  });
  const Gathered g = image.gathered(32, 32);
  CHECK(found(g.backs.of[1], 42, -3) && none_but(g.backs, 1) && image.inside);
  CHECK(g.backs.energy == 32 * 1 + 5 * 4 + 3 * 100);
  // No foreground: its mean stands for it, a pixel away.
  CHECK(g.fronts.energy == 0 && g.fronts.of[0].square == 1);
  CHECK(is_color(g.fronts.of[0].pixel, 1000, 900, 800) && g.front_likely == 1.0);
}

TEST(rays_reach_the_edges_of_the_image) {
  const Drawn image(33, 33, [](std::ptrdiff_t y, std::ptrdiff_t x) {
    return pixel_of(static_cast<int>(x), static_cast<int>(y), 0,
                    x == 32 || y == 0   ? kSampleForeground
                    : x == 0 || y == 32 ? kSampleBackground
                                        : kSampleUnknown);
  });
  const Gathered g = image.gathered(16, 16);
  CHECK(image.inside && image.looks == 4 * 17);
  CHECK(found(g.fronts.of[0], 1, 16) && is_color(g.fronts.of[0].pixel, 32, 17, 0));
  CHECK(found(g.backs.of[1], 16, -1) && is_color(g.backs.of[1].pixel, 15, 32, 0));
  CHECK(found(g.backs.of[2], -1, -16) && is_color(g.backs.of[2].pixel, 0, 15, 0));
  CHECK(found(g.fronts.of[3], -16, 1) && is_color(g.fronts.of[3].pixel, 17, 0, 0));
  CHECK(g.fronts.energy == 17 && g.backs.energy == 17 && g.front_likely == 0.5);
}

TEST(rays_take_the_first_of_a_class_and_end_with_the_second_class) {
  for (const bool front_first : {true, false}) {
    const auto first = front_first ? kSampleForeground : kSampleBackground;
    const auto second = front_first ? kSampleBackground : kSampleForeground;
    const Drawn image(8, 32, [=](std::ptrdiff_t, std::ptrdiff_t x) {
      return pixel_of(static_cast<int>(x), 0, 0,
                      x == 3 || x == 4              ? first
                      : x == 6 || x == 7 || x == 20 ? second
                                                    : kSampleUnknown);
    });
    const Gathered g = image.gathered(0, 0);
    CHECK(image.inside && image.rightmost == 6);
    const RaySamples& near_ones = front_first ? g.fronts : g.backs;
    const RaySamples& far_ones = front_first ? g.backs : g.fronts;
    CHECK(found(near_ones.of[0], 0, 3) && none_but(near_ones, 0) && near_ones.energy == 3);
    CHECK(found(far_ones.of[0], 0, 6) && none_but(far_ones, 0) && far_ones.energy == 6);
    CHECK(near(g.front_likely, front_first ? 6.0 / 9.0 : 3.0 / 9.0, 1e-15));
  }
}

TEST(rays_end_at_their_reach) {
  const Drawn unknown(20000, 20000,
                      [](std::ptrdiff_t, std::ptrdiff_t) { return pixel_of(9, 9, 9); });
  const Gathered nothing = unknown.gathered(8000, 8000);
  CHECK(unknown.looks == 4 * (1 + 175) && unknown.rightmost == 8000 + 4038);
  // Means of both classes, and no way to tell them apart.
  CHECK(nothing.fronts.of[0].square == 1 && nothing.backs.of[0].square == 1);
  CHECK(is_color(nothing.fronts.of[0].pixel, 1000, 900, 800));
  CHECK(is_color(nothing.backs.of[0].pixel, 100, 90, 80));
  CHECK(nothing.front_likely == 0.5);
}

TEST(costs_of_pairs_are_the_papers_objective) {
  Drawn image(8, 32, [](std::ptrdiff_t, std::ptrdiff_t x) {
    return pixel_of(static_cast<int>(x), 0, 0,
                    x == 1   ? kSampleForeground
                    : x == 4 ? kSampleBackground
                             : kSampleUnknown);
  });
  const Gathered g = image.gathered(0, 0);
  CHECK(g.front_likely == 0.8);
  RaySample front, back;
  front.square = 9, back.square = 4;
  // N^3 A^2 |F| |B|^4, A being 0.8 where alpha is 0 and 0.2 where it is 1
  CHECK(near(g.cost(front, back, 2.0f, 0.0f), 8.0 * 0.64 * 3.0 * 16.0, 1e-9));
  CHECK(near(g.cost(front, back, 2.0f, 1.0f), 8.0 * 0.04 * 3.0 * 16.0, 1e-9));
  CHECK(near(g.cost(front, back, 3.0f, 0.5f), 27.0 * 0.25 * 3.0 * 16.0, 1e-9));
}

// ---- Expansion ---------------------------------------------------------------------------------

TEST(expansion_disks_are_sorted_by_distance) {
  struct {
    ExpansionDisk disk;
    ExpansionOffset behind[4];
  } room;
  for (auto& offset : room.behind) offset = {77, 77};
  new (&room.disk) ExpansionDisk(expansion_disk());
  CHECK(room.behind[0].y == 77 && kExpansionOffsets == 316);
  int inside = -1;  // all but the centre
  for (int y = -12; y <= 12; ++y)
    for (int x = -12; x <= 12; ++x) inside += y * y + x * x <= 100;
  CHECK(inside == kExpansionOffsets);
  bool good = true;
  const auto order = [](const ExpansionOffset& o) {
    return ((o.y * o.y + o.x * o.x) * 64 + o.y + 32) * 64 + o.x + 32;
  };
  for (std::size_t i = 0; i < kExpansionOffsets; ++i) {
    const ExpansionOffset& o = room.disk.offset[i];
    good &= o.y * o.y + o.x * o.x > 0 && o.y * o.y + o.x * o.x <= 100;
    good &= i == 0 || order(room.disk.offset[i - 1]) < order(o);
  }
  CHECK(good);
}

// ---- Sharing -----------------------------------------------------------------------------------

namespace {

// The least squares of i = alpha f + (1 - alpha) b with alpha in [0, 1].
struct Fit {
  double alpha = 0.5, error = 0.0, length = 0.0;

  Fit(const float (&i)[3], const float (&f)[3], const float (&b)[3]) {
    double n = 0.0, square = 0.0;
    for (std::size_t c = 0; c < 3; ++c) {
      const double span = double{f[c]} - double{b[c]};
      n += (double{i[c]} - double{b[c]}) * span;
      length += span * span;
    }
    if (length > 0.0) alpha = std::clamp(n / length, 0.0, 1.0);
    for (std::size_t c = 0; c < 3; ++c)
      square += std::pow(double{i[c]} - alpha * double{f[c]} - (1.0 - alpha) * double{b[c]}, 2.0);
    error = std::sqrt(square);
    length = std::sqrt(length);
  }
};

}  // namespace

TEST(lines_between_two_colours_fit_a_third) {
  const float colors[][3] = {{0.1f, 0.9f, 0.3f}, {0.8f, 0.2f, 0.4f}, {0.5f, 0.5f, 0.1f},
                             {0.0f, 0.0f, 0.0f}, {1.0f, 0.7f, 0.6f}, {0.11f, 0.9f, 0.31f}};
  bool good = true;
  for (const auto& i : colors)
    for (const auto& f : colors)
      for (const auto& b : colors) {
        const LineFit fit(i, f, b);
        const Fit wanted(i, f, b);
        good &= near(fit.alpha, wanted.alpha, 1e-4) && near(fit.error, wanted.error, 1e-5);
        good &= near(fit.length, wanted.length, 1e-6) && fit.is_line() == (&f != &b);
      }
  CHECK(good);
  // Colours half a step apart are one, those farther apart two.
  constexpr float kLeast = 0.5f / 1020.0f;
  CHECK(LineFit::kLeastLength == kLeast);
  const float black[3] = {}, close[3] = {kLeast, 0.0f, 0.0f},
              apart[3] = {1.01f * kLeast, 0.0f, 0.0f};
  const LineFit one(black, close, black), two(black, apart, black);
  CHECK(!one.is_line() && one.alpha == 0.5f && near(one.error, 0.25 / 1020.0, 1e-9));
  CHECK(two.is_line() && two.alpha == 0.0f && two.error == 0.0f);
}

TEST(pairs_are_averaged_without_rounding) {
  const SamplingPair pairs[] = {{pixel_of(1000, 800, 600), pixel_of(100, 200, 301)},
                                {pixel_of(990, 810, 585), pixel_of(140, 203, 300)},
                                {pixel_of(1020, 777, 603), pixel_of(90, 206, 300)}};
  const SamplingPixel own = pixel_of(600, 520, 430);
  PairMean mean;
  CHECK(mean.count == 0 && mean.front[0] == 0 && mean.front[2] == 0 && mean.back[1] == 0);
  const SharedPair none = mean.shared(own);
  CHECK(none.alpha == 32768 && none.confidence == 1);
  for (std::size_t c = 0; c < 3; ++c) CHECK(none.front[c] == 0 && none.back[c] == 0);
  int front[3] = {}, back[3] = {};
  for (int n = 1; n <= 3; ++n) {
    const SamplingPair& pair = pairs[n - 1];
    mean.add(pair);
    const int f[] = {pair.front.r(), pair.front.g(), pair.front.b()};
    const int b[] = {pair.back.r(), pair.back.g(), pair.back.b()};
    const SharedPair shared = mean.shared(own);
    CHECK(mean.count == n);
    for (std::size_t c = 0; c < 3; ++c) {
      front[c] += f[c], back[c] += b[c];
      CHECK(mean.front[c] == front[c] && mean.back[c] == back[c]);
      CHECK(shared.front[c] * n == front[c] * 6 && shared.back[c] * n == back[c] * 6);
    }
    const auto unit = [&](const int (&v)[3], double scale, std::size_t c) {
      return static_cast<float>(v[c] * scale / 1020.0);
    };
    const int i[] = {600, 520, 430};
    const float own_color[] = {unit(i, 1.0, 0), unit(i, 1.0, 1), unit(i, 1.0, 2)};
    const float mean_f[] = {unit(front, 1.0 / n, 0), unit(front, 1.0 / n, 1),
                            unit(front, 1.0 / n, 2)};
    const float mean_b[] = {unit(back, 1.0 / n, 0), unit(back, 1.0 / n, 1), unit(back, 1.0 / n, 2)};
    const Fit fit(own_color, mean_f, mean_b);
    CHECK(near(shared.alpha, 65535.0 * fit.alpha, 1.0));
    CHECK(near(shared.confidence, 65535.0 * std::exp(-4.0 * fit.error), 1.0));
  }
}

// ---- Smoothing ---------------------------------------------------------------------------------

TEST(smoothing_takes_in_what_a_pixel_knows) {
  const SharedPair pair = {{6120, 3060, 1530}, {0, 1020, 6120}, 49151, 32768};
  const auto of = [&](std::uint32_t kind) { return SmoothingInput(pixel_of(1, 2, 3, kind), pair); };
  for (const auto kind : {kSampleForeground, kSampleBackground}) {
    const SmoothingInput known = of(kind);
    for (std::size_t i = 0; i < kSmoothingInputs; ++i) {
      const bool is_one = i == kSmoothKnown || (i == kSmoothAlpha && kind == kSampleForeground);
      CHECK(known.value[i] == (is_one ? 1.0f : 0.0f));
    }
  }
  const SmoothingInput unknown = of(kSampleUnknown);
  const double f[] = {1.0, 0.5, 0.25}, b[] = {0.0, 1.0 / 6.0, 1.0};
  const double alpha = 49151.0 / 65535.0, confidence = 32768.0 / 65535.0;
  const double pairs = confidence * alpha * (1.0 - alpha);
  double square = 0.0;
  const float* value = unknown.value;
  for (std::size_t c = 0; c < 3; ++c) {
    square += (f[c] - b[c]) * (f[c] - b[c]);
    CHECK(near(value[c], f[c], 1e-6) && near(value[3 + c], b[c], 1e-6));
  }
  CHECK(kSmoothFront == 0 && kSmoothBack == 3 && kSmoothAlpha == 6 && kSmoothingInputs == 11);
  CHECK(near(value[6], alpha, 1e-6) && near(value[7], confidence, 1e-6) && value[8] == 0.0f);
  CHECK(near(value[9], pairs, 1e-6) && near(value[10], pairs * std::sqrt(square), 1e-6));
}

TEST(smoothing_adds_by_its_weights) {
  CHECK(kSumFront == 0 && kSumBack == 3 && kSumFrontWeight == 6 && kSmoothingSums == 12);
  // Known pixels have no confidence; here all have all, so that each term is seen.
  const float q[kSmoothingInputs] = {0.9f,  0.8f, 0.7f,  0.1f,  0.2f, 0.3f,
                                     0.75f, 0.5f, 0.25f, 0.15f, 0.35f};
  for (const double own : {0.25, 0.75, 1.0})
    for (const double same : {0.0, 1.0}) {
      float sum[kSmoothingSums];
      std::fill(std::begin(sum), std::end(sum), 2.0f);
      add_smoothing(static_cast<float>(own), q, 0.625f, static_cast<float>(same), sum);
      const double weight = 0.625 * 0.5, unlike = weight * (std::fabs(own - 0.75) + same);
      const double front = unlike * 0.75 + 1e-5 * weight, back = unlike * 0.25 + 1e-5 * weight;
      const double low = weight + 0.25 * 1.625;
      const double wanted[kSmoothingSums] = {front * 0.9, front * 0.8, front * 0.7, back * 0.1,
                                             back * 0.2,  back * 0.3,  front,       back,
                                             0.15,        0.35,        low * 0.75,  low};
      for (std::size_t i = 0; i < kSmoothingSums; ++i)
        CHECK(near(static_cast<double>(sum[i]) - 2.0, wanted[i], 4e-7));
    }
  // Where all alphas are one, the least weights are all there is.
  float sum[kSmoothingSums] = {};
  add_smoothing(0.75f, q, 0.625f, 0.0f, sum);
  CHECK(near(sum[kSumFrontWeight] / (0.625 * 0.5), 1e-5, 1e-10));
  CHECK(near(sum[kSumBackWeight] / (0.625 * 0.5), 1e-5, 1e-10));
  CHECK(near(sum[kSumFront + 2] / sum[kSumFrontWeight], 0.7, 1e-6));
}

TEST(smoothed_alpha_is_the_fit_as_far_as_it_is_sure) {
  const float f[3] = {0.9f, 0.8f, 0.2f}, b[3] = {0.1f, 0.3f, 0.6f};
  const float own[3] = {612.0f / 1020.0f, 510.0f / 1020.0f, 408.0f / 1020.0f};
  const SamplingPixel pixel = pixel_of(612, 510, 408);
  const Fit fit(own, f, b);
  const double length = fit.length;
  CHECK(fit.alpha > 0.4 && fit.alpha < 0.7 && fit.error > 0.01);
  for (const double pairs : {0.1, 0.4}) {
    float sum[kSmoothingSums] = {};
    for (std::size_t c = 0; c < 3; ++c) sum[c] = 3.0f * f[c], sum[3 + c] = 0.25f * b[c];
    sum[6] = 3.0f, sum[7] = 0.25f, sum[8] = static_cast<float>(pairs), sum[9] = 0.2f;
    sum[10] = 0.125f, sum[11] = 0.5f;
    // Means nearer to each other than the pairs were count for less.
    const double apart = std::min(1.0, length * pairs / 0.2);
    const double confidence = apart * std::exp(-4.0 * fit.error);
    const SmoothedAlpha smoothed = smoothed_alpha(pixel, sum);
    CHECK((apart < 1.0) == (pairs == 0.1));
    CHECK(near(smoothed.confidence, confidence, 1e-5));
    CHECK(near(smoothed.alpha, confidence * fit.alpha + (1.0 - confidence) * 0.25, 1e-5));
  }
  // Means that are one tell nothing, and neither do pairs of no length.
  float one[kSmoothingSums] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f,
                               1.0f, 1.0f, 1.0f, 0.0f, 0.3f, 0.4f};
  const SmoothedAlpha low = smoothed_alpha(pixel, one);
  CHECK(low.confidence == 0.0f && near(low.alpha, 0.75, 1e-6));
  // No pairs, no lengths: nothing says that the means lie too near.
  float none[kSmoothingSums] = {1.0f, 1.0f, 1.0f, 0.0f, 0.0f, 0.0f,
                                1.0f, 1.0f, 0.0f, 0.0f, 0.3f, 0.4f};
  const SmoothedAlpha sure = smoothed_alpha(pixel_of(510, 510, 510), none);
  CHECK(near(sure.confidence, 1.0, 1e-6) && near(sure.alpha, 0.5, 1e-6));
}

TEST(smoothing_weights_are_gaussian) {
  struct {
    SmoothingWeights weights;
    float behind[4];
  } room;
  std::fill(std::begin(room.behind), std::end(room.behind), -1.0f);
  new (&room.weights) SmoothingWeights(smoothing_weights());
  CHECK(room.behind[0] == -1.0f && std::size(room.weights.near) == 121);
  bool good = true;
  const float* weight = room.weights.near;
  for (int y = -5; y <= 5; ++y)
    for (int x = -5; x <= 5; ++x) good &= near(*weight++, std::exp(-(y * y + x * x) / 4.28), 1e-6);
  CHECK(good);
}

TEST(trimaps_without_a_class_are_of_the_other) {
  const OneSided front(true, false), back(false, true), none(false, false);
  CHECK(front.alpha == 1.0f && front.confidence == 1.0f);
  CHECK(back.alpha == 0.0f && back.confidence == 1.0f);
  CHECK(none.alpha == 0.5f && none.confidence == 0.0f);
}

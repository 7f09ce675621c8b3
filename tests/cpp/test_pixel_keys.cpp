// The arithmetic of one pixel against its definition, number by number: keys, screens, trimaps,
// edges, alpha between known colours, alpha over time. tools/mutate.py says what these tests miss.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "check.hpp"
#include "pixel/choke.hpp"
#include "pixel/feather.hpp"
#include "pixel/grid.hpp"
#include "pixel/key.hpp"
#include "pixel/key_soft.hpp"
#include "pixel/project.hpp"
#include "pixel/screen.hpp"
#include "pixel/stabilize.hpp"
#include "pixel/trimap.hpp"

using namespace trimatte;
using trimatte::test::near;

namespace {

using U8 = std::uint8_t;
using U16 = std::uint16_t;

}  // namespace

TEST(key_alpha_falls_over_its_ramp) {
  CHECK(key_alpha(30.0, 30.0, 0.0) == 1.0 && key_alpha(30.001, 30.0, 0.0) == 0.0);
  CHECK(key_alpha(-5.0, 0.0, 0.0) == 1.0);
  CHECK(key_alpha(30.0, 30.0, 20.0) == 1.0 && key_alpha(50.0, 30.0, 20.0) == 0.0);
  CHECK(key_alpha(35.0, 30.0, 20.0) == 0.75 && key_alpha(200.0, 30.0, 20.0) == 0.0);
  CHECK(key_level<U8>(45, 1.0, {1, 30.0, 30.0}) == 128);  // 127.5, half up
  CHECK(key_level<U8>(36, 1.0, {1, 30.0, 30.0}) == 204);
  CHECK(key_level<U16>(257 * 36, 257.0, {1, 30.0, 30.0}) == 52428);
  CHECK(near(key_level<float>(36, 1.0, {1, 30.0, 30.0}), 0.8, 1e-7));
  CHECK(key_level<U8>(30, 1.0, {1, 30.0, 0.0}) == 255 &&
        key_level<U8>(31, 1.0, {1, 30.0, 0.0}) == 0);
  CHECK(larger(2, 3) == 3 && larger(3, 2) == 3);
}

TEST(soft_keys_are_their_formulas) {
  constexpr double kWeights[2][2][3] = {
      {{-0.16874, -0.33126, 0.5}, {0.5, -0.41869, -0.08131}},
      {{-0.100644, -0.338572, 0.439216}, {0.439216, -0.398942, -0.040274}}};
  const double key[] = {0.1, 0.8, 0.3};
  for (const auto method : {SoftKeyMethod::kFfmpeg, SoftKeyMethod::kObs})
    for (const bool linear : {false, true}) {
      SoftKeyOptions options;
      options.method = method;
      options.linear = linear;
      for (int c = 0; c < 3; ++c) options.color[c] = key[c];
      options.tolerance = 0.25;
      options.softness = 0.5;
      options.black = 0.1;
      options.white = 0.9;
      const SoftKeyRule rule = soft_key_rule(options);
      double light[3], own[2] = {};
      const auto& weights = kWeights[method == SoftKeyMethod::kObs];
      for (int c = 0; c < 3; ++c) {
        light[c] = linear ? std::pow((key[c] + 0.055) / 1.055, 2.4) : key[c];
        for (int axis = 0; axis < 2; ++axis) own[axis] += weights[axis][c] * light[c];
      }
      const double unit = std::hypot(own[0], own[1]), pixel[] = {0.5, 0.4, 0.2};
      double u = -own[0], v = -own[1];
      for (int c = 0; c < 3; ++c) u += weights[0][c] * pixel[c], v += weights[1][c] * pixel[c];
      const Chroma chroma = chroma_of(0.5f, 0.4f, 0.2f, rule.chroma);
      CHECK(near(chroma.u, u / unit, 1e-6) && near(chroma.v, v / unit, 1e-6));
      CHECK(near(length_of(chroma), std::hypot(u, v) / unit, 1e-6));
      CHECK(near(rule.inverse, 1.0 / (light[1] - light[2]), 1e-5));
      CHECK(rule.linear == linear && rule.k == 1 && rule.a == 2 && rule.b == 0);

      const auto leveled_to = [](double alpha) {
        return std::min(std::max((alpha - 0.1) / 0.8, 0.0), 1.0);
      };
      for (const double mean : {0.2, 0.25, 0.4, 0.5, 0.75, 0.9}) {
        const double part = std::min(std::max((mean - 0.25) / 0.5, 0.0), 1.0);
        const auto nine = static_cast<float>(9.0 * mean);
        CHECK(near(ffmpeg_alpha(nine, rule), leveled_to(part), 1e-5));
        const auto taps = static_cast<float>(4.0 * mean), alone = static_cast<float>(mean);
        CHECK(near(obs_alpha(taps, alone, rule), leveled_to(std::pow(part, 1.5)), 1e-5));
        CHECK(near(obs_alpha(nine / 2.0f, 0.0f, rule), leveled_to(std::pow(part, 1.5)), 1e-5));
      }
      CHECK(near(leveled(0.5f, rule), 0.5, 1e-6) && leveled(0.05f, rule) == 0.0f);
      CHECK(leveled(0.95f, rule) == 1.0f && near(leveled(0.3f, rule), 0.25, 1e-6));
    }
}

TEST(soft_keys_by_difference_and_plate) {
  SoftKeyOptions options;
  options.color[0] = 0.02;  // below the knee of the curve
  options.linear = true;
  const SoftKeyRule rule = soft_key_rule(options);
  CHECK(near(rule.inverse, 1.0 / (1.0 - 0.02 / 12.92), 1e-6));
  CHECK(near(vlahos_alpha(0.7f, 0.2f, 0.3f, 2.0f, rule), 0.2, 1e-6));
  CHECK(vlahos_alpha(0.9f, 0.2f, 0.3f, 2.0f, rule) == 0.0f);
  CHECK(vlahos_alpha(0.1f, 0.2f, 0.3f, 2.0f, rule) == 1.0f);
  CHECK(near(plate_alpha(0.1f, 0.2f, 0.3f, 1.0f, 2.0f, -1.0f, 0.25f, rule), 0.45, 1e-6));
  CHECK(near(inverse_difference(0.9f, 0.1f, 0.4f), 2.0, 1e-6));
  CHECK(near(inverse_difference(0.4f, 0.1f, 0.9f), 255.0, 1e-3));  // no screen
  CHECK(near(tap_distance({0.2f, 0.6f}, {0.4f, 0.2f}), 0.5, 1e-6));
  CHECK(held_to_unit(-1.0f) == 0.0f && held_to_unit(2.0f) == 1.0f && held_to_unit(0.5f) == 0.5f);
  // Without softness a step: up to the tolerance, itself included, nothing.
  options.softness = 0.0;
  options.tolerance = 0.25;
  const SoftKeyRule step = soft_key_rule(options);
  CHECK(ffmpeg_alpha(9.0f * 0.25f, step) == 0.0f && ffmpeg_alpha(9.0f * 0.2501f, step) == 1.0f);
  for (int k = 0; k < 3; ++k) {
    options.channel = k;
    const SoftKeyRule other = soft_key_rule(options);
    CHECK(other.k == k && other.a == (k + 1) % 3 && other.b == (k + 2) % 3);
  }
}

TEST(chroma_is_a_colour_without_its_brightness) {
  const ChromaDirection c = chroma_direction(0.6f, 0.4f, 0.2f);
  CHECK(near(c.r, 0.2, 1e-6) && near(c.g, 0.0, 1e-6) && near(c.b, -0.2, 1e-6));
  CHECK(near(length({1.0f, 2.0f, 2.0f}), 3.0, 1e-6));
}

TEST(grids_are_sampled_between_their_cells) {
  const auto first = grid_point(0, 0.125, 5), middle = grid_point(9, 0.125, 5),
             last = grid_point(39, 0.125, 5);
  CHECK(first.low == 0 && first.high == 0);  // before the first cell's middle
  CHECK(middle.low == 0 && middle.high == 1 && near(middle.t, 0.6875, 1e-12));
  CHECK(last.low == 4 && last.high == 4);
  CHECK(grid_scale(5, 40, 0) == 0.125 && grid_scale(5, 40, 4) == 0.25);
  CHECK(mix(2.0, 6.0, 0.25) == 3.0);
}

TEST(trimaps_have_three_classes) {
  CHECK(trimap_is_background(25) && !trimap_is_background(26));
  CHECK(trimap_is_foreground(230) && !trimap_is_foreground(229));
  CHECK(trimap_alpha(0, 0.4f) == 0.0f && trimap_alpha(255, 0.4f) == 1.0f);
  CHECK(trimap_alpha(128, 0.4f) == 0.4f);
}

TEST(bounds_of_masks_on_their_samples) {
  const MaskBounds<U8> whole(10.0, 240.0), part(10.2, 239.8), nearly(10.0 + 1e-9, 240.0 - 1e-9);
  CHECK(whole.is_background(9) && !whole.is_background(10));
  CHECK(whole.is_foreground(241) && !whole.is_foreground(240));
  CHECK(part.is_background(10) && !part.is_background(11));
  CHECK(part.is_foreground(240) && !part.is_foreground(239));
  CHECK(nearly.is_background(9) && !nearly.is_background(10) && !nearly.is_foreground(240));
  const MaskBounds<U8> just(10.05, 239.95);
  CHECK(just.is_background(10) && just.is_foreground(240));
  const MaskBounds<float> unit(0.25, 0.75);
  CHECK(unit.is_background(0.2499f) && !unit.is_background(0.25f));
  CHECK(unit.is_foreground(0.7501f) && !unit.is_foreground(0.75f));
}

TEST(bands_follow_the_softness_of_a_mask) {
  CHECK(near(auto_radius(2.0, 3.0), 4.5, 1e-9));    // 3 x 0.75 x 2
  CHECK(near(auto_radius(0.4, 3.0), 7.5, 1e-9));    // a hard edge: 3 x (3 - 0.5)
  CHECK(near(auto_radius(20.0, 3.0), 12.0, 1e-9));  // 3 x 4 at most
  CHECK(auto_radius(2.0, 0.1) == 1.0);              // and a pixel at least
  const MaskContour straight{400, 400};
  const double width = 400.0 / (400 * std::acos(-1.0) / 8 * 2.0);
  CHECK(near(auto_radius(straight, 2.0), auto_radius(width, 2.0), 1e-9));
  CHECK(near(auto_radius(MaskContour{0, 0}, 2.0), 6.0, 1e-9));
}

TEST(disks_hold_what_lies_within_their_radius) {
  CHECK(disk_square(2.5, 100, 100) == 6 && disk_square(std::sqrt(5.0), 100, 100) == 5);
  CHECK(disk_square(1e9, 3, 4) == 25 && disk_square(3.0, 100, 100) == 9);
  // The root of a whole number stands for it, on whichever side its square has been rounded to.
  for (const std::int64_t whole : {2, 3, 6, 7, 99999900, 99999908, 99999913, 99999915})
    CHECK(disk_square(std::sqrt(static_cast<double>(whole)), 20000, 20000) == whole);
  const Disks disks = disks_of({2.0, 3.0}, 100, 100);
  CHECK(disks.outside == 4 && disks.inside == 9);
  bool good = true;
  for (int square = 0; square < 200; ++square)
    for (int dy = 0; dy < 16; ++dy) {
      int wanted = -1;
      for (int dx = 0; dx * dx + dy * dy <= square; ++dx) wanted = dx;
      good &= disk_half_width(square, dy) == wanted && disk_half_width(square, -dy) == wanted;
    }
  CHECK(good);
}

TEST(chokes_between_two_disks) {
  const ChokeDisks disks = choke_disks({-2.25}), whole = choke_disks({3.0});
  CHECK(disks.lower == 2 && disks.upper == 3 && disks.part == 0.25f);
  CHECK(whole.lower == 3 && whole.upper == 3 && whole.part == 0.0f);
  bool good = true;
  for (int radius = 1; radius <= kLargestChoke; ++radius) {
    int half = radius;
    for (int row = 1; row <= radius; ++row) {
      half -= choke_step(radius, row);
      int wanted = 0;
      while ((wanted + 1) * (wanted + 1) + row * row <= radius * radius) ++wanted;
      good &= half == wanted;
    }
  }
  for (int wanted = 1; wanted <= 20; ++wanted)
    for (int covered = 0; covered < wanted; ++covered) {
      const int shift = choke_shift(wanted, covered);
      good &= shift == std::min(wanted - covered, 2 * covered + 1);
    }
  CHECK(good);
  CHECK(choke_pick<false>(2, 3) == 2 && choke_pick<false>(3, 2) == 2);
  CHECK(choke_pick<true>(2, 3) == 3 && choke_pick<true>(3, 2) == 3);
  CHECK((choke_outside<false, U8>() == 255 && choke_outside<false, U16>() == 65535));
  CHECK((choke_outside<false, float>() == 1.0f && choke_outside<true, float>() == 0.0f));
  CHECK((choke_outside<true, U8>() == 0 && choke_outside<true, U16>() == 0));
  CHECK(choke_between<U8>(10, 20, 0.25f) == 13 && choke_between<U8>(10, 20, 0.0f) == 10);  // 12.5
  CHECK(choke_between(0.5f, 0.25f, 0.5f) == 0.375f);
}

TEST(feathers_are_gaussian_and_sum_to_one) {
  for (const double radius : {0.1, 0.7, 2.0, 10.5, 64.0}) {
    const FeatherWeights weights({radius});
    CHECK(weights.half == static_cast<int>(std::ceil(3.0 * radius)));
    double sum = weights.at[0], total = 1.0;
    for (int i = 1; i <= weights.half; ++i) {
      sum += 2.0 * weights.at[i];
      total += 2.0 * std::exp(-0.5 * i * i / (radius * radius));
    }
    CHECK(sum == 1.0);
    bool good = true;
    for (int i = 0; i <= weights.half; ++i) {
      const double wanted = std::exp(-0.5 * i * i / (radius * radius)) / total;
      // The middle one takes the rounding of all others.
      good &= near(weights.at[i], wanted, i ? 1e-7 : 2e-5);
      good &= std::fmod(weights.at[i] * (1 << 23), 1.0) == 0.0;
    }
    CHECK(good);
  }
  const FeatherWeights none({0.0});
  CHECK(none.half == 0 && none.at[0] == 1.0f);
  CHECK(feathered<U8>(12.5f) == 13 && feathered<U8>(12.4f) == 12 && feathered<U16>(7.5f) == 8);
  CHECK(feathered<float>(1.5f) == 1.0f && feathered<float>(0.25f) == 0.25f);
}

TEST(alpha_between_two_colours) {
  const ProjectLevels plain = project_levels(0.0f), noisy = project_levels(0.1f);
  CHECK(plain.gain == 1.0f && plain.offset == 0.0f);
  CHECK(near(noisy.gain, 1.25, 1e-6) && near(noisy.offset, -0.125, 1e-6));
  const double f[] = {0.9, 0.3, 0.5}, b[] = {0.1, 0.7, 0.2}, p[] = {0.55, 0.45, 0.6};
  double d[3], mean = 0.0, length = 0.0, along = 0.0;
  for (int c = 0; c < 3; ++c) d[c] = f[c] - b[c], mean += d[c] / 3.0;
  for (int c = 0; c < 3; ++c) {
    const double w = d[c] - 0.75 * mean;
    length += w * d[c];
    along += w * (p[c] - b[c]);
  }
  const auto alpha = [&](const double* at, const ProjectLevels& levels) {
    return project_pixel(static_cast<float>(at[0]), static_cast<float>(at[1]),
                         static_cast<float>(at[2]), 0.9f, 0.3f, 0.5f, 0.1f, 0.7f, 0.2f, 0.4f,
                         levels);
  };
  CHECK(near(alpha(p, plain), along / length, 1e-5));
  CHECK(near(alpha(p, noisy), 1.25 * along / length - 0.125, 1e-5));
  CHECK(alpha(f, noisy) == 1.0f && alpha(b, noisy) == 0.0f);
  // Colours that cannot be told apart tell nothing.
  CHECK(project_pixel(0.5f, 0.5f, 0.5f, 0.2f, 0.3f, 0.4f, 0.2f, 0.3f, 0.4f, 0.4f, plain) == 0.4f);
  const float close = 0.2f + 2e-3f;
  CHECK(project_pixel(close, 0.3f, 0.4f, close, 0.3f, 0.4f, 0.2f, 0.3f, 0.4f, 0.4f, plain) > 0.9f);
}

TEST(differences_over_time) {
  CHECK(difference_level(U8{77}) == 77 && difference_level(1.0f) == 1020);
  CHECK(difference_level(U16{65535}) == 1020);
  CHECK(kDifferenceSteps<U8> == 1.0 && kDifferenceSteps<U16> == 4.0);
  CHECK(largest_magnitude(-5, 3, 4) == 5 && largest_magnitude(1, -6, 2) == 6);
  CHECK(largest_magnitude(1, 2, -7) == 7 && largest_magnitude(8, 2, -7) == 8);
  CHECK(difference_bin(255) == 255 && difference_bin(256) == 255 && difference_bin(12) == 12);
  const U8 now[] = {10, 200, 30}, before[] = {12, 190, 35};
  CHECK(pixel_difference(now, before) == 10);

  std::uint32_t counts[kDifferenceBins] = {};
  counts[3] = 4, counts[5] = 6;
  std::uint64_t below = 0;
  CHECK(middle_bin(counts, 10, below) == 5 && below == 4);
  counts[3] = 5, counts[5] = 5;
  CHECK(middle_bin(counts, 10, below) == 3 && below == 0);
  counts[3] = 6, counts[5] = 4;
  CHECK(middle_bin(counts, 10, below) == 3 && below == 0);
}

TEST(steadying_follows_the_noise) {
  StabilizeCounts counts;
  counts.grain[4] = 1000;
  counts.change[3] = 1000;
  const StabilizeRule rule = stabilize_rule(counts, 1.0, {0.75});
  const double noise = 0.742 * 4.0;  // the middle of bin 4 is 4.0
  CHECK(near(rule.slope, 4.0 / (9.0 * noise), 1e-6));
  CHECK(near(rule.offset, 0.25 - 4.0 * 1.4, 1e-6) && near(rule.least, 0.25, 1e-6));
  CHECK(rule.gain(0) == rule.least && rule.gain(100000) == 1.0f);
  const int sum = 9 * 5;  // a mean difference of 5
  CHECK(near(rule.gain(sum), std::min(1.0, 4.0 * (5.0 / noise - 1.4) + 0.25), 1e-5));

  counts.change[3] = 0;
  counts.change[6] = 1000;  // more than twice the noise: another scene
  CHECK(stabilize_rule(counts, 1.0, {0.75}).gain(0) == 1.0f);
  CHECK(stabilize_rule({}, 1.0, {0.75}).gain(0) == 1.0f);

  StabilizeCounts still;
  still.grain[0] = still.change[0] = 100;
  CHECK(near(stabilize_rule(still, 4.0, {0.5}).slope, 4.0 / (9.0 * 2.0), 1e-6));  // half a step
  StabilizeCounts wild;
  wild.grain[200] = wild.change[3] = 100;
  CHECK(near(stabilize_rule(wild, 1.0, {0.5}).slope, 4.0 / (9.0 * 16.0), 1e-6));
  // Within a bin by its share: a quarter below, so the middle lies at a third of the bin.
  StabilizeCounts shared;
  shared.grain[3] = 25, shared.grain[4] = 75, shared.change[1] = 100;
  const double median = 25.0 / 75.0 + 3.5;
  CHECK(near(stabilize_rule(shared, 1.0, {0.5}).slope, 4.0 / (9.0 * 0.742 * median), 1e-6));
}

TEST(steadied_alpha_of_one_pixel) {
  CHECK(near(stabilized_alpha(0.6f, 0.2f, 0.25f), 0.25 * 0.6 + 0.75 * 0.2, 1e-6));
  CHECK(stabilized_alpha(0.6f, 0.2f, 1.0f) == 0.6f);
  CHECK(stabilized_alpha(0.0f, 0.7f, 0.25f) == 0.0f && stabilized_alpha(1.0f, 0.7f, 0.25f) == 1.0f);
  CHECK(stabilized_alpha(U8{100}, U8{200}, 0.25f) == 175);
}

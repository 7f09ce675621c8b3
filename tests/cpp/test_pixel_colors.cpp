// The arithmetic of one pixel against its definition, number by number: samples, compositing,
// de-spill, transfer curves, foreground colours. tools/mutate.py says what of it these tests miss.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "check.hpp"
#include "pixel/composite.hpp"
#include "pixel/despill.hpp"
#include "pixel/foreground.hpp"
#include "pixel/hold.hpp"
#include "pixel/transfer.hpp"

using namespace trimatte;
using trimatte::test::near;

namespace {

using U8 = std::uint8_t;
using U16 = std::uint16_t;

// Rounded to nearest, halves up.
long long rounded(double v) {
  return static_cast<long long>(std::floor(v + 0.5));
}

constexpr int kSome16[] = {0,   1,     2,     127,   128,   129,   255,   256,
                           257, 32639, 32640, 32767, 32768, 40000, 65534, 65535};

}  // namespace

TEST(samples_come_back_from_unit) {
  bool good = true;
  for (int v = 0; v < 65536; ++v) {
    good &= from_unit<U16>(to_unit(static_cast<U16>(v))) == v;
    good &= near(to_unit(static_cast<U16>(v)), v / 65535.0, 1e-7);
    good &= to_byte(static_cast<U16>(v)) == rounded(v * 255.0 / 65535.0);
    if (v > 255) continue;
    good &= from_unit<U8>(to_unit(static_cast<U8>(v))) == v;
    good &= near(to_unit(static_cast<U8>(v)), v / 255.0, 1e-7);
    good &= to_byte(static_cast<U8>(v)) == v;
  }
  CHECK(good);
  CHECK(to_unit(0.3f) == 0.3f && from_unit<float>(0.3f) == 0.3f);
  CHECK(to_byte(1.0f) == 255 && to_byte(0.0f) == 0 && to_byte(0.5f) == 128);
}

TEST(from_unit_rounds_half_up_and_clips) {
  CHECK(from_unit<U8>(0.4999f / 255.0f) == 0 && from_unit<U8>(0.5001f / 255.0f) == 1);
  CHECK(from_unit<U16>(0.499f / 65535.0f) == 0 && from_unit<U16>(0.501f / 65535.0f) == 1);
  CHECK(from_unit<U8>(-3.0f) == 0 && from_unit<U8>(3.0f) == 255);
  CHECK(from_unit<U16>(-3.0f) == 0 && from_unit<U16>(3.0f) == 65535);
  CHECK(from_unit<float>(-3.0f) == 0.0f && from_unit<float>(3.0f) == 1.0f);
  CHECK(clip_unit(0.0f) == 0.0f && clip_unit(1.0f) == 1.0f && clip_unit(0.25f) == 0.25f);
}

TEST(integers_are_divided_by_full_scale_to_the_nearest) {
  bool good = true;
  for (int v = 0; v <= 255 * 255; ++v) good &= divide_255(v) == (2 * v + 255) / 510;
  for (std::uint64_t k = 0; k < 65536; k += 13)
    for (const std::uint64_t rest : {0u, 1u, 32767u, 32768u, 65534u}) {
      const std::uint64_t v = k * 65535u + rest;
      if (v > 65535ull * 65535ull) continue;
      good &= divide_65535(static_cast<unsigned>(v)) == (2 * v + 65535u) / 131070u;
    }
  CHECK(good);
  CHECK(divide_65535(65535u * 65535u) == 65535u);
}

TEST(alpha_in_samples_of_another_depth) {
  bool good = true;
  for (int v = 0; v < 65536; ++v) {
    good &= convert_alpha<U8>(static_cast<U16>(v)) == rounded(v * 255.0 / 65535.0);
    good &= convert_alpha<U16>(static_cast<U16>(v)) == v;
    good &= near(convert_alpha<float>(static_cast<U16>(v)), v / 65535.0, 1e-7);
    good &= convert_alpha<U16>(static_cast<float>(v) / 65535.0f) == v;
    if (v > 255) continue;
    good &= convert_alpha<U16>(static_cast<U8>(v)) == v * 257;
    good &= convert_alpha<U8>(static_cast<float>(v) / 255.0f) == v;
    good &= near(convert_alpha<float>(static_cast<U8>(v)), v / 255.0, 1e-7);
  }
  CHECK(good);
}

TEST(colour_is_multiplied_and_divided_by_alpha) {
  bool good = true;
  for (int a = 0; a < 256; ++a)
    for (int v = 0; v < 256; ++v) {
      const auto by = static_cast<U8>(a), of = static_cast<U8>(v);
      good &= multiply_sample(of, by) == rounded(v * a / 255.0);
      const long long wanted = a == 0 ? 0 : std::min(255ll, rounded(v * 255.0 / a));
      good &= divide_sample(of, by) == wanted;
    }
  for (const int a : kSome16)
    for (const int v : kSome16) {
      const auto by = static_cast<U16>(a), of = static_cast<U16>(v);
      good &= multiply_sample(of, by) == rounded(static_cast<double>(v) * a / 65535.0);
      const long long wanted = a == 0 ? 0 : std::min(65535ll, rounded(v * 65535.0 / a));
      good &= divide_sample(of, by) == wanted;
    }
  CHECK(good);
  CHECK(multiply_sample(0.5f, 0.25f) == 0.125f);
  CHECK(divide_sample(0.125f, 0.25f) == 0.5f && divide_sample(0.5f, 0.25f) == 1.0f);
  CHECK(divide_sample(0.5f, 0.0f) == 0.0f);
}

TEST(over_blends_by_alpha) {
  bool good = true;
  for (int a = 0; a < 256; a += 5)
    for (int f = 0; f < 256; f += 15)
      for (int b = 0; b < 256; b += 17) {
        const double mixed = (f * a + b * (255 - a)) / 255.0;
        const auto front = static_cast<U8>(f), back = static_cast<U8>(b);
        good &= over_sample(front, static_cast<U8>(a), back) == rounded(mixed);
        const auto part = static_cast<float>(a) / 255.0f;
        good &= near(over_sample(front, part, back), mixed, 0.5001);
      }
  for (const int a : kSome16)
    for (const int f : kSome16)
      for (const int b : {0, 77, 32768, 65535}) {
        const double part = a / 65535.0, mixed = f * part + b * (1.0 - part);
        const auto front = static_cast<U16>(f), back = static_cast<U16>(b);
        good &= near(over_sample(front, static_cast<U16>(a), back), mixed, 0.5001);
        good &= near(over_sample(front, static_cast<float>(part), back), mixed, 0.51);
        const double unit = mixed / 65535.0;
        good &= near(over_sample(f / 65535.0f, static_cast<U16>(a), b / 65535.0f), unit, 2e-7);
      }
  CHECK(good);
  CHECK(over(0.75f, 0.5f, 0.25f) == 0.5f && over(1.0f, 0.0f, 0.25f) == 0.25f);
  CHECK(over_sample<U8>(200, 0.5f, 101) == 151);  // 150.5, half up
}

TEST(mattes_hold_alpha) {
  CHECK((hold_out<U8, U8>(200, 100, 255) == 155 && hold_out<U8, U8>(100, 100, 255) == 100));
  CHECK((hold_out<U8, U8>(200, 255, 255) == 0 && hold_out<float, U8>(0.5f, 255, 1.0f) == 0.0f));
  CHECK((hold_out<U16, U8>(65535, 1, 65535) == 65535 - 257));
  CHECK((hold_in<U8>(100, U8{120}) == 120 && hold_in<U8>(130, U8{120}) == 130));
  CHECK((hold_in<float>(0.25f, 0.5f) == 0.5f && hold_in<float>(0.75f, 0.5f) == 0.75f));
}

TEST(spill_is_what_stands_above_the_limit) {
  const DespillMethod methods[] = {DespillMethod::kAverage, DespillMethod::kDoubleAverage,
                                   DespillMethod::kMaxLimit};
  bool good = true;
  for (int channel = 0; channel < 3; ++channel)
    for (const DespillMethod method : methods)
      for (const double strength : {0.0, 0.3, 1.0}) {
        const DespillRule rule = despill_rule({channel, method, strength, 0.5});
        // Red and green keys: blue is the heavy one; blue ones: green.
        const int heavy = channel == 2 ? 1 : 2, light = 3 - channel - heavy;
        good &= rule.k == channel && rule.a == light && rule.b == heavy;
        for (int k = 0; k < 256; k += 5)
          for (int a = 0; a < 256; a += 17)
            for (int b = 0; b < 256; b += 15) {
              const double limit = method == DespillMethod::kAverage         ? (a + b) / 2.0
                                   : method == DespillMethod::kDoubleAverage ? (a + 2 * b) / 3.0
                                                                             : std::max(a, b);
              const double spill = strength * std::max(k - limit, 0.0);
              const auto by = static_cast<U8>(k);
              good &= near(despill_sample(by, static_cast<U8>(a), static_cast<U8>(b), rule),
                           k - spill, 0.5001);
              const int fine = despill_sample(static_cast<U16>(k * 257), static_cast<U16>(a * 257),
                                              static_cast<U16>(b * 257), rule);
              good &= near(fine, (k - spill) * 257, 0.5001);
              const float unit = despill_sample(k / 255.0f, a / 255.0f, b / 255.0f, rule);
              good &= near(unit, (k - spill) / 255.0, 1e-6);
              for (const float amount : {0.0f, 0.6f, 1.0f}) {
                constexpr double kLuminance[] = {0.2126, 0.7152, 0.0722};
                const double gone = amount * spill, back = 0.5 * kLuminance[channel] * gone;
                const auto whole =
                    despill_pixel(by, static_cast<U8>(a), static_cast<U8>(b), rule, amount);
                const auto part = despill_pixel(k / 255.0f, a / 255.0f, b / 255.0f, rule, amount);
                const double wanted[] = {k - gone + back, a + back, b + back};
                const int bytes[] = {whole.k, whole.a, whole.b};
                const float units[] = {part.k, part.a, part.b};
                for (int c = 0; c < 3; ++c) {
                  const double held = std::min(wanted[c], 255.0);
                  good &= near(bytes[c], held, 0.501);
                  good &= near(units[c], held / 255.0, 1e-6);
                }
              }
            }
      }
  CHECK(good);
  CHECK(despill_sample(U8{101}, U8{0}, U8{0}, despill_rule({1, DespillMethod::kMaxLimit, 0.5})) ==
        51);  // 50.5, half up
  const DespillRule thirds = despill_rule({1, DespillMethod::kDoubleAverage, 1.0});
  for (int i = 0; i <= 4096; ++i) CHECK(despill_sample(i / 4096.0f, 0.0f, 0.0f, thirds) >= 0.0f);
  CHECK(despill_sample(0x1.89215ap-1f, 0.0f, 0.0f, thirds) == 0.0f);
  CHECK(despill_amount(0) == 1.0f && despill_amount(255) == 0.0f);
  CHECK(near(despill_amount(51), 0.8, 1e-7));
}

TEST(curves_of_srgb) {
  bool good = true;
  for (int i = 0; i <= 4096; ++i) {
    const double v = i / 4096.0;
    const double light = v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    const double encoded = v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1.0 / 2.4) - 0.055;
    const auto given = static_cast<float>(v);
    good &= near(srgb_to_linear(given), light, 1e-6);
    good &= near(linear_to_srgb(given), encoded, 2e-6);
    good &= near(quick_srgb_to_linear(given), light, 2.5e-5);
  }
  CHECK(good);
  CHECK(srgb_to_linear(1.0f) == 1.0f && linear_to_srgb(1.0f) == 1.0f);
  CHECK(srgb_to_linear(0.0f) == 0.0f && linear_to_srgb(0.0f) == 0.0f);
  // Where the curve and the line meet, the line counts up to the bound, itself included.
  CHECK(near(srgb_to_linear(0.0404f), 0.0404 / 12.92, 1e-9));
  CHECK(near(linear_to_srgb(0.00313f), 0.00313 * 12.92, 1e-8));
  CHECK(quick_srgb_to_linear(0.04f) == 0.04f * (1.0f / 12.92f));
  CHECK(by_side(true, 3.0f, 5.0f) == 3.0f && by_side(false, 3.0f, 5.0f) == 5.0f);
}

TEST(quick_powers) {
  bool good = true;
  for (const float e : {0.0f, 1.0f / 2.4f, 1.0f, 2.4f, 3.0f})
    for (double v = 1e-3; v <= 1.0; v *= 1.01) {
      const double wanted = std::pow(static_cast<double>(static_cast<float>(v)), e);
      good &= std::abs(quick_power(static_cast<float>(v), e) / wanted - 1.0) < 2e-6;
    }
  CHECK(good);
}

TEST(foreground_start_and_sweeps) {
  CHECK(foreground_is_small(32, 32) && !foreground_is_small(33, 32) && !foreground_is_small(3, 33));
  CHECK(foreground_sweeps(ForegroundQuality::kFast, 0, 20, 20) == 10);
  CHECK(foreground_sweeps(ForegroundQuality::kFast, 0, 200, 20) == 2);
  CHECK(foreground_sweeps(ForegroundQuality::kFast, 1, 200, 20) == 4);
  CHECK(foreground_sweeps(ForegroundQuality::kBalanced, 0, 20, 200) == 4);
  CHECK(foreground_start_weight(true, 0.25f) == 0.0625f);
  CHECK(foreground_start_weight(false, 0.25f) == 0.5625f);
  CHECK(foreground_first(0.0, 0.0, 0.25) == 0.25f);
  CHECK(near(foreground_first(3.0, 4.0, 0.0), 0.75, 1e-6));
  CHECK(is_soft(0.5f) && !is_soft(0.0f) && !is_soft(1.0f));
  CHECK(foreground_start(1.0f, 0.2f, 0.7f) == 0.2f && foreground_start(0.9f, 0.2f, 0.7f) == 0.7f);
  CHECK(background_start(0.0f, 0.2f, 0.7f) == 0.2f && background_start(0.1f, 0.2f, 0.7f) == 0.7f);
  CHECK(foreground_halved(1.0f, 2.0f, 3.0f, 6.0f) == 3.0f);
}

TEST(foreground_step_solves_its_equations) {
  const float alpha = 0.3f, image = 0.55f;
  const ForegroundSystem w = foreground_system(alpha, 0.1f, 0.9f, 0.3f, 0.6f);
  const double weights[] = {0.2 + 1e-5, 0.6 + 1e-5, 1e-5, 0.3 + 1e-5};
  const double sum = weights[0] + weights[1] + weights[2] + weights[3];
  const float got[] = {w.left, w.right, w.up, w.down};
  for (int i = 0; i < 4; ++i) CHECK(near(got[i], weights[i] / sum, 1e-6));
  const double mean = (weights[0] * 0.1 + weights[1] * 0.2 + weights[2] * 0.3 + weights[3] * 0.4);
  CHECK(near(foreground_mean(w, 0.1f, 0.2f, 0.3f, 0.4f), mean / sum, 1e-6));
  // alpha e and S (F - F') balance; so do (1 - alpha) e and S (B - B').
  const double mean_f = 0.4, mean_b = 0.2;
  float f = 0.0f, b = 0.0f;
  foreground_step(w.gain, alpha, image, 0.4f, 0.2f, f, b);
  const double error = image - alpha * static_cast<double>(f) - (1.0 - alpha) * b;
  CHECK(near(alpha * error, sum * (f - mean_f), 1e-6));
  CHECK(near((1.0 - alpha) * error, sum * (b - mean_b), 1e-6));
  foreground_step({1.0f, 1.0f}, 0.5f, 1.0f, 0.9f, 0.1f, f, b);
  CHECK(f == 1.0f && near(b, 0.6, 1e-6));
}

TEST(projected_colours_explain_the_pixel) {
  bool good = true;
  for (const float alpha : {0.0f, 0.01f, 0.3f, 0.5f, 0.97f, 1.0f})
    for (const float image : {0.0f, 0.1f, 0.5f, 0.98f, 1.0f})
      for (const float f0 : {0.0f, 0.2f, 1.0f})
        for (const float b0 : {0.0f, 0.6f, 1.0f}) {
          float f = f0, b = b0;
          project_colors(alpha, image, f, b);
          good &= near(alpha * f + (1.0f - alpha) * b, image, 2e-6);
          good &= f >= 0.0f && f <= 1.0f && b >= 0.0f && b <= 1.0f;
          if (alpha == 0.0f) good &= f == f0 && b == image;
          if (alpha == 1.0f) good &= f == image && b == b0;
          // No pair nearby on the line within the unit square is nearer to where it came from.
          const auto distance = [&](double u, double v) {
            return (u - f0) * (u - f0) + (v - b0) * (v - b0);
          };
          if (alpha == 0.0f || alpha == 1.0f) continue;
          for (const double step : {-1e-3, 1e-3}) {
            const double u = f + step * (1.0 - alpha), v = b - step * alpha;
            if (u < 0.0 || u > 1.0 || v < 0.0 || v > 1.0) continue;
            good &= distance(u, v) >= distance(f, b) - 1e-7;
          }
        }
  CHECK(good);
}

TEST(a_known_background_is_subtracted) {
  // F of alpha F + (1 - alpha) B = I; below an alpha of 0.1 it is trusted by alpha's share of that.
  CHECK(near(subtract_background(0.5f, 0.6f, 0.4f, 0.1f), 0.8, 1e-6));
  CHECK(near(subtract_background(0.1f, 0.42f, 0.4f, 0.3f), 0.6, 1e-5));
  CHECK(near(subtract_background(0.05f, 0.4f, 0.4f, 0.2f), 0.2 + 0.5 * (0.4 - 0.2), 1e-5));
  CHECK(subtract_background(0.0f, 0.4f, 0.9f, 0.2f) == 0.2f);
  CHECK(subtract_background(0.5f, 0.1f, 0.9f, 0.2f) == 0.0f);
  CHECK(subtract_plate_sample<U8>(153, 0.5f, 0.4f) == 204);
  CHECK(known_sample<U8>(0.6f) == 153 && known_sample<float>(1.5f) == 1.5f);
}

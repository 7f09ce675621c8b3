// Every operation of the CPU backend on odd sizes and sample types, for the sanitizers; results are
// checked where a line says what they must be. Parity with the reference is the Python suite's
// task.
#include <algorithm>
#include <cmath>

#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/choke.hpp"
#include "pixel/composite.hpp"
#include "pixel/despill.hpp"
#include "pixel/feather.hpp"
#include "pixel/foreground.hpp"
#include "pixel/key.hpp"
#include "pixel/key_soft.hpp"
#include "pixel/matting.hpp"
#include "pixel/project.hpp"
#include "pixel/stabilize.hpp"
#include "pixel/trimap.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr DeviceKind kCpu = DeviceKind::kCPU;

template <class F>
void for_depths(F&& f) {
  f(std::uint8_t{});
  f(std::uint16_t{});
  f(float{});
}

}  // namespace

TEST(hard_key_follows_its_rule) {
  for (const auto& [h, w] : kSizes)
    for (const int channels : {3, 4})
      for (const int key : {0, 1, 2}) {
        const auto image = noise<std::uint8_t>(h, w, channels, 1);
        const Image<std::uint8_t> alpha(h, w);
        chroma_key<kCpu, std::uint8_t, std::uint8_t>(image.read(), alpha.view(), {key, 30.0, 0.0},
                                                     {});
        bool equal = true;
        for (std::ptrdiff_t y = 0; y < h; ++y)
          for (std::ptrdiff_t x = 0; x < w; ++x) {
            const int k = image.at(y, x, key);
            const int a = image.at(y, x, (key + 1) % 3), b = image.at(y, x, (key + 2) % 3);
            equal &= alpha.at(y, x) == (k > a + 30 && k > b + 30 ? 0 : 255);
          }
        CHECK(equal);
      }
}

TEST(keys_of_all_depths_stay_in_range) {
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      for_depths([&](auto a) {
        using T = decltype(t);
        using A = decltype(a);
        const auto image = noise<T>(h, w, 3, 2);
        const Image<A> alpha(h, w);
        chroma_key<kCpu, T, A>(image.read(), alpha.view(), {1, 10.0, 60.0}, {});
        CHECK(std::all_of(alpha.begin(), alpha.end(),
                          [](A v) { return v >= A(0) && v <= static_cast<A>(kFullScale<A>); }));
      });
    });
}

TEST(soft_keys_of_all_depths_stay_in_range) {
  const auto grid = noise<float>(5, 7, 4, 14);
  const Image<float> plate(1, 1, 3);
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      using T = decltype(t);
      const auto image = noise<T>(h, w, 3, 15);
      const Image<float> alpha(h, w);
      const Image<T> rgba(h, w, 4);
      for (const auto method : {SoftKeyMethod::kFfmpeg, SoftKeyMethod::kObs, SoftKeyMethod::kVlahos,
                                SoftKeyMethod::kPlate})
        for (const bool linear : {false, true}) {
          const SoftKeyOptions options{.method = method, .linear = linear};
          const auto cells = method == SoftKeyMethod::kPlate ? grid.read() : plate.read();
          soft_key<kCpu, T, float>(image.read(), alpha.view(), cells, options, {});
          CHECK(std::all_of(alpha.begin(), alpha.end(),
                            [](float v) { return v >= 0.0f && v <= 1.0f; }));
          soft_key_cutout<kCpu, T>(image.read(), rgba.view(), cells, options, {}, linear, {});
        }
      const Image<float> light(h, w, 3);
      decode<kCpu, T>(image.read(), light.view(), true, {});
    });
}

TEST(trimap_is_the_brute_force_disk) {
  for (const auto& [h, w] : kSizes)
    for (const double radius : {0.0, 1.0, 2.5, 7.0, 40.0}) {
      const auto mask = noise<std::uint8_t>(h, w, 1, 3);
      for (std::uint8_t& v : mask) v = v < 254 ? 255 : 0;  // a few holes
      mask.at(h / 2, 0) = mask.at(h / 3, w - 1) = 0;       // and at the borders
      const Image<std::uint8_t> trimap(h, w);
      TrimapRadii used;
      make_trimap<kCpu, std::uint8_t>(mask.read(), trimap.view(), {10, 240, radius, radius, 0},
                                      &used, {});
      bool equal = true;
      for (std::ptrdiff_t y = 0; y < h; ++y)
        for (std::ptrdiff_t x = 0; x < w; ++x) {
          bool fg = true, bg = true;
          for (std::ptrdiff_t v = 0; v < h; ++v)
            for (std::ptrdiff_t u = 0; u < w; ++u) {
              const auto d2 = static_cast<double>((v - y) * (v - y) + (u - x) * (u - x));
              if (d2 < used.inside * used.inside + 1e-6) fg &= mask.at(v, u) == 255;
              if (d2 < used.outside * used.outside + 1e-6) bg &= mask.at(v, u) == 0;
            }
          equal &= trimap.at(y, x) == (fg   ? kTrimapForeground
                                       : bg ? kTrimapBackground
                                            : kTrimapUnknown);
        }
      CHECK(equal);
    }
}

TEST(square_trimap_runs_on_odd_sizes) {
  for (const auto& [h, w] : kSizes)
    for (const int n : {1, 2, 3, 10, 200}) {
      const auto mask = noise<std::uint8_t>(h, w, 1, 4);
      const Image<std::uint8_t> trimap(h, w);
      make_trimap<kCpu, std::uint8_t>(mask.read(), trimap.view(), {10, 240, 0, 0, n}, nullptr, {});
      CHECK(std::all_of(trimap.begin(), trimap.end(), [](std::uint8_t t) {
        return t == kTrimapBackground || t == kTrimapUnknown || t == kTrimapForeground;
      }));
    }
}

TEST(alpha_keeps_known_pixels_and_the_range) {
  for (const auto& [h, w] : kSizes)
    for (const auto quality :
         {MattingQuality::kFast, MattingQuality::kBalanced, MattingQuality::kExact})
      for_depths([&](auto t) {
        using T = decltype(t);
        const auto image = noise<T>(h, w, 3, 5);
        const Image<std::uint8_t> trimap(h, w);
        for (std::ptrdiff_t y = 0; y < h; ++y)
          for (std::ptrdiff_t x = 0; x < w; ++x)
            trimap.at(y, x) = x + y < (h + w) / 3 ? 255 : x + y > 2 * (h + w) / 3 ? 0 : 128;
        const Image<float> alpha(h, w);
        estimate_alpha<kCpu, T>(image.read(), trimap.read(), {}, alpha.view(), {quality}, nullptr,
                                {});
        bool good = true;
        for (std::ptrdiff_t y = 0; y < h; ++y)
          for (std::ptrdiff_t x = 0; x < w; ++x) {
            const float v = alpha.at(y, x);
            const int known = trimap.at(y, x);
            good &= known == 255 ? v == 1.0f : known == 0 ? v == 0.0f : v >= 0.0f && v <= 1.0f;
          }
        CHECK(good);
      });
}

TEST(alpha_linear_in_the_colours_is_found) {
  // Such an alpha is in the null space of the matting Laplacian. It is textured here: in smooth
  // ramps the equations hold it by differences that float does not resolve.
  const std::ptrdiff_t h = 70, w = 150;
  const Image<float> image(h, w, 3);
  const Image<std::uint8_t> trimap(h, w);
  const auto truth = noise<float>(h, w, 1, 13);
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      float& a = truth.at(y, x);
      trimap.at(y, x) = x < 20 ? 0 : x >= 130 ? 255 : 128;
      if (trimap.at(y, x) != 128) a = trimap.at(y, x) ? 1.0f : 0.0f;
      image.at(y, x, 0) = 0.1f + 0.8f * a;
      image.at(y, x, 1) = 0.5f - 0.3f * a;
      image.at(y, x, 2) = 0.2f;
    }
  const Image<float> alpha(h, w);
  estimate_alpha<kCpu, float>(image.read(), trimap.read(), {}, alpha.view(),
                              {MattingQuality::kExact}, nullptr, {});
  float worst = 0.0f;
  for (std::size_t i = 0; i < alpha.size(); ++i)
    worst = std::max(worst, std::abs(alpha.begin()[i] - truth.begin()[i]));
  CHECK(worst < 1e-3f);
}

TEST(steadied_alpha_of_equal_frames_is_that_alpha) {
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      using T = decltype(t);
      const auto image = noise<T>(h, w, 3, 16);
      const auto alpha = noise<std::uint8_t>(h, w, 1, 17);
      const Image<std::uint8_t> out(h, w);
      stabilize_alpha<kCpu, T, std::uint8_t>(image.read(), alpha.read(), image.read(), alpha.read(),
                                             out.view(), {}, {});
      CHECK(std::equal(out.begin(), out.end(), alpha.begin()));
    });
}

TEST(projected_alpha_is_sure_at_both_colours) {
  const Image<float> plate(1, 1, 3);  // black
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      using T = decltype(t);
      const Image<T> front(h, w, 3), black(h, w, 3), plates(h, w, 3);
      for (std::ptrdiff_t i = 1; i < h * w * 3; i += 3) front.begin()[i] = T(kFullScale<T>);
      const auto trimap = trimap_of_disk(h, w, 100.0);  // all unknown, or not
      const Image<float> alpha(h, w), out(h, w);
      for (const auto* image : {&front, &black}) {
        project_alpha<kCpu, T>(image->read(), front.read(), plate.read(), trimap.read(),
                               alpha.read(), out.view(), {}, {});
        const float wanted = image == &front ? 1.0f : 0.0f;
        bool sure = true;
        for (std::size_t i = 0; i < out.size(); ++i)
          sure &= trimap.begin()[i] != kTrimapUnknown || out.begin()[i] == wanted;
        CHECK(sure);
      }
      plate_image<kCpu, T>(plate.read(), plates.view(), 0, {});
      CHECK(std::equal(plates.begin(), plates.end(), black.begin()));
    });
}

TEST(foreground_and_background_recompose) {
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      using T = decltype(t);
      const auto image = noise<T>(h, w, 3, 6);
      const auto alpha = noise<float>(h, w, 1, 7);
      const Image<T> front(h, w, 3), back(h, w, 3);
      estimate_foreground<kCpu, T, float>(image.read(), alpha.read(), {}, front.view(), back.view(),
                                          {}, {});
      double worst = 0.0;
      for (std::ptrdiff_t y = 0; y < h; ++y)
        for (std::ptrdiff_t x = 0; x < w; ++x)
          for (int c = 0; c < 3; ++c) {
            const double a = alpha.at(y, x);
            const double again = a * front.at(y, x, c) + (1 - a) * back.at(y, x, c);
            worst = std::max(worst, std::abs(again - static_cast<double>(image.at(y, x, c))));
          }
      CHECK(worst <= (sizeof(T) == 4 ? 1e-5 : 1.0));
      estimate_foreground<kCpu, T, float>(image.read(), alpha.read(), {}, front.view(), {},
                                          {ForegroundQuality::kFast, true, {0.1f, 0.5f, 0.9f}}, {});
    });
}

TEST(despill_never_raises_the_key) {
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      using T = decltype(t);
      for (const int channels : {3, 4})
        for (const auto method :
             {DespillMethod::kAverage, DespillMethod::kDoubleAverage, DespillMethod::kMaxLimit})
          for (const double strength : {0.0, 0.4, 1.0}) {
            const auto image = noise<T>(h, w, channels, 8);
            const Image<T> out(h, w, channels);
            despill<kCpu, T>(image.read(), {}, out.view(), {1, method, strength}, {});
            bool good = true;
            for (std::ptrdiff_t y = 0; y < h; ++y)
              for (std::ptrdiff_t x = 0; x < w; ++x)
                for (int c = 0; c < channels; ++c)
                  good &= c == 1 ? out.at(y, x, c) <= image.at(y, x, c)
                                 : out.at(y, x, c) == image.at(y, x, c);
            CHECK(good);
          }
    });
}

TEST(edges_of_all_depths) {
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      using T = decltype(t);
      const auto alpha = noise<T>(h, w, 1, 18), matte = noise<T>(h, w, 1, 19);
      const auto image = noise<T>(h, w, 3, 20);
      const Image<T> less(h, w), more(h, w), held(h, w), color(h, w, 3);
      for (const double radius : {0.0, 0.5, 2.0, 64.0}) {
        choke<kCpu, T>(alpha.read(), less.view(), {radius}, {});
        choke<kCpu, T>(alpha.read(), more.view(), {-radius}, {});
        hold_mattes<kCpu, T, T>(more.read(), {}, less.read(), held.view(), {});
        CHECK(std::equal(held.begin(), held.end(), more.begin()));  // nowhere less
        feather<kCpu, T>(alpha.read(), held.view(), {radius}, {});
      }
      hold_mattes<kCpu, T, T>(alpha.read(), matte.read(), {}, held.view(), {});
      subtract_plate<kCpu, T, T>(image.read(), alpha.read(), image.read(), color.view(), {}, {});
      subtract_plate<kCpu, T, T>(image.read(), alpha.read(), {}, color.view(), {}, {});
    });
}

TEST(linear_light_and_back) {
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      using T = decltype(t);
      for (const int channels : {3, 4}) {
        const auto image = noise<T>(h, w, channels, 21);
        const Image<float> light(h, w, channels);
        const Image<T> again(h, w, channels);
        to_linear<kCpu, T>(image.read(), light.view(), {});
        to_srgb<kCpu, T>(light.read(), again.view(), {});
        double worst = 0.0;
        for (std::size_t i = 0; i < image.size(); ++i)
          worst = std::max(worst, std::abs(static_cast<double>(image.begin()[i]) -
                                           static_cast<double>(again.begin()[i])));
        CHECK(worst <= (sizeof(T) == 4 ? 2e-6 : 0.0));
      }
    });
}

TEST(compositing_of_all_depths) {
  for (const auto& [h, w] : kSizes)
    for_depths([&](auto t) {
      for_depths([&](auto a) {
        using T = decltype(t);
        using A = decltype(a);
        const auto front = noise<T>(h, w, 3, 9), back = noise<T>(h, w, 4, 10);
        const auto alpha = noise<A>(h, w, 1, 11);
        const Image<T> out(h, w, 3), rgba(h, w, 4), again(h, w, 4);
        for (const bool linear : {false, true}) {
          composite<kCpu, T, A>(front.read(), alpha.read(), back.read(), out.view(), {{}, linear},
                                {});
          composite<kCpu, T, A>(front.read(), alpha.read(), {}, out.view(),
                                {{1.0f, 0.5f, 0.0f}, linear}, {});
        }
        cutout<kCpu, T, A>(front.read(), alpha.read(), rgba.view(), {});
        premultiply<kCpu, T>(rgba.read(), again.view(), {});
        bool below = true;
        for (std::ptrdiff_t y = 0; y < h; ++y)
          for (std::ptrdiff_t x = 0; x < w; ++x)
            for (int c = 0; c < 3; ++c) below &= again.at(y, x, c) <= again.at(y, x, 3);
        CHECK(below);
        unpremultiply<kCpu, T>(again.read(), rgba.view(), {});
      });
    });
}

TEST(rows_may_run_backwards) {
  const auto image = noise<std::uint8_t>(31, 45, 3, 12);
  const ImageView<const std::uint8_t> flipped{&image.at(30, 0), 31, 45, 3, -45 * 3};
  const Image<std::uint8_t> straight(31, 45), reversed(31, 45);
  chroma_key<kCpu, std::uint8_t, std::uint8_t>(image.read(), straight.view(), {1, 30, 0}, {});
  chroma_key<kCpu, std::uint8_t, std::uint8_t>(flipped, reversed.view(), {1, 30, 0}, {});
  bool equal = true;
  for (std::ptrdiff_t y = 0; y < 31; ++y)
    for (std::ptrdiff_t x = 0; x < 45; ++x) equal &= straight.at(y, x) == reversed.at(30 - y, x);
  CHECK(equal);
}

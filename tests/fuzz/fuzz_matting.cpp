// From masks to colours: trimaps, alpha by every method, steadied and projected alpha, foregrounds.
#include "fuzz.hpp"
#include "ops.hpp"
#include "pixel/foreground.hpp"
#include "pixel/matting.hpp"
#include "pixel/project.hpp"
#include "pixel/stabilize.hpp"
#include "pixel/trimap.hpp"

using namespace trimatte;
using namespace trimatte::fuzz;

namespace {

bool keeps_what_is_known(const Picture<float>& alpha, const Picture<std::uint8_t>& trimap) {
  for (std::ptrdiff_t y = 0; y < alpha.view().height; ++y)
    for (std::ptrdiff_t x = 0; x < alpha.view().width; ++x) {
      const std::uint8_t t = trimap.at(y, x);
      if (trimap_is_foreground(t) && alpha.at(y, x) != 1.0f) return false;
      if (trimap_is_background(t) && alpha.at(y, x) != 0.0f) return false;
    }
  return true;
}

void of_mask(Input& in) {
  const Shape s = shape(in, 4096);
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> mask(in, s, 1);
    const Picture<std::uint8_t> out(s, 1);
    const double full = static_cast<double>(kFullScale<T>);
    TrimapOptions options;
    options.low = in.real(0.0, 1.0) * full;
    options.high = in.real(0.0, 1.0) * full;
    if (options.low > options.high) std::swap(options.low, options.high);
    options.outside = in.real(0.0, in.flag() ? 1e9 : 60.0);
    options.inside = in.real(0.0, 60.0);
    options.square = in.byte() % 4u ? 0 : in.number(1, 300);
    options.network_pixel = in.byte() % 4u ? 0.0 : in.real(0.01, 50.0);
    TrimapRadii used;
    make_trimap<kCpu, T>(mask.read(), out.view(), options, in.flag() ? &used : nullptr, {});
    REQUIRE(out.all([](std::uint8_t v) { return v == 0 || v == 128 || v == 255; }));
    const MaskBounds<T> bounds(options.low, options.high);
    for (std::ptrdiff_t y = 0; y < s.height; ++y)
      for (std::ptrdiff_t x = 0; x < s.width; ++x) {
        REQUIRE(out.at(y, x) != 255 || bounds.is_foreground(mask.at(y, x)));
        REQUIRE(out.at(y, x) != 0 || bounds.is_background(mask.at(y, x)));
      }
  });
}

void of_trimap(Input& in) {
  const Shape s = shape(in, 2304);
  const unsigned method = in.byte() % 5u;
  const int channels = in.number(3, 4);
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, s, channels);
    const auto known = trimap(in, s);
    const Picture<float> alpha(s, 1), confidence(s, 1);
    if (method == 3) {
      const bool wanted = in.flag();
      sample_alpha<kCpu, T>(image.read(), known.read(), alpha.view(),
                            wanted ? confidence.view() : ImageView<float>{}, {in.number(1, 3)}, {});
      if (wanted) REQUIRE(in_range(confidence));
    } else if (method == 4) {
      guide_alpha<kCpu, T>(image.read(), known.read(), alpha.view(), {});
    } else {
      MattingOptions options;
      options.quality =
          in.one_of({MattingQuality::kFast, MattingQuality::kBalanced, MattingQuality::kExact});
      if (in.flag()) options.whole_pixels = in.number(800, 2400);  // few tiles
      MattingInfo info;
      const Picture<float> rough(in, shape(in, 2304), 1);
      const auto mask = in.flag() ? rough.read() : ImageView<const float>{};
      estimate_alpha<kCpu, T>(image.read(), known.read(), mask, alpha.view(), options,
                              in.flag() ? &info : nullptr, {});
      REQUIRE(std::isfinite(info.residual));
    }
    REQUIRE(in_range(alpha));
    REQUIRE(keeps_what_is_known(alpha, known));
  });
}

void of_frames(Input& in) {
  const Shape s = shape(in, 4096);
  const StabilizeOptions options{in.real(0.0, 1.0)};
  const int channels = in.number(3, 4);
  for_depth(in, [&](auto t) {
    for_depth(in, [&](auto a) {
      using T = decltype(t);
      using A = decltype(a);
      const Picture<T> image(in, s, channels), before(in, s, channels);
      const Picture<A> alpha(in, s, 1), alpha_before(in, s, 1), out(s, 1);
      stabilize_alpha<kCpu, T, A>(image.read(), alpha.read(), before.read(), alpha_before.read(),
                                  out.view(), options, {});
      REQUIRE(in_range(out));
    });
  });
}

void of_alpha(Input& in) {
  const Shape s = shape(in, 2304);
  ForegroundOptions options;
  options.quality = in.one_of({ForegroundQuality::kFast, ForegroundQuality::kBalanced});
  const bool with_plate = in.flag(), with_background = in.flag();
  options.background_known = with_plate || in.flag();
  for (float& c : options.color) c = static_cast<float>(in.real(0.0, 1.0));
  const int channels = in.number(3, 4);
  for_depth(in, [&](auto t) {
    for_depth(in, [&](auto a) {
      using T = decltype(t);
      using A = decltype(a);
      const Picture<T> image(in, s, channels), plate(in, s, in.number(3, 4));
      const Picture<A> alpha(in, s, 1);
      const Picture<T> front(s, 3), back(s, 3);
      estimate_foreground<kCpu, T, A>(
          image.read(), alpha.read(), with_plate ? plate.read() : ImageView<const T>{},
          front.view(), with_background ? back.view() : ImageView<T>{}, options, {});
      REQUIRE(in_range(front));
      if (with_background) REQUIRE(in_range(back));
      for (std::ptrdiff_t y = 0; y < s.height; ++y)
        for (std::ptrdiff_t x = 0; x < s.width; ++x)
          for (int c = 0; c < 3; ++c)
            REQUIRE(alpha.at(y, x) != static_cast<A>(kFullScale<A>) ||
                    front.at(y, x, c) == image.at(y, x, c));
    });
  });
}

void onto_colours(Input& in) {
  const Shape s = shape(in, 4096), cells = shape(in, 400, 1);
  const ProjectOptions options{static_cast<float>(in.real(0.0, 0.4)),
                               in.flag() ? in.number(1, 300) : 0};
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, s, in.number(3, 4)), front(in, s, in.number(3, 4)), full(s, 3);
    const Picture<float> plate(in, cells, 3), alpha(in, s, 1), out(s, 1);
    const auto known = trimap(in, s);
    project_alpha<kCpu, T>(image.read(), front.read(), plate.read(), known.read(), alpha.read(),
                           out.view(), options, {});
    REQUIRE(in_range(out));
    plate_image<kCpu, T>(plate.read(), full.view(), options.cell, {});
    REQUIRE(in_range(full));
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, size);
  set_thread_count(in.byte() % 8u ? 1 : 3);
  switch (in.byte() % 6u) {
    case 0: of_mask(in); break;
    case 1: of_frames(in); break;
    case 2: of_alpha(in); break;
    case 3: onto_colours(in); break;
    default: of_trimap(in); break;
  }
  return 0;
}

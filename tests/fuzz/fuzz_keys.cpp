// Keys, soft keys, de-spill and what decodes colours for them.
#include "fuzz.hpp"
#include "ops.hpp"
#include "pixel/despill.hpp"
#include "pixel/foreground.hpp"
#include "pixel/key.hpp"
#include "pixel/key_soft.hpp"

using namespace trimatte;
using namespace trimatte::fuzz;

namespace {

DespillOptions despill_options(Input& in) {
  return {
      in.number(0, 2),
      in.one_of({DespillMethod::kAverage, DespillMethod::kDoubleAverage, DespillMethod::kMaxLimit}),
      in.real(0.0, 1.0), 0.0};
}

void key(Input& in) {
  const Shape s = shape(in, 4096);
  const KeyOptions options{in.number(0, 2), in.real(0.0, 510.0), in.real(0.0, 255.0)};
  const DespillOptions spill = despill_options(in);
  const int channels = in.number(3, 4);
  const bool premultiplied = in.flag();
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, s, channels), rgba(s, 4), own(s, 1);
    for_depth(in, [&](auto a) {
      using A = decltype(a);
      const Picture<A> alpha(s, 1);
      chroma_key<kCpu, T, A>(image.read(), alpha.view(), options, {});
      REQUIRE(in_range(alpha));
    });
    chroma_key<kCpu, T, T>(image.read(), own.view(), options, {});
    key_cutout<kCpu, T>(image.read(), rgba.view(), options, spill, premultiplied, {});
    REQUIRE(in_range(rgba));
    for (std::ptrdiff_t y = 0; y < s.height; ++y)
      for (std::ptrdiff_t x = 0; x < s.width; ++x) REQUIRE(rgba.at(y, x, 3) == own.at(y, x));
  });
}

// The models of kPlate are floats of any value, and so must not be trusted.
Picture<float> grid_of(Input& in, SoftKeyMethod method) {
  const Shape s = shape(in, 400, 1);
  if (method != SoftKeyMethod::kPlate) return {in, s, 3};
  if (in.flag()) return {in, s, 4};
  const auto values = prediction<float>(in, {s.height, s.width * 4});
  Picture<float> grid(s, 4);
  for (std::ptrdiff_t y = 0; y < s.height; ++y)
    for (std::ptrdiff_t i = 0; i < s.width * 4; ++i) grid.view().row(y)[i] = values.at(y, i);
  return grid;
}

void soft(Input& in) {
  const Shape s = shape(in, 4096);
  SoftKeyOptions options;
  options.method = in.one_of(
      {SoftKeyMethod::kFfmpeg, SoftKeyMethod::kObs, SoftKeyMethod::kVlahos, SoftKeyMethod::kPlate});
  options.channel = in.number(0, 2);
  for (double& c : options.color) c = in.real(0.0, 1.0);
  options.tolerance = in.real(0.0, 100.0);
  options.softness = in.real(0.0, 100.0);
  options.linear = in.flag();
  options.black = in.real(0.0, 0.5);
  options.white = options.black + in.real(1e-3, 0.5);
  options.cell = in.flag() ? in.number(1, 300) : 0;
  const DespillOptions spill = despill_options(in);
  const int channels = in.number(3, 4);
  const bool premultiplied = in.flag(), with_grid = in.flag();
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, s, channels), rgba(s, 4);
    const Picture<float> light(s, 3), grid = grid_of(in, options.method);
    const bool needed = options.method == SoftKeyMethod::kPlate;
    const auto cells = needed || with_grid ? grid.read() : ImageView<const float>{};
    for_depth(in, [&](auto a) {
      using A = decltype(a);
      const Picture<A> alpha(s, 1);
      soft_key<kCpu, T, A>(image.read(), alpha.view(), cells, options, {});
      REQUIRE(in_range(alpha));
    });
    soft_key_cutout<kCpu, T>(image.read(), rgba.view(), cells, options, spill, premultiplied, {});
    REQUIRE(in_range(rgba));
    decode<kCpu, T>(image.read(), light.view(), options.linear, {});
    REQUIRE(in_range(light));
  });
}

void spill(Input& in) {
  const Shape s = shape(in, 4096);
  DespillOptions options = despill_options(in);
  options.restore = in.real(0.0, 1.0);
  const int channels = in.number(3, 4);
  const PlateOptions color{{static_cast<float>(in.real(0, 1)), static_cast<float>(in.real(0, 1)),
                            static_cast<float>(in.real(0, 1))}};
  const bool held = in.flag(), with_plate = in.flag();
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, s, channels), plate(in, s, in.number(3, 4)), out(s, channels);
    const Picture<std::uint8_t> kept(in, s, 1);
    const auto mask = held ? kept.read() : ImageView<const std::uint8_t>{};
    despill<kCpu, T>(image.read(), mask, out.view(), options, {});
    REQUIRE(in_range(out));
    for_depth(in, [&](auto a) {
      using A = decltype(a);
      const Picture<A> alpha(in, s, 1);
      const auto screen = with_plate ? plate.read() : ImageView<const T>{};
      subtract_plate<kCpu, T, A>(image.read(), alpha.read(), screen, out.view(), color, {});
      REQUIRE(in_range(out));
    });
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, size);
  set_thread_count(in.byte() % 8u ? 1 : 3);
  switch (in.byte() % 3u) {
    case 0: key(in); break;
    case 1: soft(in); break;
    default: spill(in); break;
  }
  return 0;
}

// Edges, compositing, transfer curves, resizing, and the two ends of a network.
#include "fuzz.hpp"
#include "ops.hpp"
#include "pixel/choke.hpp"
#include "pixel/classes.hpp"
#include "pixel/composite.hpp"
#include "pixel/feather.hpp"
#include "pixel/resize.hpp"
#include "pixel/tensor.hpp"

using namespace trimatte;
using namespace trimatte::fuzz;

namespace {

ResizeFilter any_filter(Input& in) {
  return in.one_of({ResizeFilter::kLanczos, ResizeFilter::kBilinear, ResizeFilter::kBox});
}

void edges(Input& in) {
  const Shape s = shape(in, 4096);
  const ChokeOptions disk{in.real(-64.0, 64.0)};
  const FeatherOptions blur{in.flag() ? in.real(0.0, 64.0) : in.real(0.0, 0.01)};
  const bool with_garbage = in.flag(), with_core = in.flag();
  for_depth(in, [&](auto a) {
    using A = decltype(a);
    const Picture<A> alpha(in, s, 1), out(s, 1);
    choke<kCpu, A>(alpha.read(), out.view(), disk, {});
    REQUIRE(in_range(out));
    feather<kCpu, A>(alpha.read(), out.view(), blur, {});
    REQUIRE(in_range(out));
    for_depth(in, [&](auto m) {
      using M = decltype(m);
      const Picture<M> garbage(in, s, 1), core(in, s, 1);
      hold_mattes<kCpu, A, M>(alpha.read(), with_garbage ? garbage.read() : ImageView<const M>{},
                              with_core ? core.read() : ImageView<const M>{}, out.view(), {});
      REQUIRE(in_range(out));
    });
  });
}

void over_backgrounds(Input& in) {
  const Shape s = shape(in, 4096);
  CompositeOptions options;
  for (float& c : options.color) c = static_cast<float>(in.real(0.0, 1.0));
  options.linear = in.flag();
  const bool with_background = in.flag();
  for_depth(in, [&](auto t) {
    for_depth(in, [&](auto a) {
      using T = decltype(t);
      using A = decltype(a);
      const Picture<T> front(in, s, in.number(3, 4)), back(in, s, in.number(3, 4)), out(s, 3);
      const Picture<T> given(in, s, 4), rgba(s, 4), again(s, 4);
      const Picture<A> alpha(in, s, 1);
      composite<kCpu, T, A>(front.read(), alpha.read(),
                            with_background ? back.read() : ImageView<const T>{}, out.view(),
                            options, {});
      REQUIRE(in_range(out));
      cutout<kCpu, T, A>(front.read(), alpha.read(), rgba.view(), {});
      REQUIRE(in_range(rgba));
      premultiply<kCpu, T>(given.read(), rgba.view(), {});
      REQUIRE(in_range(rgba));
      unpremultiply<kCpu, T>(given.read(), again.view(), {});
      REQUIRE(in_range(again));
      const Picture<float> solved(in, s, 1), limited(s, 1);
      limit_alpha<kCpu, T>(solved.read(), given.read(), limited.view(), {});
      REQUIRE(in_range(limited));
    });
  });
}

void light(Input& in) {
  const Shape s = shape(in, 4096);
  const int channels = in.number(3, 4);
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, s, channels), encoded(s, channels);
    const Picture<float> given(in, s, channels), linear(s, channels);
    to_linear<kCpu, T>(image.read(), linear.view(), {});
    REQUIRE(in_range(linear));
    to_srgb<kCpu, T>(given.read(), encoded.view(), {});
    REQUIRE(in_range(encoded));
  });
}

void resized(Input& in) {
  const Shape from = shape(in, 4096, 1), to = shape(in, 4096, 1);
  const int channels = in.one_of({1, 3, 4});
  const ResizeOptions options{any_filter(in)};
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, from, channels), out(to, channels);
    resize<kCpu, T>(image.read(), out.view(), options, {});
    REQUIRE(in_range(out));
  });
}

void upsampled(Input& in) {
  const Shape from = shape(in, 1024, 1), to = shape(in, 4096, 1);
  const int channels = in.number(3, 4);
  for_depth(in, [&](auto t) {
    for_depth(in, [&](auto a) {
      using T = decltype(t);
      using A = decltype(a);
      const Picture<T> image(in, to, channels);
      const Picture<A> mask(in, from, 1);
      const Picture<float> out(to, 1);
      upsample_mask<kCpu, T, A>(image.read(), mask.read(), out.view(), {});
      REQUIRE(in_range(out));
    });
  });
}

void network_input(Input& in) {
  const Shape from = shape(in, 4096, 1), to = shape(in, 1024, 1);
  PreprocessOptions options;
  options.filter = any_filter(in);
  options.scale_by_maximum = in.flag();
  options.bgr = in.flag();
  for (double& m : options.mean) m = in.real(-2.0, 2.0);
  for (double& d : options.deviation) d = in.real(1e-3, 3.0);
  const auto run = [&](auto s) {
    using S = decltype(s);
    for_depth(in, [&](auto t) {
      using T = decltype(t);
      const Picture<T> image(in, from, in.number(3, 4));
      const Picture<S> tensor({3 * to.height, to.width}, 1);
      preprocess<kCpu, T, S>(image.read(), tensor.view(), options, {});
      REQUIRE(tensor.all([](S v) { return std::isfinite(from_sample(v)); }));
    });
  };
  in.flag() ? run(float{}) : run(Half{});
}

void network_output(Input& in) {
  const Shape from = shape(in, 2048, 1), to = shape(in, 4096, 1);
  const PostprocessOptions options{any_filter(in), in.flag()};
  const int planes = in.number(1, 12);
  ClassSet classes;
  for (int c = 0; c < planes; ++c)
    if (in.flag()) classes.add(c);
  const auto run = [&](auto s) {
    using S = decltype(s);
    const auto matte = prediction<S>(in, from);
    const Picture<std::uint8_t> mask(to, 1);
    postprocess<kCpu, S>(matte.read(), mask.view(), options, {});
    const auto logits = prediction<S>(in, {from.height * planes, from.width});
    const Picture<float> probability(from, 1);
    class_probability<kCpu, S>(logits.read(), probability.view(), classes, {});
    REQUIRE(probability.all([](float v) { return v >= 0.0f && v <= 1.00001f; }));
  };
  in.flag() ? run(float{}) : run(Half{});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, size);
  set_thread_count(in.byte() % 8u ? 1 : 3);
  switch (in.byte() % 6u) {
    case 0: edges(in); break;
    case 1: over_backgrounds(in); break;
    case 2: light(in); break;
    case 3: resized(in), upsampled(in); break;
    case 4: network_input(in); break;
    default: network_output(in); break;
  }
  return 0;
}

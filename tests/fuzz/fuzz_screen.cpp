// Learning a screen, of one image and of the next.
#include "cpu/screen.hpp"
#include "fuzz.hpp"

using namespace trimatte;
using namespace trimatte::fuzz;

namespace {

bool finite(const ScreenFit& fit) {
  const auto numbers = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  };
  return std::isfinite(fit.noise) && fit.noise >= 0.0f && fit.share >= 0.0 && fit.share <= 1.0 &&
         numbers(fit.model.values) && numbers(fit.plate.values);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, size);
  set_thread_count(in.byte() % 8u ? 1 : 3);
  const Shape s = shape(in, 9216, 1);
  using Transfer = ScreenOptions::Transfer;
  ScreenOptions options;
  options.channel = in.number(-1, 2);
  options.transfer = in.one_of({Transfer::kSrgb, Transfer::kLinear, Transfer::kAuto});
  ScreenFit known;
  if (in.flag())
    for (float& c : known.key) c = static_cast<float>(in.real(0.0, 1.0));
  const bool with_plate = in.flag();
  for_depth(in, [&](auto t) {
    using T = decltype(t);
    const Picture<T> image(in, s, in.number(3, 4)), plate(in, s, in.number(3, 4));
    const auto clean = with_plate ? plate.read() : ImageView<const T>{};
    const ScreenFit fit = fit_screen<T>(image.read(), clean, options, known);
    REQUIRE(finite(fit));
    if (fit.plate.values.empty()) return;
    const Picture<T> next(in, s, in.number(3, 4));
    const ScreenOptions same{-1, fit.linear ? Transfer::kLinear : Transfer::kSrgb};
    REQUIRE(finite(fit_screen<T>(next.read(), {}, same, fit)));
  });
  return 0;
}

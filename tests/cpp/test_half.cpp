// Half against the compiler's own binary16, at every value and at every place where rounding turns.
#include "check.hpp"
#include "pixel/half.hpp"

#if defined(__FLT16_MANT_DIG__)

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>

using trimatte::from_half;
using trimatte::Half;
using trimatte::to_half;

namespace {

float compilers_float(std::uint16_t bits) {
  _Float16 value;
  std::memcpy(&value, &bits, 2);
  return static_cast<float>(value);
}

std::uint16_t compilers_half(float value) {
  const auto rounded = static_cast<_Float16>(value);
  std::uint16_t bits;
  std::memcpy(&bits, &rounded, 2);
  return bits;
}

bool same(float a, float b) {
  return std::memcmp(&a, &b, 4) == 0 || (std::isnan(a) && std::isnan(b));
}

}  // namespace

TEST(every_half_is_the_compilers_float) {
  int wrong = 0;
  for (int bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    wrong += !same(from_half(Half{half}), compilers_float(half));
  }
  CHECK(wrong == 0);
}

TEST(floats_round_to_the_compilers_half) {
  // Between two neighbours the result changes at their middle only.
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  int wrong = 0;
  for (int bits = 0; bits <= 0x7c00; ++bits) {
    const float value = compilers_float(static_cast<std::uint16_t>(bits));
    const float next = bits < 0x7bff    ? compilers_float(static_cast<std::uint16_t>(bits + 1))
                       : bits == 0x7bff ? 65536.0f
                                        : kInfinity;
    const float middle = bits == 0x7c00 ? 1e30f : value + (next - value) / 2.0f;
    for (const float v : {value, middle})
      for (const float at : {std::nextafter(v, 0.0f), v, std::nextafter(v, kInfinity)})
        for (const float x : {at, -at}) wrong += to_half(x).bits != compilers_half(x);
  }
  CHECK(wrong == 0);
  CHECK(std::isnan(from_half(to_half(std::numeric_limits<float>::quiet_NaN()))));
}

#endif

// What the fuzzers share: a fuzzer's bytes read as numbers, options and images. Whatever they are,
// they become arguments as bind/ lets them through: a fuzzer may ask nothing that Python cannot.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <type_traits>

#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
#include <sanitizer/asan_interface.h>
#endif

#include "core/device.hpp"
#include "core/image_view.hpp"
#include "core/parallel.hpp"
#include "pixel/half.hpp"

// What must hold of a result, whatever the bytes.
#define REQUIRE(condition)                                                         \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

namespace trimatte::fuzz {

inline constexpr DeviceKind kCpu = DeviceKind::kCPU;

// Bytes from the front become numbers; 0 follows the last.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  unsigned byte() { return at_ < size_ ? data_[at_++] : 0; }
  bool flag() { return byte() & 1u; }
  std::uint32_t word() {
    std::uint32_t w = 0;
    for (int i = 0; i < 4; ++i) w = w << 8 | byte();
    return w;
  }
  int number(int low, int high) {  // both included
    const auto values = static_cast<std::uint32_t>(high - low) + 1u;
    return low + static_cast<int>((byte() << 8 | byte()) % values);
  }
  double real(double low, double high) {  // both ends are common
    const unsigned v = byte();
    if (v < 16) return low;
    if (v >= 240) return high;
    return low + (high - low) * ((v - 16) * 256.0 + byte()) / (224.0 * 256.0);
  }
  template <class E>
  E one_of(std::initializer_list<E> all) {
    return all.begin()[byte() % all.size()];
  }

  // Any byte again, for the contents of images: they may be larger than there are bytes.
  std::uint8_t wrapped(std::size_t i) const { return size_ ? data_[i % size_] : std::uint8_t{0}; }

 private:
  const std::uint8_t* data_;
  std::size_t size_, at_ = 0;
};

struct Shape {
  std::ptrdiff_t height, width;
};
// Squares, strips, single rows and columns; empty ones with `least` 0.
inline Shape shape(Input& in, int most_pixels, int least = 0) {
  const bool upright = in.flag();
  const int one = in.number(least, static_cast<int>(std::sqrt(most_pixels)));
  const int other = in.number(least, std::min(most_pixels / std::max(one, 1), 700));
  return upright ? Shape{other, one} : Shape{one, other};
}

inline float any_float(std::uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

// A sample as operations take it: floats in [0, 1], their ends and the least of them among them.
template <class T>
T sample(std::uint32_t bits) {
  if constexpr (std::is_same_v<T, float>) {
    switch (bits & 15u) {
      case 0: return 0.0f;
      case 1: return 1.0f;
      case 2: return std::numeric_limits<float>::denorm_min();
      case 3: return std::nextafter(1.0f, 0.0f);
      default: return static_cast<float>(bits >> 8) / static_cast<float>(0xffffff);
    }
  } else {
    return static_cast<T>(bits >> 8);
  }
}

// An image in memory of its own, exactly as large as it is. What lies between its rows may not be
// touched: AddressSanitizer sees to it.
template <class T>
class Picture {
 public:
  // A result, as bind/ makes it: packed. Whoever writes leaves no sample out: they are NaN.
  Picture(Shape s, int channels) : Picture(s, channels, 0, false) {
    std::memset(bytes_.get(), 0xff, size_);
  }
  // An argument: packed or strided, its rows in either order.
  Picture(Input& in, Shape s, int channels)
      : Picture(s, channels, in.one_of({0, 0, 0, 16, 64}), in.flag()) {
    fill(in);
  }
  Picture(Picture&&) noexcept = default;
  ~Picture() {
#if defined(ASAN_UNPOISON_MEMORY_REGION)
    if (bytes_) ASAN_UNPOISON_MEMORY_REGION(bytes_.get(), size_);
#endif
  }

  const ImageView<T>& view() const { return view_; }
  ImageView<const T> read() const { return view_; }
  T& at(std::ptrdiff_t y, std::ptrdiff_t x, int c = 0) const {
    return view_.row(y)[x * view_.channels + c];
  }
  template <class F>
  void for_each(const F& f) const {
    for (std::ptrdiff_t y = 0; y < view_.height; ++y)
      for (std::ptrdiff_t i = 0; i < view_.width * view_.channels; ++i) f(view_.row(y)[i]);
  }
  template <class F>
  bool all(const F& f) const {
    bool good = true;
    for_each([&](const T& v) { good &= f(v); });
    return good;
  }

 private:
  Picture(Shape s, int channels, std::ptrdiff_t gap, bool backwards) {
    const std::ptrdiff_t row = s.width * channels * static_cast<std::ptrdiff_t>(sizeof(T));
    const std::ptrdiff_t stride = row + gap;
    size_ = static_cast<std::size_t>(std::max<std::ptrdiff_t>(s.height * stride - gap, 0));
    bytes_.reset(new std::uint8_t[size_]);
    view_ = {reinterpret_cast<T*>(bytes_.get()), s.height, s.width, channels, stride};
#if defined(ASAN_POISON_MEMORY_REGION)
    for (std::ptrdiff_t y = 0; gap && y + 1 < s.height; ++y)
      ASAN_POISON_MEMORY_REGION(bytes_.get() + y * stride + row, static_cast<std::size_t>(gap));
#endif
    if (backwards && s.height > 0) {
      view_.data = view_.row(s.height - 1);
      view_.stride = -stride;
    }
  }

  // The fuzzer's bytes themselves, noise, flat colour, or large flat parts.
  void fill(Input& in) {
    const unsigned kind = in.byte() % 4u;
    std::uint32_t state = in.word() | 1u;
    const std::uint32_t start = state;
    const auto noise = [&] {
      state ^= state << 13, state ^= state >> 17, state ^= state << 5;
      return state;
    };
    const int part = in.number(1, 40);
    std::size_t i = 0;
    for (std::ptrdiff_t y = 0; y < view_.height; ++y)
      for (std::ptrdiff_t x = 0; x < view_.width; ++x)
        for (int c = 0; c < view_.channels; ++c, ++i) {
          const auto spot = static_cast<std::uint32_t>(y / part * 31 + x / part * 17 + c * 7);
          const std::uint32_t bits = kind == 0   ? in.wrapped(i) * 0x01010101u
                                     : kind == 1 ? noise()
                                     : kind == 2 ? start + static_cast<std::uint32_t>(c) * 0x5b5b5bu
                                                 : (start ^ spot) * 2654435761u;
          at(y, x, c) = sample<T>(bits);
        }
  }

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
  ImageView<T> view_;
};

// Trimaps of parts: known and unknown, and values in between, as users draw them.
inline Picture<std::uint8_t> trimap(Input& in, Shape s) {
  Picture<std::uint8_t> picture(in, s, 1);
  if (in.byte() % 8u != 0)
    picture.for_each([](std::uint8_t& t) { t = t < 85 ? 0 : t < 170 ? 128 : 255; });
  return picture;
}

// A network's samples: any floats, NaN and infinities too.
template <class S>
Picture<S> prediction(Input& in, Shape s) {
  Picture<S> picture(s, 1);
  std::uint32_t state = in.word() | 1u;
  const unsigned kind = in.byte() % 3u;
  picture.for_each([&](S& v) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    const float f = kind == 0   ? any_float(state)
                    : kind == 1 ? static_cast<float>(state) / 4294967295.0f
                                : static_cast<float>(static_cast<std::int32_t>(state)) / 1e8f;
    if constexpr (std::is_same_v<S, Half>) {
      v = to_half(f);
    } else {
      v = f;
    }
  });
  return picture;
}

template <class F>
void for_depth(Input& in, const F& f) {
  switch (in.byte() % 3u) {
    case 0: return f(std::uint8_t{});
    case 1: return f(std::uint16_t{});
    default: return f(float{});
  }
}

// Finite, and in [0, 1] of its type. NaN is not.
template <class T>
bool in_range(const Picture<T>& picture) {
  return picture.all([](T v) { return v >= T(0) && v <= static_cast<T>(kFullScale<T>); });
}

template <class T>
bool equal(const Picture<T>& a, const Picture<T>& b) {
  const ImageView<T>&u = a.view(), &v = b.view();
  for (std::ptrdiff_t y = 0; y < u.height; ++y)
    for (std::ptrdiff_t i = 0; i < u.width * u.channels; ++i)
      if (!(u.row(y)[i] == v.row(y)[i])) return false;
  return true;
}

}  // namespace trimatte::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Four pixels at a time on the GPU, or on the stand-in for one: to the bit what one at a time gives
// on the CPU, by whole warps and by what is left over, whether or not rows lie aligned.
#include <cstdint>
#include <cstdio>

#include "both_devices.hpp"
#include "check.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/composite.hpp"
#include "pixel/despill.hpp"
#include "pixel/key.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

using Byte = std::uint8_t;

struct Shape {
  std::ptrdiff_t height, width;
  Layout layout;
};
constexpr Shape kShapes[] = {
    {1, 512, {}},          {1, 511, {}},   {3, 1025, {}},   {2, 1040, {16}},
    {2, 1040, {16, true}}, {2, 1040, {4}}, {2, 1536, {32}}, {kSlow ? 1 : 70, 97, {}}};

// call(device, inputs..., out) on both devices.
template <class Call, class... In>
void equal(const char* what, const Shape& shape, int channels, const Call& call,
           const Image<In>&... inputs) {
  const Image<Byte> wanted(shape.height, shape.width, channels);
  call(DeviceTag<DeviceKind::kCPU>{}, inputs.read()..., wanted.view());
  const DeviceImage<Byte> out(shape.height, shape.width, channels, shape.layout);
  [&](const DeviceImage<In>&... in) {
    call(DeviceTag<DeviceKind::kCUDA>{}, in.read()..., out.view());
  }(DeviceImage<In>(inputs.read(), shape.layout)...);
  const Difference worst = difference(out, wanted);
  if (worst.largest > 0.0)
    std::printf("%s, %td x %td, padding %td: differs by up to %g\n", what, shape.height,
                shape.width, shape.layout.padding, worst.largest);
  CHECK(worst.largest == 0.0);
}

// Of 0, 255 and what lies between.
Image<Byte> alphas(const Shape& shape) {
  Image<Byte> alpha = noise<Byte>(shape.height, shape.width, 1, 5);
  for (std::size_t i = 0; i < alpha.size(); ++i)
    if (i % 3 < 2) alpha.begin()[i] = i % 3 ? 255 : 0;
  return alpha;
}

}  // namespace

TEST(cuda_quads_of_keys) {
  for (const Shape& shape : kShapes) {
    const Image<Byte> image = noise<Byte>(shape.height, shape.width, 3, 3);
    for (const int channel : {0, 1, 2})
      for (const double tolerance : {0.0, 30.5, 255.0})
        for (const double softness : {0.0, 60.0}) {
          const KeyOptions key{channel, tolerance, softness};
          equal(
              "chroma_key", shape, 1,
              [&]<DeviceKind D>(DeviceTag<D>, auto in, auto out) {
                chroma_key<D, Byte, Byte>(in, out, key, {});
              },
              image);
          for (const bool premultiplied : {false, true})
            equal(
                "key_cutout", shape, 4,
                [&]<DeviceKind D>(DeviceTag<D>, auto in, auto out) {
                  key_cutout<D, Byte>(in, out, key, {.channel = channel}, premultiplied, {});
                },
                image);
        }
  }
}

TEST(cuda_quads_of_despill) {
  for (const Shape& shape : kShapes) {
    const Image<Byte> image = noise<Byte>(shape.height, shape.width, 3, 4);
    for (const int channel : {0, 1, 2})
      for (const auto method :
           {DespillMethod::kAverage, DespillMethod::kDoubleAverage, DespillMethod::kMaxLimit})
        for (const double strength : {1.0, 0.37, 0.0})
          equal(
              "despill", shape, 3,
              [&]<DeviceKind D>(DeviceTag<D>, auto in, auto out) {
                despill<D, Byte>(in, {}, out, {channel, method, strength}, {});
              },
              image);
  }
}

TEST(cuda_quads_of_premultiplied_colours) {
  Image<Byte> every(256, 256, 4);  // sample and alpha
  for (std::ptrdiff_t y = 0; y < 256; ++y)
    for (std::ptrdiff_t x = 0; x < 256; ++x)
      for (int c = 0; c < 4; ++c)
        every.at(y, x, c) = static_cast<Byte>(c == 3 ? y : c == 1 ? 255 - x : x);
  equal(
      "premultiply", {256, 256, {}}, 4,
      []<DeviceKind D>(DeviceTag<D>, auto rgba, auto out) { premultiply<D, Byte>(rgba, out, {}); },
      every);
  equal(
      "unpremultiply", {256, 256, {}}, 4,
      []<DeviceKind D>(DeviceTag<D>, auto rgba, auto out) {
        unpremultiply<D, Byte>(rgba, out, {});
      },
      every);
}

TEST(cuda_quads_of_composites) {
  for (const Shape& shape : kShapes) {
    const Image<Byte> front = noise<Byte>(shape.height, shape.width, 3, 6);
    const Image<Byte> back = noise<Byte>(shape.height, shape.width, 3, 7);
    const Image<Byte> alpha = alphas(shape);
    equal(
        "cutout", shape, 4,
        []<DeviceKind D>(DeviceTag<D>, auto image, auto a, auto out) {
          cutout<D, Byte, Byte>(image, a, out, {});
        },
        front, alpha);
    equal(
        "composite over an image", shape, 3,
        []<DeviceKind D>(DeviceTag<D>, auto image, auto a, auto behind, auto out) {
          composite<D, Byte, Byte>(image, a, behind, out, {}, {});
        },
        front, alpha, back);
    equal(
        "composite over a colour", shape, 3,
        []<DeviceKind D>(DeviceTag<D>, auto image, auto a, auto out) {
          composite<D, Byte, Byte>(image, a, {}, out, {{0.2f, 0.7f, 0.45f}, false}, {});
        },
        front, alpha);
  }
}

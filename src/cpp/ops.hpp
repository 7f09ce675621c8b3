// Every operation, declared once for all devices. A backend defines them for its DeviceKind; one
// that it forgets does not link.
//
// Shapes: image (H, W, 3 or 4), alpha, mask and trimap (H, W); outputs have the size of the inputs.
// bind/ has checked sizes, channels and values before anything here is called.
#pragma once

#include <cstdint>

#include "core/device.hpp"
#include "core/image_view.hpp"
#include "pixel/composite.hpp"
#include "pixel/despill.hpp"
#include "pixel/key.hpp"
#include "pixel/matting.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {

struct TrimapCounts {                                     // pixels
  std::int64_t mask_foreground = 0, mask_background = 0;  // by the thresholds alone
  std::int64_t sure_foreground = 0, sure_background = 0;  // in the trimap
};

template <DeviceKind D, class T, class A>
void chroma_key(ImageView<const T> image, ImageView<A> alpha, const KeyOptions&, Stream);

template <DeviceKind D, class T>
TrimapCounts make_trimap(ImageView<const T> mask, ImageView<std::uint8_t> trimap,
                         const TrimapOptions&, Stream);

template <DeviceKind D, class T>
MattingInfo estimate_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                           ImageView<float> alpha, const MattingOptions&, Stream);

// `background` may be empty (data == nullptr): it is not wanted then.
template <DeviceKind D, class T, class A>
void estimate_foreground(ImageView<const T> image, ImageView<const A> alpha,
                         ImageView<T> foreground, ImageView<T> background, Stream);

template <DeviceKind D, class T>
void despill(ImageView<const T> image, ImageView<T> out, const DespillOptions&, Stream);

template <DeviceKind D, class T>
void premultiply(ImageView<const T> rgba, ImageView<T> out, Stream);

template <DeviceKind D, class T>
void unpremultiply(ImageView<const T> rgba, ImageView<T> out, Stream);

template <DeviceKind D, class T, class A>
void cutout(ImageView<const T> foreground, ImageView<const A> alpha, ImageView<T> rgba, Stream);

// `background` is an image, or empty for the single colour of the options.
template <DeviceKind D, class T, class A>
void composite(ImageView<const T> foreground, ImageView<const A> alpha,
               ImageView<const T> background, ImageView<T> out, const CompositeOptions&, Stream);

}  // namespace trimatte

// The sample types that operations are built for.
#define TRIMATTE_FOR_DEPTHS(X) X(std::uint8_t) X(std::uint16_t) X(float)
#define TRIMATTE_FOR_DEPTH_PAIRS(X) \
  X(std::uint8_t, std::uint8_t)     \
  X(std::uint8_t, std::uint16_t)    \
  X(std::uint8_t, float)            \
  X(std::uint16_t, std::uint8_t)    \
  X(std::uint16_t, std::uint16_t)   \
  X(std::uint16_t, float) X(float, std::uint8_t) X(float, std::uint16_t) X(float, float)

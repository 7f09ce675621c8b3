// Every operation, declared once for all devices. A backend defines them for its DeviceKind; one
// that it forgets does not link.
//
// Shapes: image (H, W, 3 or 4), alpha, mask and trimap (H, W); outputs have the size of the inputs.
// bind/ has checked sizes, channels and values before anything here is called.
#pragma once

#include <cstdint>

#include "core/device.hpp"
#include "core/image_view.hpp"

namespace trimatte {

// Defined in pixel/. Declared only here: a change of one operation recompiles that operation alone.
struct ChokeOptions;
struct ClassSet;
struct CompositeOptions;
struct DespillOptions;
struct FeatherOptions;
struct ForegroundOptions;
struct KeyOptions;
struct MattingInfo;
struct MattingOptions;
struct PlateOptions;
struct PostprocessOptions;
struct PreprocessOptions;
struct ProjectOptions;
struct ResizeOptions;
struct SamplingOptions;
struct SoftKeyOptions;
struct StabilizeOptions;
struct SureOptions;
struct TrimapOptions;
struct TrimapRadii;

// A result beside an image, as of make_trimap and estimate_alpha, is a pointer that may be null: on
// a GPU, asking for it waits for the work to end. Nothing else here waits.

template <DeviceKind D, class T, class A>
void chroma_key(ImageView<const T> image, ImageView<A> alpha, const KeyOptions&, Stream);

// Key, de-spill and RGBA in one pass: cutout(despill(image), chroma_key(image)), premultiplied or
// not. Both options are of the same channel.
template <DeviceKind D, class T>
void key_cutout(ImageView<const T> image, ImageView<T> rgba, const KeyOptions&,
                const DespillOptions&, bool premultiplied, Stream);

// The soft methods. `grid` in float: a clean plate (3 channels), the affine models of kPlate (4),
// or empty where the method needs none.
template <DeviceKind D, class T, class A>
void soft_key(ImageView<const T> image, ImageView<A> alpha, ImageView<const float> grid,
              const SoftKeyOptions&, Stream);

template <DeviceKind D, class T>
void soft_key_cutout(ImageView<const T> image, ImageView<T> rgba, ImageView<const float> grid,
                     const SoftKeyOptions&, const DespillOptions&, bool premultiplied, Stream);

// An image's colours (3 channels), or a plane, in float, in linear light or as they are encoded.
template <DeviceKind D, class T>
void decode(ImageView<const T> image, ImageView<float> light, bool linear, Stream);

// A disk that would leave no sure foreground (background) where the mask has some is reduced to the
// largest that keeps some; `used` gets the radii.
template <DeviceKind D, class T>
void make_trimap(ImageView<const T> mask, ImageView<std::uint8_t> trimap, const TrimapOptions&,
                 TrimapRadii* used, Stream);

// `mask`, of any size and stretched over the image, is the rough mask that the trimap was made of,
// or empty (data == nullptr).
template <DeviceKind D, class T>
void estimate_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                    ImageView<const float> mask, ImageView<float> alpha, const MattingOptions&,
                    MattingInfo* info, Stream);

// Alpha by shared sampling; `confidence` in it, 1 where the trimap knows, may be empty.
template <DeviceKind D, class T>
void sample_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                  ImageView<float> alpha, ImageView<float> confidence, const SamplingOptions&,
                  Stream);

// Alpha by a guided filter on few cells: a preview.
template <DeviceKind D, class T>
void guide_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                 ImageView<float> alpha, Stream);

// Alpha steadied by the frame before, whose alpha should be one that was steadied.
template <DeviceKind D, class T, class A>
void stabilize_alpha(ImageView<const T> image, ImageView<const A> alpha,
                     ImageView<const T> previous, ImageView<const A> previous_alpha,
                     ImageView<A> out, const StabilizeOptions&, Stream);

// `plate` is the known background, or empty: then it is the options' colour, or not known.
// `background` may be empty (data == nullptr): it is not wanted then.
template <DeviceKind D, class T, class A>
void estimate_foreground(ImageView<const T> image, ImageView<const A> alpha,
                         ImageView<const T> plate, ImageView<T> foreground, ImageView<T> background,
                         const ForegroundOptions&, Stream);

// Alpha on the line from background to foreground colour, of the pixels that the trimap leaves
// unknown; `plate` is the background's colour in float, of any size.
template <DeviceKind D, class T>
void project_alpha(ImageView<const T> image, ImageView<const T> foreground,
                   ImageView<const float> plate, ImageView<const std::uint8_t> trimap,
                   ImageView<const float> alpha, ImageView<float> out, const ProjectOptions&,
                   Stream);

// A plate in the image's size, of a coarse one: with cells of that many pixels, or stretched if 0.
template <DeviceKind D, class T>
void plate_image(ImageView<const float> plate, ImageView<T> out, int cell, Stream);

// Where `kept` is 255 colours stay as they are; it may be empty: they do nowhere then.
template <DeviceKind D, class T>
void despill(ImageView<const T> image, ImageView<const std::uint8_t> kept, ImageView<T> out,
             const DespillOptions&, Stream);

// What of the foreground can be told from the screen behind it, `plate` or the options' colour.
template <DeviceKind D, class T, class A>
void subtract_plate(ImageView<const T> image, ImageView<const A> alpha, ImageView<const T> plate,
                    ImageView<T> out, const PlateOptions&, Stream);

// Alpha eroded by a disk, or dilated.
template <DeviceKind D, class T>
void choke(ImageView<const T> alpha, ImageView<T> out, const ChokeOptions&, Stream);

template <DeviceKind D, class T>
void feather(ImageView<const T> alpha, ImageView<T> out, const FeatherOptions&, Stream);

// max(min(alpha, 1 - garbage), core); either matte may be empty.
template <DeviceKind D, class A, class M>
void hold_mattes(ImageView<const A> alpha, ImageView<const M> garbage, ImageView<const M> core,
                 ImageView<A> out, Stream);

// The mattes of what a mask is sure of, 0 or 255: garbage, where all of the square of `reach`
// around a pixel is below `low`, and core, where all of it is above `high`. The mattes have one
// size, which need not be the mask's: they are resized bilinearly, and what is at least half sure
// is 255.
template <DeviceKind D, class T>
void sure_mattes(ImageView<const T> mask, ImageView<std::uint8_t> garbage,
                 ImageView<std::uint8_t> core, const SureOptions&, Stream);

template <DeviceKind D, class T>
void premultiply(ImageView<const T> rgba, ImageView<T> out, Stream);

template <DeviceKind D, class T>
void unpremultiply(ImageView<const T> rgba, ImageView<T> out, Stream);

template <DeviceKind D, class T, class A>
void cutout(ImageView<const T> foreground, ImageView<const A> alpha, ImageView<T> rgba, Stream);

// Alpha times the image's own, its fourth channel.
template <DeviceKind D, class T>
void limit_alpha(ImageView<const float> alpha, ImageView<const T> rgba, ImageView<float> out,
                 Stream);

// `background` is an image, or empty for the single colour of the options.
template <DeviceKind D, class T, class A>
void composite(ImageView<const T> foreground, ImageView<const A> alpha,
               ImageView<const T> background, ImageView<T> out, const CompositeOptions&, Stream);

// Linear light of an image in sRGB, and the way back; a fourth channel keeps its scale.
template <DeviceKind D, class T>
void to_linear(ImageView<const T> image, ImageView<float> light, Stream);

template <DeviceKind D, class T>
void to_srgb(ImageView<const float> light, ImageView<T> image, Stream);

// Any number of channels from 1 to 4; those that `out` has fewer are left out.
template <DeviceKind D, class T>
void resize(ImageView<const T> image, ImageView<T> out, const ResizeOptions&, Stream);

// A mask, usually smaller, in the image's size, its edges along the image's; neither may be empty.
template <DeviceKind D, class T, class A>
void upsample_mask(ImageView<const T> image, ImageView<const A> mask, ImageView<float> out, Stream);

// An image as a network's input: resized, in 8 bits, normalised, its planes one below the other:
// (3 h, w).
template <DeviceKind D, class T, class S>
void preprocess(ImageView<const T> image, ImageView<S> tensor, const PreprocessOptions&, Stream);

// A network's logits, planes (c h, w), as the probability of some of its classes: softmax over the
// planes, or the sigmoid of a single one.
template <DeviceKind D, class S>
void class_probability(ImageView<const S> planes, ImageView<float> probability, const ClassSet&,
                       Stream);

// A network's output as a mask of any size.
template <DeviceKind D, class S>
void postprocess(ImageView<const S> prediction, ImageView<std::uint8_t> mask,
                 const PostprocessOptions&, Stream);

}  // namespace trimatte

// The sample types that operations are built for; a network's samples are float or Half.
#define TRIMATTE_FOR_DEPTHS(X) X(std::uint8_t) X(std::uint16_t) X(float)
#define TRIMATTE_FOR_NETWORK_SAMPLES(X) X(float) X(Half)
#define TRIMATTE_FOR_DEPTH_PAIRS(X) \
  X(std::uint8_t, std::uint8_t)     \
  X(std::uint8_t, std::uint16_t)    \
  X(std::uint8_t, float)            \
  X(std::uint16_t, std::uint8_t)    \
  X(std::uint16_t, std::uint16_t)   \
  X(std::uint16_t, float) X(float, std::uint8_t) X(float, std::uint16_t) X(float, float)

// Mattes of what a mask is sure of, on the GPU: the square is eroded in a pass along rows and one
// along columns, for both classes at once.
#include "buffer.cuh"
#include "ops.hpp"
#include "pixel/resize.hpp"
#include "pixel/trimap.hpp"
#include "runs.cuh"

namespace trimatte {
namespace {

// The classes that a sample is in, or all of a square.
constexpr unsigned kOut = 1, kIn = 2;

// The classes that all of classes_of(at - reach) ... classes_of(at + reach) are in, of `count`.
template <class ClassesOf>
__device__ unsigned classes_around(std::ptrdiff_t at, std::ptrdiff_t count, int reach,
                                   const ClassesOf& classes_of) {
  const std::ptrdiff_t first = at > reach ? at - reach : 0;
  const std::ptrdiff_t last = at + reach < count ? at + reach : count - 1;
  unsigned kept = kOut | kIn;
#pragma unroll 1
  for (std::ptrdiff_t i = first; i <= last && kept; ++i) kept &= classes_of(i);
  return kept;
}

template <class T>
__global__ void rows_kernel(ImageView<const T> mask, ImageView<std::uint8_t> classes,
                            MaskBounds<T> bounds, int reach) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= mask.width) return;
  cuda::in_row(mask.height, [&](std::ptrdiff_t y) {
    const T* row = mask.row(y);
    const auto classes_of = [&](std::ptrdiff_t i) {
      return (bounds.is_background(row[i]) ? kOut : 0u) | (bounds.is_foreground(row[i]) ? kIn : 0u);
    };
    classes.row(y)[x] = static_cast<std::uint8_t>(classes_around(x, mask.width, reach, classes_of));
  });
}

__global__ void columns_kernel(ImageView<const std::uint8_t> classes,
                               ImageView<std::uint8_t> garbage, ImageView<std::uint8_t> core,
                               int reach) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= classes.width) return;
  cuda::in_row(classes.height, [&](std::ptrdiff_t y) {
    const auto classes_of = [&](std::ptrdiff_t i) -> unsigned { return classes.row(i)[x]; };
    const unsigned kept = classes_around(y, classes.height, reach, classes_of);
    garbage.row(y)[x] = kept & kOut ? 255 : 0;
    core.row(y)[x] = kept & kIn ? 255 : 0;
  });
}

__global__ void harden_kernel(ImageView<const std::uint8_t> soft, ImageView<std::uint8_t> matte) {
  cuda::map_runs<cuda::kRun<std::uint8_t>>(
      [](std::uint8_t* to, const std::uint8_t* m) { *to = sure_sample(*m); },
      cuda::channels<1>(matte), cuda::channels<1>(soft));
}

void write_matte(const ImageView<const std::uint8_t>& sure, ImageView<std::uint8_t> matte,
                 Stream stream) {
  resize<DeviceKind::kCUDA, std::uint8_t>(sure, matte, {ResizeFilter::kBilinear}, stream);
  cuda::flatten(matte);
  cuda::launch_runs<cuda::kRun<std::uint8_t>>("sure_mattes", harden_kernel, matte.width,
                                              matte.height, stream, matte, matte);
}

}  // namespace

template <DeviceKind D, class T>
void sure_mattes(ImageView<const T> mask, ImageView<std::uint8_t> garbage,
                 ImageView<std::uint8_t> core, const SureOptions& options, Stream stream) {
  if (core.empty()) return;
  const std::ptrdiff_t height = mask.height, width = mask.width;
  const int reach = sure_reach(options, height, width);
  const cuda::ImageBuffer<std::uint8_t> classes(height, width, 1, stream);
  cuda::launch_2d("sure_mattes", rows_kernel<T>, width, height, stream, mask, classes.view(),
                  MaskBounds<T>(options.low, options.high), reach);
  const auto write = [&](const ImageView<std::uint8_t>& out, const ImageView<std::uint8_t>& in) {
    cuda::launch_2d("sure_mattes", columns_kernel, width, height, stream, classes.read(), out, in,
                    reach);
  };
  if (core.height == height && core.width == width) return write(garbage, core);
  const cuda::ImageBuffer<std::uint8_t> out(height, width, 1, stream);
  const cuda::ImageBuffer<std::uint8_t> in(height, width, 1, stream);
  write(out.view(), in.view());
  write_matte(out.read(), garbage, stream);
  write_matte(in.read(), core, stream);
}

#define TRIMATTE_INSTANTIATE(T)                                                                \
  template void sure_mattes<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<std::uint8_t>, \
                                                  ImageView<std::uint8_t>, const SureOptions&, \
                                                  Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

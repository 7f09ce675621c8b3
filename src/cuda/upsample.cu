// A mask carried to a larger image on the GPU: a thread a sample of the mask, then a thread a
// pixel.
#include <cstddef>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/resize.hpp"
#include "pixel/upsample.hpp"

namespace trimatte {
namespace {

template <class T, class A>
__global__ void fit_kernel(ImageView<const T> cells, ImageView<const A> mask, MaskModel* models) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= mask.width) return;
  cuda::in_row(mask.height, [&](std::ptrdiff_t y) {
    models[y * mask.width + x] = mask_model(cells, mask, y, x);
  });
}

template <class T>
__global__ void apply_kernel(ImageView<const T> image, const MaskModel* models, std::ptrdiff_t rows,
                             std::ptrdiff_t columns, ImageView<float> out) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= image.width) return;
  cuda::in_row(image.height, [&](std::ptrdiff_t y) {
    const UpsamplePlace row(y, image.height, rows), column(x, image.width, columns);
    const MaskModel *above = models + row.first * columns, *below = models + row.second * columns;
    const MaskModel first = between_models(above[column.first], below[column.first], row.part);
    const MaskModel second = between_models(above[column.second], below[column.second], row.part);
    const T* p = image.row(y) + image.channels * x;
    out.row(y)[x] = upsampled_mask(to_unit(p[0]), to_unit(p[1]), to_unit(p[2]),
                                   between_models(first, second, column.part));
  });
}

}  // namespace

template <DeviceKind D, class T, class A>
void upsample_mask(ImageView<const T> image, ImageView<const A> mask, ImageView<float> out,
                   Stream stream) {
  if (image.empty()) return;
  const cuda::ImageBuffer<T> cells(mask.height, mask.width, 3, stream);
  const cuda::Buffer<MaskModel> models(mask.pixels(), stream);
  resize<D, T>(image, cells.view(), {ResizeFilter::kBox}, stream);
  cuda::launch_2d("upsample_mask", fit_kernel<T, A>, mask.width, mask.height, stream, cells.read(),
                  mask, models.data());
  cuda::launch_2d("upsample_mask", apply_kernel<T>, image.width, image.height, stream, image,
                  models.data(), mask.height, mask.width, out);
}

#define TRIMATTE_INSTANTIATE(T, A)                                                             \
  template void upsample_mask<DeviceKind::kCUDA, T, A>(ImageView<const T>, ImageView<const A>, \
                                                       ImageView<float>, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

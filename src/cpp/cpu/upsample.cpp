// A mask carried to a larger image on the CPU: the image in the mask's size, a model a sample of
// the mask, and the models between samples at each pixel.
#define TRIMATTE_THIS_FILE "cpu/upsample.cpp"
#include "cpu/foreach_target.hpp"

#include <cstddef>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/plane.hpp"
#include "ops.hpp"
#include "pixel/resize.hpp"
#include "pixel/upsample.hpp"

TRIMATTE_TARGET_BEGIN

template <class T, class A>
void fit_masks(const ImageView<const T>& cells, const ImageView<const A>& mask,
               const WorkArray<MaskModel>& models) {
  parallel_rows(mask.height, mask.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y)
      for (std::ptrdiff_t x = 0; x < mask.width; ++x)
        models[y * mask.width + x] = mask_model(cells, mask, y, x);
  });
}

template <class T>
void apply_masks(const ImageView<const T>& image, const WorkArray<MaskModel>& models,
                 std::ptrdiff_t rows, std::ptrdiff_t columns, const ImageView<float>& out) {
  std::vector<UpsamplePlace> places;
  places.reserve(static_cast<std::size_t>(image.width));
  for (std::ptrdiff_t x = 0; x < image.width; ++x) places.emplace_back(x, image.width, columns);
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    std::vector<MaskModel> row(static_cast<std::size_t>(columns));
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      const UpsamplePlace place(y, image.height, rows);
      const MaskModel *above = &models[place.first * columns],
                      *below = &models[place.second * columns];
      for (std::ptrdiff_t c = 0; c < columns; ++c)
        row[static_cast<std::size_t>(c)] = between_models(above[c], below[c], place.part);
      for (std::ptrdiff_t x = 0; x < image.width; ++x) {
        const UpsamplePlace& at = places[static_cast<std::size_t>(x)];
        const MaskModel model = between_models(row[static_cast<std::size_t>(at.first)],
                                               row[static_cast<std::size_t>(at.second)], at.part);
        const T* p = image.row(y) + image.channels * x;
        out.row(y)[x] = upsampled_mask(to_unit(p[0]), to_unit(p[1]), to_unit(p[2]), model);
      }
    }
  });
}

template <class T, class A>
void upsample_image(const ImageView<const T>& image, const ImageView<const A>& mask,
                    const ImageView<const T>& cells, const ImageView<float>& out) {
  const WorkArray<MaskModel> models(mask.pixels());
  fit_masks(cells, mask, models);
  apply_masks(image, models, mask.height, mask.width, out);
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T, class A>
void upsample_mask(ImageView<const T> image, ImageView<const A> mask, ImageView<float> out,
                   Stream stream) {
  if (image.empty()) return;
  const WorkArray<T> small(3 * mask.pixels());
  const ImageView<T> cells{small.data(), mask.height, mask.width, 3,
                           3 * mask.width * static_cast<std::ptrdiff_t>(sizeof(T))};
  resize<D, T>(image, cells, {ResizeFilter::kBox}, stream);
  TRIMATTE_CALL(upsample_image<T, A>)(image, mask, cells, out);
}

#define TRIMATTE_INSTANTIATE(T, A)                                                            \
  template void upsample_mask<DeviceKind::kCPU, T, A>(ImageView<const T>, ImageView<const A>, \
                                                      ImageView<float>, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

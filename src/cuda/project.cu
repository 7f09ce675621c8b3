// Alpha from known colours on the GPU. A thread takes a pixel: most are known and read nothing but
// the trimap.
#include "grid.cuh"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/project.hpp"

namespace trimatte {
namespace {

template <class T>
__device__ inline float project_at(const ImageView<const T>& image,
                                   const ImageView<const T>& foreground, const cuda::Grid& plate,
                                   float alpha, const ProjectLevels& levels, std::ptrdiff_t y,
                                   std::ptrdiff_t x) {
  const T* p = image.row(y) + image.channels * x;
  const T* f = foreground.row(y) + foreground.channels * x;
  float b[3];
  plate.sample(y, x, b);
  return project_pixel(to_unit(p[0]), to_unit(p[1]), to_unit(p[2]), to_unit(f[0]), to_unit(f[1]),
                       to_unit(f[2]), b[0], b[1], b[2], alpha, levels);
}

template <class T>
__global__ void project_kernel(ImageView<const T> image, ImageView<const T> foreground,
                               cuda::Grid plate, ImageView<const std::uint8_t> trimap,
                               ImageView<const float> alpha, ImageView<float> out,
                               ProjectLevels levels) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= out.width) return;
  cuda::in_row(out.height, [&](std::ptrdiff_t y) {
    const std::uint8_t mark = trimap.row(y)[x];
    float result = 0.0f;
    if (!trimap_is_background(mark) && !trimap_is_foreground(mark))
      result = project_at(image, foreground, plate, alpha.row(y)[x], levels, y, x);
    out.row(y)[x] = trimap_alpha(mark, result);
  });
}

}  // namespace

template <DeviceKind D, class T>
void project_alpha(ImageView<const T> image, ImageView<const T> foreground,
                   ImageView<const float> plate, ImageView<const std::uint8_t> trimap,
                   ImageView<const float> alpha, ImageView<float> out,
                   const ProjectOptions& options, Stream stream) {
  cuda::launch_2d("project_alpha", project_kernel<T>, out.width, out.height, stream, image,
                  foreground, cuda::Grid(plate, image.height, image.width, options.cell), trimap,
                  alpha, out, project_levels(options.noise));
}

#define TRIMATTE_INSTANTIATE(T)                                                \
  template void project_alpha<DeviceKind::kCUDA, T>(                           \
      ImageView<const T>, ImageView<const T>, ImageView<const float>,          \
      ImageView<const std::uint8_t>, ImageView<const float>, ImageView<float>, \
      const ProjectOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

// Alpha from known colours on the CPU.
#define TRIMATTE_THIS_FILE "cpu/project.cpp"
#include "cpu/foreach_target.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "cpu/stream_out.hpp"
#include "ops.hpp"
#include "pixel/grid.hpp"
#include "pixel/project.hpp"

TRIMATTE_TARGET_BEGIN
#include "cpu/strip-inl.hpp"
#include "cpu/grid-inl.hpp"

// From the first to behind the last unknown pixel of a piece.
inline std::pair<int, int> unknown_stretch(const std::uint8_t* trimap, int count) {
  const auto known = [&](int i) {
    return trimap_is_background(trimap[i]) || trimap_is_foreground(trimap[i]);
  };
  int first = 0, last = count;
  while (first < count && known(first)) ++first;
  while (last > first && known(last - 1)) --last;
  return {first, last};
}

template <class T>
inline void color_planes(const ImageView<const T>& image, std::ptrdiff_t y, std::ptrdiff_t x,
                         int count, T (*planes)[kStrip]) {
  const T* pixels = image.row(y) + image.channels * x;
  image.channels == 3 ? deinterleave<3, 3>(pixels, count, planes)
                      : deinterleave<4, 3>(pixels, count, planes);
}

template <class T>
inline void project_piece(const T (*__restrict image)[kStrip], const T (*__restrict front)[kStrip],
                          const PiecePlane* __restrict back, const float* __restrict alpha,
                          int count, const ProjectLevels& levels, float* __restrict out) {
  for (int i = 0; i < count; ++i)
    out[i] = project_pixel(to_unit(image[0][i]), to_unit(image[1][i]), to_unit(image[2][i]),
                           to_unit(front[0][i]), to_unit(front[1][i]), to_unit(front[2][i]),
                           back[0][i], back[1][i], back[2][i], alpha[i], levels);
}

template <class T>
void project_image(const ImageView<const T>& image, const ImageView<const T>& foreground,
                   const ImageView<const float>& plate, const ImageView<const std::uint8_t>& trimap,
                   const ImageView<const float>& alpha, const ImageView<float>& out,
                   const ProjectOptions& options) {
  const StripGrid grid(plate, image.height, image.width, options.cell);
  const ProjectLevels levels = project_levels(options.noise);
  parallel_rows(image.height, image.width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    alignas(64) T pixels[3][kStrip], front[3][kStrip];
    alignas(64) PiecePlane back[3];
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      for (std::ptrdiff_t x = 0; x < image.width; x += kPiece) {
        const int count = static_cast<int>(std::min<std::ptrdiff_t>(kPiece, image.width - x));
        const std::uint8_t* __restrict marks = trimap.row(y) + x;
        float* __restrict to = out.row(y) + x;
        const auto [first, last] = unknown_stretch(marks, count);
        if (first < last) {
          color_planes(image, y, x + first, last - first, pixels);
          color_planes(foreground, y, x + first, last - first, front);
          grid.sample<3>(y, x + first, last - first, back);
          project_piece(pixels, front, back, alpha.row(y) + x + first, last - first, levels,
                        to + first);
        }
        for (int i = 0; i < count; ++i) to[i] = trimap_alpha(marks[i], to[i]);
      }
    }
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class T>
void project_alpha(ImageView<const T> image, ImageView<const T> foreground,
                   ImageView<const float> plate, ImageView<const std::uint8_t> trimap,
                   ImageView<const float> alpha, ImageView<float> out,
                   const ProjectOptions& options, Stream) {
  TRIMATTE_CALL(project_image<T>)(image, foreground, plate, trimap, alpha, out, options);
}

#define TRIMATTE_INSTANTIATE(T)                                                \
  template void project_alpha<DeviceKind::kCPU, T>(                            \
      ImageView<const T>, ImageView<const T>, ImageView<const float>,          \
      ImageView<const std::uint8_t>, ImageView<const float>, ImageView<float>, \
      const ProjectOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

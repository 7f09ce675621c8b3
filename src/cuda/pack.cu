// A strided array copied so that its items lie side by side: what a permuted tensor needs before it
// is an image.
#include "core/cuda.hpp"
#include "core/error.hpp"
#include "launch.cuh"

namespace trimatte::cuda {
namespace {

struct Strided {
  const std::byte* data;
  std::ptrdiff_t shape[4], strides[4];
};

// One thread an item; I is an unsigned integer of the item's size.
template <class I>
__global__ void pack_kernel(Strided from, I* to, std::ptrdiff_t width, std::ptrdiff_t height) {
  const std::ptrdiff_t x = global_x();
  if (x >= width) return;
  in_row(height, [&](std::ptrdiff_t y) {
    const std::ptrdiff_t at = y * width + x;
    std::ptrdiff_t rest = at, offset = 0;
#pragma unroll
    for (int i = 3; i >= 0; --i) {
      offset += rest % from.shape[i] * from.strides[i];
      rest /= from.shape[i];
    }
    to[at] = *reinterpret_cast<const I*>(from.data + offset);
  });
}

}  // namespace

void pack(void* to, const void* from, const std::vector<std::ptrdiff_t>& shape,
          const std::vector<std::ptrdiff_t>& strides, std::ptrdiff_t item, Stream stream) {
  if (shape.size() > 4) throw ArgumentError("an array must have at most 4 sides");
  Strided strided{static_cast<const std::byte*>(from), {1, 1, 1, 1}, {0, 0, 0, 0}};
  std::ptrdiff_t count = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t side = 4 - shape.size() + i;
    strided.shape[side] = shape[i];
    strided.strides[side] = strides[i];
    count *= shape[i];
  }
  if (count == 0) return;
  const std::ptrdiff_t width = shape.back(), height = count / width;
  const auto run = [&](auto sample) {
    using I = decltype(sample);
    launch_2d("pack", pack_kernel<I>, width, height, stream, strided, static_cast<I*>(to), width,
              height);
  };
  item == 1 ? run(std::uint8_t{}) : item == 2 ? run(std::uint16_t{}) : run(std::uint32_t{});
}

}  // namespace trimatte::cuda

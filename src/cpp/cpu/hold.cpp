// Garbage and core mattes on the CPU.
#define TRIMATTE_THIS_FILE "cpu/hold.cpp"
#include "cpu/foreach_target.hpp"

#include <cstdint>
#include <cstring>

#include "core/parallel.hpp"
#include "ops.hpp"
#include "pixel/hold.hpp"

TRIMATTE_TARGET_BEGIN

template <class A, class M>
void hold_image(const ImageView<const A>& alpha, const ImageView<const M>& garbage,
                const ImageView<const M>& core, const ImageView<A>& out) {
  const std::ptrdiff_t width = out.width;
  const A full = static_cast<A>(kFullScale<A>);
  parallel_rows(out.height, width, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t y = begin; y < end; ++y) {
      A* __restrict to = out.row(y);
      std::memcpy(to, alpha.row(y), static_cast<std::size_t>(width) * sizeof(A));
      if (garbage.data) {
        const M* __restrict matte = garbage.row(y);
        for (std::ptrdiff_t x = 0; x < width; ++x) to[x] = hold_out(to[x], matte[x], full);
      }
      if (core.data) {
        const M* __restrict matte = core.row(y);
        for (std::ptrdiff_t x = 0; x < width; ++x) to[x] = hold_in(to[x], matte[x]);
      }
    }
  });
}
TRIMATTE_TARGET_END

#if TRIMATTE_ONCE
namespace trimatte {

template <DeviceKind D, class A, class M>
void hold_mattes(ImageView<const A> alpha, ImageView<const M> garbage, ImageView<const M> core,
                 ImageView<A> out, Stream) {
  TRIMATTE_CALL(hold_image<A, M>)(alpha, garbage, core, out);
}

#define TRIMATTE_INSTANTIATE(A, M)                                                          \
  template void hold_mattes<DeviceKind::kCPU, A, M>(ImageView<const A>, ImageView<const M>, \
                                                    ImageView<const M>, ImageView<A>, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte
#endif

// Garbage and core mattes on the GPU: a thread takes a run of pixels.
#include "ops.hpp"
#include "pixel/hold.hpp"
#include "runs.cuh"

namespace trimatte {
namespace {

// Pixels of a run: of both kinds of samples at least 16 bytes.
template <class A, class M>
constexpr int run_of_both() {
  return cuda::kRun<A> < cuda::kRun<M> ? cuda::kRun<M> : cuda::kRun<A>;
}

template <class A, class M>
__global__ void hold_out_kernel(ImageView<const A> alpha, ImageView<const M> garbage,
                                ImageView<A> out) {
  cuda::map_runs<run_of_both<A, M>()>(
      [](A* to, const A* a, const M* matte) {
        *to = hold_out(*a, *matte, static_cast<A>(kFullScale<A>));
      },
      cuda::channels<1>(out), cuda::channels<1>(alpha), cuda::channels<1>(garbage));
}

template <class A, class M>
__global__ void hold_in_kernel(ImageView<const A> alpha, ImageView<const M> core,
                               ImageView<A> out) {
  cuda::map_runs<run_of_both<A, M>()>(
      [](A* to, const A* a, const M* matte) { *to = hold_in(*a, *matte); }, cuda::channels<1>(out),
      cuda::channels<1>(alpha), cuda::channels<1>(core));
}

template <class A, class M>
__global__ void hold_both_kernel(ImageView<const A> alpha, ImageView<const M> garbage,
                                 ImageView<const M> core, ImageView<A> out) {
  cuda::map_runs<run_of_both<A, M>()>(
      [](A* to, const A* a, const M* garbage_matte, const M* core_matte) {
        *to = hold_in(hold_out(*a, *garbage_matte, static_cast<A>(kFullScale<A>)), *core_matte);
      },
      cuda::channels<1>(out), cuda::channels<1>(alpha), cuda::channels<1>(garbage),
      cuda::channels<1>(core));
}

template <class A>
__global__ void copy_kernel(ImageView<const A> alpha, ImageView<A> out) {
  cuda::map_runs<cuda::kRun<A>>([](A* to, const A* a) { *to = *a; }, cuda::channels<1>(out),
                                cuda::channels<1>(alpha));
}

}  // namespace

template <DeviceKind D, class A, class M>
void hold_mattes(ImageView<const A> alpha, ImageView<const M> garbage, ImageView<const M> core,
                 ImageView<A> out, Stream stream) {
  cuda::flatten(alpha, garbage, core, out);
  const auto launch = [&](auto kernel, const auto&... views) {
    cuda::launch_runs<run_of_both<A, M>()>("hold_mattes", kernel, out.width, out.height, stream,
                                           views..., out);
  };
  if (garbage.data && core.data) {
    launch(hold_both_kernel<A, M>, alpha, garbage, core);
  } else if (garbage.data) {
    launch(hold_out_kernel<A, M>, alpha, garbage);
  } else if (core.data) {
    launch(hold_in_kernel<A, M>, alpha, core);
  } else {
    cuda::launch_runs<cuda::kRun<A>>("hold_mattes", copy_kernel<A>, out.width, out.height, stream,
                                     alpha, out);
  }
}

#define TRIMATTE_INSTANTIATE(A, M)                                                           \
  template void hold_mattes<DeviceKind::kCUDA, A, M>(ImageView<const A>, ImageView<const M>, \
                                                     ImageView<const M>, ImageView<A>, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

// De-spill on the GPU: a thread takes a run of pixels.
#include "ops.hpp"
#include "pixel/foreground.hpp"
#include "pixels.cuh"
#include "runs.cuh"

namespace trimatte {
namespace {

template <int C, class T>
__device__ inline void put(T* to, const cuda::Pixel<T>& pixel, const T* samples) {
  to[0] = pixel.r;
  to[1] = pixel.g;
  to[2] = pixel.b;
  if constexpr (C == 4) to[3] = samples[3];
}

// Of one pixel, and of four of three channels.
template <int C, class T>
struct Despill {
  DespillRule rule;
  cuda::QuadChannels channels;
  cuda::QuadSpill spill;

  explicit Despill(const DespillRule& wanted)
      : rule(wanted), channels(wanted.k, wanted.a, wanted.b), spill(wanted) {}

  __device__ void operator()(T* to, const T* samples) const {
    put<C>(to, cuda::despilled(cuda::Pixel<T>(samples), rule), samples);
  }
  __device__ cuda::Quad<3> quad(const cuda::Quad<3>& p) const {
    return cuda::despilled(p, channels, spill);
  }
};

template <int C, class T>
__global__ void despill_kernel(ImageView<const T> image, ImageView<T> out,
                               const __grid_constant__ Despill<C, T> despill) {
  cuda::map_runs<cuda::kRun<T>>(despill, cuda::channels<C>(out), cuda::channels<C>(image));
}

template <class T>
__device__ inline cuda::Pixel<T> despilled_softly(const cuda::Pixel<T>& p, const DespillRule& rule,
                                                  float amount) {
  DespillRule fresh = rule;
  fresh.max_limit = cuda::runtime_choice(rule.max_limit);
  const Despilled<T> clean = despill_pixel(p[rule.k], p[rule.a], p[rule.b], fresh, amount);
  const auto channel = [&](int c) {
    return cuda::runtime_choice(rule.k) == c   ? clean.k
           : cuda::runtime_choice(rule.a) == c ? clean.a
                                               : clean.b;
  };
  return {channel(0), channel(1), channel(2)};
}

template <int C, class T>
__global__ void despill_softly_kernel(ImageView<const T> image, ImageView<T> out,
                                      DespillRule rule) {
  const auto clean = [rule](T* to, const T* samples) {
    put<C>(to, despilled_softly(cuda::Pixel<T>(samples), rule, 1.0f), samples);
  };
  cuda::map_runs<cuda::kRun<T>>(clean, cuda::channels<C>(out), cuda::channels<C>(image));
}

template <int C, class T>
__global__ void despill_kept_kernel(ImageView<const T> image, ImageView<const std::uint8_t> kept,
                                    ImageView<T> out, DespillRule rule) {
  const auto clean = [rule](T* to, const T* samples, const std::uint8_t* held) {
    put<C>(to, despilled_softly(cuda::Pixel<T>(samples), rule, despill_amount(*held)), samples);
  };
  cuda::map_runs<cuda::kRun<T>>(clean, cuda::channels<C>(out), cuda::channels<C>(image),
                                cuda::channels<1>(kept));
}

// What lies behind a pixel: three samples of the plate, or the one colour.
template <int C, class T>
__device__ inline void subtract_pixel(T* to, const T* samples, float alpha, float r, float g,
                                      float b) {
  to[0] = subtract_plate_sample(samples[0], alpha, r);
  to[1] = subtract_plate_sample(samples[1], alpha, g);
  to[2] = subtract_plate_sample(samples[2], alpha, b);
  if constexpr (C == 4) to[3] = samples[3];
}

template <int C, int B, class T, class A>
__global__ void subtract_plate_kernel(ImageView<const T> image, ImageView<const A> alpha,
                                      ImageView<const T> plate, ImageView<T> out) {
  cuda::map_runs<cuda::kRun<T>>(
      [](T* to, const T* samples, const A* a, const T* screen) {
        subtract_pixel<C>(to, samples, to_unit(*a), to_unit(screen[0]), to_unit(screen[1]),
                          to_unit(screen[2]));
      },
      cuda::channels<C>(out), cuda::channels<C>(image), cuda::channels<1>(alpha),
      cuda::channels<B>(plate));
}

template <int C, class T, class A>
__global__ void subtract_color_kernel(ImageView<const T> image, ImageView<const A> alpha,
                                      PlateOptions options, ImageView<T> out) {
  const float r = options.color[0], g = options.color[1], b = options.color[2];
  cuda::map_runs<cuda::kRun<T>>(
      [=](T* to, const T* samples, const A* a) {
        subtract_pixel<C>(to, samples, to_unit(*a), r, g, b);
      },
      cuda::channels<C>(out), cuda::channels<C>(image), cuda::channels<1>(alpha));
}

}  // namespace

template <DeviceKind D, class T>
void despill(ImageView<const T> image, ImageView<const std::uint8_t> kept, ImageView<T> out,
             const DespillOptions& options, Stream stream) {
  cuda::flatten(image, kept, out);
  const DespillRule rule = despill_rule(options);
  const bool rgb = image.channels == 3;
  constexpr int kRun = cuda::kRun<T>;  // nvcc takes no constant of a template inside of the lambda
  const auto launch = [&](auto kernel, const auto&... args) {
    cuda::launch_runs<kRun>("despill", kernel, image.width, image.height, stream, image, args...);
  };
  if (kept.data) {
    launch(rgb ? despill_kept_kernel<3, T> : despill_kept_kernel<4, T>, kept, out, rule);
  } else if (rule.light > 0.0f) {
    launch(rgb ? despill_softly_kernel<3, T> : despill_softly_kernel<4, T>, out, rule);
  } else if (rgb) {
    launch(despill_kernel<3, T>, out, Despill<3, T>(rule));
  } else {
    launch(despill_kernel<4, T>, out, Despill<4, T>(rule));
  }
}

template <DeviceKind D, class T, class A>
void subtract_plate(ImageView<const T> image, ImageView<const A> alpha, ImageView<const T> plate,
                    ImageView<T> out, const PlateOptions& options, Stream stream) {
  cuda::flatten(image, alpha, plate, out);
  const bool rgb = image.channels == 3;
  constexpr int kRun = cuda::kRun<T>;  // nvcc takes no constant of a template inside of the lambda
  const auto launch = [&](auto kernel, const auto& screen) {
    cuda::launch_runs<kRun>("despill", kernel, image.width, image.height, stream, image, alpha,
                            screen, out);
  };
  if (!plate.data) {
    launch(rgb ? subtract_color_kernel<3, T, A> : subtract_color_kernel<4, T, A>, options);
  } else if (plate.channels == 3) {
    launch(rgb ? subtract_plate_kernel<3, 3, T, A> : subtract_plate_kernel<4, 3, T, A>, plate);
  } else {
    launch(rgb ? subtract_plate_kernel<3, 4, T, A> : subtract_plate_kernel<4, 4, T, A>, plate);
  }
}

#define TRIMATTE_INSTANTIATE(T)                                                                  \
  template void despill<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<const std::uint8_t>, \
                                              ImageView<T>, const DespillOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE
#define TRIMATTE_INSTANTIATE(T, A)                                                              \
  template void subtract_plate<DeviceKind::kCUDA, T, A>(ImageView<const T>, ImageView<const A>, \
                                                        ImageView<const T>, ImageView<T>,       \
                                                        const PlateOptions&, Stream);
TRIMATTE_FOR_DEPTH_PAIRS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

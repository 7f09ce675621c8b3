// Shared sampling on the GPU: a thread a pixel, each step over the whole image; threads of known
// pixels have nothing to do.
#include <cstdint>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/sampling.hpp"

namespace trimatte {
namespace {

using cuda::Buffer;
using cuda::ImageBuffer;

// Number and sums of the colours, of the background and of the foreground.
using Count = unsigned long long;
constexpr int kClassNumbers = 4, kNumbers = 2 * kClassNumbers;

__device__ ClassSums sums_of(const Count* numbers, bool foreground) {
  const Count* n = numbers + kClassNumbers * foreground;
  return {static_cast<std::int64_t>(n[0]), static_cast<std::int64_t>(n[1]),
          static_cast<std::int64_t>(n[2]), static_cast<std::int64_t>(n[3])};
}

struct Sampling {
  ImageView<SamplingPixel> pixels;
  ImageView<SamplingPair> gathered;
  ImageView<SharedPair> shared;
  const Count* numbers;
  ImageView<float> alpha, confidence;

  __device__ SamplingPixel at(std::ptrdiff_t y, std::ptrdiff_t x) const { return pixels.row(y)[x]; }
  __device__ bool has(std::ptrdiff_t y, std::ptrdiff_t x) const {
    return y >= 0 && x >= 0 && y < pixels.height && x < pixels.width;
  }
  __device__ bool has_both_classes() const { return numbers[0] > 0 && numbers[kClassNumbers] > 0; }

  __device__ void store(std::ptrdiff_t y, std::ptrdiff_t x, float a, float sure) const {
    alpha.row(y)[x] = a;
    if (confidence.data) confidence.row(y)[x] = sure;
  }

  // body(y, x, pixel) if this thread's pixel is unknown.
  template <class Body>
  __device__ void at_unknown(const Body& body) const {
    const std::ptrdiff_t x = cuda::global_x();
    if (x >= pixels.width) return;
    cuda::in_row(pixels.height, [&](std::ptrdiff_t y) {
      const SamplingPixel pixel = at(y, x);
      if (pixel.kind() == kSampleUnknown) body(y, x, pixel);
    });
  }
};

template <class T>
__global__ void pack_kernel(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                            Sampling work) {
  const std::ptrdiff_t x = cuda::global_x();
  if (x >= image.width) return;
  cuda::in_row(image.height, [&](std::ptrdiff_t y) {
    const T* p = image.row(y) + image.channels * x;
    const std::uint32_t kind = sampling_class(trimap.row(y)[x]);
    work.pixels.row(y)[x] = sampling_pixel(p[0], p[1], p[2], kind);
    work.store(y, x, 0.5f * static_cast<float>(kind), 1.0f);
  });
}

constexpr int kSurveyThreads = 256;
constexpr std::ptrdiff_t kSurveyBlocks = 1024;

// Adds up the known pixels. Pixels are packed: one row.
__global__ void survey_kernel(const SamplingPixel* pixels, std::ptrdiff_t count, Count* numbers) {
  unsigned own[kNumbers] = {};
  const std::ptrdiff_t threads = std::ptrdiff_t{gridDim.x} * kSurveyThreads;
  for (std::ptrdiff_t i = cuda::global_x(); i < count; i += threads) {
    const SamplingPixel p = pixels[i];
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const unsigned in = p.kind() == (k ? kSampleForeground : kSampleBackground);
      own[kClassNumbers * k] += in;
      own[kClassNumbers * k + 1] += in * static_cast<unsigned>(p.r());
      own[kClassNumbers * k + 2] += in * static_cast<unsigned>(p.g());
      own[kClassNumbers * k + 3] += in * static_cast<unsigned>(p.b());
    }
  }
#pragma unroll
  for (int n = 0; n < kNumbers; ++n) {
    Count sum = own[n];
    for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
    if (threadIdx.x % 32 == 0) atomicAdd(numbers + n, sum);
  }
}

// Alpha of what the expansion finds; and all of it, where the trimap lacks a class.
__global__ void expand_kernel(const __grid_constant__ Sampling work,
                              const __grid_constant__ ExpansionDisk disk) {
  work.at_unknown([&work, &disk](std::ptrdiff_t y, std::ptrdiff_t x, SamplingPixel pixel) {
    if (!work.has_both_classes()) {
      const OneSided only(work.numbers[kClassNumbers] > 0, work.numbers[0] > 0);
      work.store(y, x, only.alpha, only.confidence);
      return;
    }
    for (int i = 0; i < kExpansionOffsets; ++i) {
      const std::ptrdiff_t qy = y + disk.offset[i].y, qx = x + disk.offset[i].x;
      if (!work.has(qy, qx)) continue;
      const SamplingPixel q = work.at(qy, qx);
      if (q.kind() == kSampleUnknown || color_distance(pixel, q) > kNearColor) continue;
      work.alpha.row(y)[x] = 0.5f * static_cast<float>(q.kind());
      return;
    }
  });
}

// What the expansion found is known from here on.
__global__ void settle_kernel(Sampling work) {
  if (!work.has_both_classes()) return;
  work.at_unknown([&](std::ptrdiff_t y, std::ptrdiff_t x, SamplingPixel pixel) {
    work.pixels.row(y)[x] =
        pixel.with_kind(static_cast<std::uint32_t>(2.0f * work.alpha.row(y)[x]));
  });
}

// Errors of a pair over the 3 x 3 pixels around (y, x), and alpha of the pixel itself.
__device__ float window_errors(const Sampling& work, std::ptrdiff_t y, std::ptrdiff_t x,
                               const PairLine& line, float& alpha) {
  float errors = 0.0f;
  for (int i = 0; i < 9; ++i) {
    const std::ptrdiff_t qy = min(max(y + i / 3 - 1, std::ptrdiff_t{0}), work.pixels.height - 1);
    const std::ptrdiff_t qx = min(max(x + i % 3 - 1, std::ptrdiff_t{0}), work.pixels.width - 1);
    float along;
    errors += line.error(work.at(qy, qx), along);
    if (i == 4) alpha = line.alpha(along);
  }
  return errors;
}

__global__ void gather_kernel(Sampling work, int spacing) {
  if (!work.has_both_classes()) return;
  work.at_unknown([&](std::ptrdiff_t y, std::ptrdiff_t x, SamplingPixel) {
    if (y % spacing != 0 || x % spacing != 0) return;
    const auto at = [&](std::ptrdiff_t qy, std::ptrdiff_t qx) { return work.at(qy, qx); };
    const SamplingPair means{sums_of(work.numbers, true).mean(),
                             sums_of(work.numbers, false).mean()};
    const Gathered found(at, work.pixels.height, work.pixels.width, y, x, spacing, means);
    SamplingPair best{};
    double least = HUGE_VAL;
#pragma unroll
    for (int i = 0; i < kSamplingPairs; ++i) {
      const RaySample &front = found.fronts.of[i / kSamplingRays],
                      &back = found.backs.of[i % kSamplingRays];
      if (front.square == 0 || back.square == 0) continue;
      const SamplingPair pair{front.pixel, back.pixel};
      float alpha = 0.0f;
      const float errors = window_errors(work, y, x, PairLine(pair), alpha);
      const double cost = found.cost(front, back, errors, alpha);
      if (cost < least) least = cost, best = pair;
    }
    work.gathered.row(y)[x] = best;
  });
}

__global__ void share_kernel(Sampling work, int spacing) {
  if (!work.has_both_classes()) return;
  work.at_unknown([&](std::ptrdiff_t y, std::ptrdiff_t x, SamplingPixel pixel) {
    const int reach = kSharingRadius / spacing * spacing;
    float cost[kSharedPairs] = {HUGE_VALF, HUGE_VALF, HUGE_VALF};
    SamplingPair pairs[kSharedPairs] = {};
    for (int dy = -reach; dy <= reach; dy += spacing)
      for (int dx = -reach; dx <= reach; dx += spacing) {
        if (!work.has(y + dy, x + dx)) continue;
        const std::ptrdiff_t from_y = gathering_place(y + dy, spacing);
        const std::ptrdiff_t from_x = gathering_place(x + dx, spacing);
        if (work.at(from_y, from_x).kind() != kSampleUnknown) continue;
        const SamplingPair pair = work.gathered.row(from_y)[from_x];
        float along;
        const float error = PairLine(pair).error(pixel, along);
        if (!(error < cost[2])) continue;
        const bool first = error < cost[0], second = error < cost[1];
        cost[2] = second ? cost[1] : error;
        pairs[2] = second ? pairs[1] : pair;
        if (second) {
          cost[1] = first ? cost[0] : error;
          pairs[1] = first ? pairs[0] : pair;
        }
        if (first) {
          cost[0] = error;
          pairs[0] = pair;
        }
      }
    PairMean mean;
#pragma unroll
    for (int k = 0; k < kSharedPairs; ++k)
      if (cost[k] < HUGE_VALF) mean.add(pairs[k]);
    work.shared.row(y)[x] = mean.shared(pixel);
  });
}

__global__ void smooth_kernel(const __grid_constant__ Sampling work,
                              const __grid_constant__ SmoothingWeights weights) {
  if (!work.has_both_classes()) return;
  work.at_unknown([&work, &weights](std::ptrdiff_t y, std::ptrdiff_t x, SamplingPixel pixel) {
    constexpr int R = kSmoothingRadius;
    const float own = to_unit(work.shared.row(y)[x].alpha);
    float sums[kSmoothingSums] = {};
    for (int i = 0; i < (2 * R + 1) * (2 * R + 1); ++i) {
      const int dy = i / (2 * R + 1) - R, dx = i % (2 * R + 1) - R;
      if (!work.has(y + dy, x + dx)) continue;
      const SamplingPixel q = work.at(y + dy, x + dx);
      SharedPair pair{};
      if (q.kind() == kSampleUnknown) pair = work.shared.row(y + dy)[x + dx];
      const SmoothingInput in(q, pair);
      add_smoothing(own, in.value, weights.near[i], dy == 0 && dx == 0 ? 1.0f : 0.0f, sums);
    }
    const SmoothedAlpha result = smoothed_alpha(pixel, sums);
    work.store(y, x, result.alpha, result.confidence);
  });
}

}  // namespace

template <DeviceKind D, class T>
void sample_alpha(ImageView<const T> image, ImageView<const std::uint8_t> trimap,
                  ImageView<float> alpha, ImageView<float> confidence,
                  const SamplingOptions& options, Stream stream) {
  if (image.empty()) return;
  const std::ptrdiff_t height = image.height, width = image.width;
  const ImageBuffer<SamplingPixel> pixels(height, width, 1, stream);
  const ImageBuffer<SamplingPair> gathered(height, width, 1, stream);
  const ImageBuffer<SharedPair> shared(height, width, 1, stream);
  const Buffer<Count> numbers(kNumbers, stream);
  numbers.fill_zero();
  const Sampling work{pixels.view(),  gathered.view(), shared.view(),
                      numbers.data(), alpha,           confidence};
  const auto launch = [&](auto kernel, auto&&... arguments) {
    cuda::launch_2d("estimate_alpha", kernel, width, height, stream, arguments...);
  };
  launch(pack_kernel<T>, image, trimap, work);
  cuda::launch("estimate_alpha", survey_kernel,
               dim3(cuda::blocks_for(height * width, kSurveyThreads, kSurveyBlocks)),
               dim3(kSurveyThreads), stream, pixels.view().data, height * width, numbers.data());
  launch(expand_kernel, work, expansion_disk());
  launch(settle_kernel, work);
  launch(gather_kernel, work, options.spacing);
  launch(share_kernel, work, options.spacing);
  launch(smooth_kernel, work, smoothing_weights());
}

#define TRIMATTE_INSTANTIATE(T)                                                              \
  template void sample_alpha<DeviceKind::kCUDA, T>(                                          \
      ImageView<const T>, ImageView<const std::uint8_t>, ImageView<float>, ImageView<float>, \
      const SamplingOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

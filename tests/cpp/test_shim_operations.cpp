// What every operation on a GPU keeps to beside its result, seen from the shim: it does not wait
// for the GPU, and gives back its memory, also where there is not enough of it.
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "../../src/cuda/launch.cuh"
#include "check.hpp"
#include "core/cuda.hpp"
#include "core/error.hpp"
#include "device_image.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "pixel/choke.hpp"
#include "pixel/classes.hpp"
#include "pixel/composite.hpp"
#include "pixel/despill.hpp"
#include "pixel/feather.hpp"
#include "pixel/foreground.hpp"
#include "pixel/key.hpp"
#include "pixel/key_soft.hpp"
#include "pixel/matting.hpp"
#include "pixel/project.hpp"
#include "pixel/resize.hpp"
#include "pixel/sampling.hpp"
#include "pixel/stabilize.hpp"
#include "pixel/tensor.hpp"
#include "pixel/trimap.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr DeviceKind kCuda = DeviceKind::kCUDA;
constexpr std::ptrdiff_t kHeight = 60, kWidth = 50;

// Noise in a GPU's memory, of the one size.
template <class T>
struct Noise : DeviceImage<T> {
  explicit Noise(int channels)
      : DeviceImage<T>(noise<T>(kHeight, kWidth, channels, 51).read(), Layout{}) {}
};

// What operations read and write.
struct Work {
  const Noise<std::uint8_t> image{3}, rgba{4}, alpha{1}, color_out{3}, back_out{3}, rgba_out{4},
      plane_out{1};
  const Noise<float> prediction{1}, alpha_out{1}, plate{3}, models{4}, light_out{3};
  const DeviceImage<std::uint8_t> trimap{trimap_of_disk(kHeight, kWidth, 2.0).read(), {}};
  const DeviceImage<std::uint8_t> small_out{20, 30, 3, {}};
  const DeviceImage<float> tensor_out{3 * 20, 30, 1, {}};
};

struct Operation {
  const char* name;
  std::function<void()> run;
};

template <class T>
ImageView<T> first_rows(ImageView<T> view, std::ptrdiff_t rows) {
  view.height = rows;
  return view;
}

// Every operation, without a result that the host would have to wait for.
std::vector<Operation> operations(const Work& work) {
  using Byte = std::uint8_t;
  const auto image = work.image.read(), rgba = work.rgba.read(), alpha = work.alpha.read();
  const auto color_out = work.color_out.view(), rgba_out = work.rgba_out.view(),
             plane_out = work.plane_out.view();
  const auto alpha_out = work.alpha_out.view(), light_out = work.light_out.view();
  const auto plate = work.plate.read(), models = work.models.read();
  const auto classes = work.trimap.read();
  const auto trimap = [=](double radius, int square, double network_pixel = 0.0) {
    make_trimap<kCuda, Byte>(alpha, plane_out, {10, 240, radius, radius, square, network_pixel},
                             nullptr, {});
  };
  const auto solve = [=](std::ptrdiff_t rows) {
    estimate_alpha<kCuda, Byte>(first_rows(image, rows), first_rows(classes, rows), {},
                                first_rows(alpha_out, rows), {MattingQuality::kFast}, nullptr, {});
  };
  const auto key = [=](SoftKeyMethod method, ImageView<const float> grid) {
    soft_key<kCuda, Byte, Byte>(image, plane_out, grid, {.method = method}, {});
  };
  return {
      {"chroma_key", [=] { chroma_key<kCuda, Byte, Byte>(image, plane_out, {}, {}); }},
      {"key_cutout", [=] { key_cutout<kCuda, Byte>(image, rgba_out, {}, {}, true, {}); }},
      {"soft_key, ffmpeg", [=] { key(SoftKeyMethod::kFfmpeg, {}); }},
      {"soft_key, obs", [=] { key(SoftKeyMethod::kObs, {}); }},
      {"soft_key, vlahos", [=] { key(SoftKeyMethod::kVlahos, plate); }},
      {"soft_key, plate", [=] { key(SoftKeyMethod::kPlate, models); }},
      {"soft_key_cutout",
       [=] { soft_key_cutout<kCuda, Byte>(image, rgba_out, {}, {}, {}, true, {}); }},
      {"decode", [=] { decode<kCuda, Byte>(image, light_out, true, {}); }},
      {"make_trimap, small disks", [=] { trimap(10.0, 0); }},
      {"make_trimap, large disks", [=] { trimap(200.0, 0); }},
      {"make_trimap, small disks of its own", [=] { trimap(0.0, 0, 2.0); }},
      {"make_trimap, large disks of its own", [=] { trimap(0.0, 0, 40.0); }},
      {"make_trimap, squares", [=] { trimap(0.0, 10); }},
      {"estimate_alpha", [=] { solve(kHeight); }},
      {"estimate_alpha of a thin image", [=] { solve(2); }},
      {"sample_alpha", [=] { sample_alpha<kCuda, Byte>(image, classes, alpha_out, {}, {}, {}); }},
      {"guide_alpha", [=] { guide_alpha<kCuda, Byte>(image, classes, alpha_out, {}); }},
      {"stabilize_alpha",
       [=] {
         stabilize_alpha<kCuda, Byte, Byte>(image, alpha, color_out, alpha, plane_out, {}, {});
       }},
      {"estimate_foreground",
       [=, &work] {
         estimate_foreground<kCuda, Byte, Byte>(image, alpha, {}, color_out, work.back_out.view(),
                                                {}, {});
       }},
      {"project_alpha",
       [=, &work] {
         project_alpha<kCuda, Byte>(image, color_out, plate, classes, work.prediction.read(),
                                    alpha_out, {}, {});
       }},
      {"plate_image", [=] { plate_image<kCuda, Byte>(plate, color_out, 0, {}); }},
      {"despill", [=] { despill<kCuda, Byte>(image, alpha, color_out, {}, {}); }},
      {"subtract_plate",
       [=] { subtract_plate<kCuda, Byte, Byte>(image, alpha, rgba, color_out, {}, {}); }},
      {"choke", [=] { choke<kCuda, Byte>(alpha, plane_out, {2.5}, {}); }},
      {"feather", [=] { feather<kCuda, Byte>(alpha, plane_out, {2.0}, {}); }},
      {"hold_mattes", [=] { hold_mattes<kCuda, Byte, Byte>(alpha, alpha, {}, plane_out, {}); }},
      {"sure_mattes",
       [=] {
         sure_mattes<kCuda, Byte>(first_rows(alpha, kHeight / 2), plane_out, plane_out,
                                  {10, 240, 3}, {});
       }},
      {"premultiply", [=] { premultiply<kCuda, Byte>(rgba, rgba_out, {}); }},
      {"unpremultiply", [=] { unpremultiply<kCuda, Byte>(rgba, rgba_out, {}); }},
      {"cutout", [=] { cutout<kCuda, Byte, Byte>(image, alpha, rgba_out, {}); }},
      {"composite", [=] { composite<kCuda, Byte, Byte>(image, alpha, rgba, color_out, {}, {}); }},
      {"limit_alpha",
       [=, &work] { limit_alpha<kCuda, Byte>(work.prediction.read(), rgba, alpha_out, {}); }},
      {"to_linear", [=] { to_linear<kCuda, Byte>(image, light_out, {}); }},
      {"to_srgb", [=] { to_srgb<kCuda, Byte>(plate, color_out, {}); }},
      {"resize", [=, &work] { resize<kCuda, Byte>(image, work.small_out.view(), {}, {}); }},
      {"upsample_mask",
       [=] { upsample_mask<kCuda, Byte, Byte>(image, first_rows(alpha, 9), alpha_out, {}); }},
      {"preprocess",
       [=, &work] {
         preprocess<kCuda, std::uint8_t, float>(image, work.tensor_out.view(),
                                                {ResizeFilter::kLanczos, true}, {});
       }},
      {"class_probability",
       [=, &work] { class_probability<kCuda, float>(work.prediction.read(), alpha_out, {}, {}); }},
      {"postprocess",
       [=, &work] { postprocess<kCuda, float>(work.prediction.read(), plane_out, {}, {}); }},
      {"pack",
       [=] {
         cuda::pack(color_out.data, image.data, {3, kHeight, kWidth}, {1, image.stride, 3}, 1, {});
       }},
  };
}

std::size_t used_bytes() {
  cuda::synchronize({});
  std::size_t free = 0, total = 0;
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess);
  return total - free;
}

void check(bool good, const char* what, const Operation& operation) {
  if (!good) std::printf("%s: %s\n", operation.name, what);
  CHECK(good);
}

// Runs it with only so much memory left; whether that was enough.
bool runs_within(std::size_t bytes, const Operation& operation) {
  const std::size_t before = used_bytes(), limit = cuda_shim::memory_limit;
  cuda_shim::memory_limit = before + bytes;
  bool enough = true;
  try {
    operation.run();
  } catch (const OutOfMemory& error) {
    enough = false;
    const std::string message = error.what();
    check(message.find("not enough memory on cuda:0 for ") != std::string::npos &&
              message.find(" bytes") != std::string::npos,
          error.what(), operation);
  }
  check(used_bytes() == before, "keeps memory", operation);
  cuda_shim::memory_limit = limit;
  return enough;
}

}  // namespace

TEST(shim_operations_do_not_wait) {
  const Work work;
  for (const Operation& operation : operations(work)) {
    cuda::synchronize({});
    const std::uint64_t before = cuda_shim::waits;
    operation.run();
    check(cuda_shim::waits == before, "waits", operation);
  }
  const std::uint64_t before = cuda_shim::waits;
  TrimapRadii used;
  make_trimap<kCuda, std::uint8_t>(work.alpha.read(), work.plane_out.view(), {}, &used, {});
  CHECK(cuda_shim::waits > before);
}

TEST(shim_operations_without_enough_memory) {
  const Work work;
  for (const Operation& operation : operations(work)) {
    // From nothing to enough, so that first one and then another of its allocations fails.
    std::size_t bytes = 0;
    while (!runs_within(bytes, operation)) bytes += bytes / 4 + 256;
    cuda::enter();  // throws if an error were left behind
    check(runs_within(std::size_t{1} << 29, operation), "fails after a failure", operation);
  }
}

TEST(shim_a_context_that_a_kernel_has_broken_is_named) {
  const auto said_of = [](cudaError_t error) {
    cuda_shim::broken = error;
    std::string message;
    try {
      cuda::synchronize(Stream{});
    } catch (const DeviceError& raised) {
      message = raised.what();
    }
    cuda_shim::broken = cudaSuccess;
    return message;
  };
  for (const auto error :
       {cudaErrorECCUncorrectable, cudaErrorIllegalAddress, cudaErrorLaunchTimeout, cudaErrorAssert,
        cudaErrorHardwareStackError, cudaErrorIllegalInstruction, cudaErrorMisalignedAddress,
        cudaErrorInvalidAddressSpace, cudaErrorInvalidPc, cudaErrorLaunchFailure})
    CHECK(said_of(error).find("context unusable") != std::string::npos);
  for (const auto error : {cudaErrorInvalidValue, cudaErrorHostMemoryNotRegistered}) {
    CHECK(said_of(error).find("context unusable") == std::string::npos);
    const std::string start =
        std::string("CUDA: work on the stream: ") + cudaGetErrorString(error) + " (runtime.cu:";
    CHECK(said_of(error).rfind(start, 0) == 0);
    CHECK(said_of(error).back() == ')');
  }
}

__global__ void never_launched_kernel() {}

TEST(shim_a_launch_that_fails_says_where_it_is) {
  cuda_shim::broken = cudaErrorInvalidValue;
  std::string message;
  const int line = __LINE__ + 2;
  try {
    cuda::launch("test", never_launched_kernel, dim3(1), dim3(1), Stream{});
  } catch (const DeviceError& raised) {
    message = raised.what();
  }
  cuda_shim::broken = cudaSuccess;
  CHECK(message == std::string("CUDA: test: ") + cudaGetErrorString(cudaErrorInvalidValue) +
                       " (test_shim_operations.cpp:" + std::to_string(line) + ")");
}

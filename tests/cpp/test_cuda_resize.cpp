// Resizing and a network's two ends on the GPU, or on the stand-in for one: bytes are those of the
// CPU to the last bit, floats but for the order of a sum.
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "core/cuda.hpp"
#include "images.hpp"
#include "ops.hpp"
#include "orders.hpp"

using namespace trimatte;
using namespace trimatte::test;

namespace {

constexpr DeviceKind kCpu = DeviceKind::kCPU, kCuda = DeviceKind::kCUDA;
constexpr ResizeFilter kFilters[] = {ResizeFilter::kLanczos, ResizeFilter::kBilinear};

// Besides the usual sizes: rows longer than a block's tile, of whole runs and not.
constexpr std::ptrdiff_t kOld[][2] = {{1, 1}, {1, 67}, {67, 1}, {17, 31}, {64, 64}, {3, 4103}};
constexpr std::ptrdiff_t kNew[][2] = {{1, 1}, {5, 129}, {33, 16}, {9, 300}, {64, 64}};

// An image's copy in device memory, exactly as large.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(const Image<T>& image) : OnDevice(image.view()) {
    cuda::upload(view_.data, image.begin(), image.size() * sizeof(T), {});
  }
  explicit OnDevice(const ImageView<T>& like) : view_(like) {
    view_.data = static_cast<T*>(cuda::allocate(bytes(), {}));
  }
  OnDevice(const OnDevice&) = delete;
  ~OnDevice() { cuda::release(view_.data, cuda::current_device(), {}); }

  const ImageView<T>& view() const { return view_; }
  ImageView<const T> read() const { return view_; }
  Image<T> copy() const {
    Image<T> image(view_.height, view_.width, view_.channels);
    const std::size_t row = bytes() / static_cast<std::size_t>(view_.height);
    cuda::download(image.begin(), view_.stride, view_.data, view_.stride, row,
                   static_cast<std::size_t>(view_.height), {});
    return image;
  }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(view_.height * view_.stride); }

  ImageView<T> view_;
};

template <class T>
bool agree(const Image<T>& a, const Image<T>& b) {
  if (sizeof(T) == 1 || std::is_same_v<T, Half>)
    return std::memcmp(a.begin(), b.begin(), a.size() * sizeof(T)) == 0;
  if constexpr (!std::is_same_v<T, Half>)
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double slack = std::is_same_v<T, float> ? 2e-6 : 1.0;
      if (!(std::abs(static_cast<double>(a.begin()[i]) - static_cast<double>(b.begin()[i])) <=
            slack))
        return false;
    }
  return true;
}

template <class T>
void check_resize(const Image<T>& image, std::ptrdiff_t height, std::ptrdiff_t width,
                  ResizeFilter filter) {
  const Image<T> wanted(height, width, image.view().channels);
  resize<kCpu, T>(image.read(), wanted.view(), {filter}, {});
  const OnDevice<T> from(image), to(wanted.view());
  resize<kCuda, T>(from.read(), to.view(), {filter}, {});
  CHECK(agree(to.copy(), wanted));
}

template <class S>
void check_network(bool flag) {
  for (const auto& [h, w] : kOld) {
    for (const int channels : {3, 4}) {
      const auto image = noise<std::uint8_t>(h, w, channels, 33);
      const Image<S> wanted(3 * 13, 70);
      const PreprocessOptions options{
          ResizeFilter::kLanczos, flag, {0.4f, 0.5f, 0.6f}, {0.2f, 0.3f, 0.7f}};
      preprocess<kCpu, S>(image.read(), wanted.view(), options, {});
      const OnDevice<std::uint8_t> from(image);
      const OnDevice<S> to(wanted.view());
      preprocess<kCuda, S>(from.read(), to.view(), options, {});
      CHECK(agree(to.copy(), wanted));
    }
    const auto values = noise<float>(h, w, 1, 34);
    const Image<S> prediction(h, w);
    for (std::size_t i = 0; i < values.size(); ++i)
      prediction.begin()[i] = to_sample<S>(3.0f * values.begin()[i] - 1.0f);
    if (h * w > 9) prediction.at(h - 1, w - 1) = to_sample<S>(std::nanf(""));
    const Image<std::uint8_t> wanted(33, 70);
    const PostprocessOptions options{ResizeFilter::kLanczos, flag};
    postprocess<kCpu, S>(prediction.read(), wanted.view(), options, {});
    const OnDevice<S> from(prediction);
    const OnDevice<std::uint8_t> to(wanted.view());
    postprocess<kCuda, S>(from.read(), to.view(), options, {});
    CHECK(agree(to.copy(), wanted));
  }
}

}  // namespace

TEST(cuda_resize_is_the_cpus) {
  for_orders([] {
    for (const auto& [h, w] : kOld)
      for (const auto& [height, width] : kNew)
        for (const auto filter : kFilters)
          for (const int channels : {1, 3, 4}) {
            check_resize(noise<std::uint8_t>(h, w, channels, 31), height, width, filter);
            check_resize(noise<std::uint16_t>(h, w, channels, 31), height, width, filter);
            check_resize(noise<float>(h, w, channels, 31), height, width, filter);
          }
  });
}

TEST(cuda_resize_of_strided_rows) {
  const auto image = noise<std::uint8_t>(31, 45, 3, 32);
  const Image<std::uint8_t> wanted(20, 30, 3);
  const ImageView<const std::uint8_t> flipped{&image.at(30, 0), 31, 45, 3, -45 * 3};
  resize<kCpu, std::uint8_t>(flipped, wanted.view(), {}, {});
  const OnDevice<std::uint8_t> from(image), to(wanted.view());
  const ImageView<const std::uint8_t> there{from.view().row(30), 31, 45, 3, -45 * 3};
  resize<kCuda, std::uint8_t>(there, to.view(), {}, {});
  CHECK(agree(to.copy(), wanted));
}

TEST(cuda_network_ends_are_the_cpus) {
  for_orders([] {
    for (const bool flag : {false, true}) {
      check_network<float>(flag);
      check_network<Half>(flag);
    }
  });
}

TEST(order_keys_keep_the_order_of_floats) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float values[] = {-kInfinity, -1e30f, -1.0f, -1e-40f, 0.0f, 1e-40f, 1.0f, 1e30f, kInfinity};
  for (const float a : values) {
    CHECK(order_key(a) != 0 && ~order_key(a) != 0);
    CHECK(from_order_key(order_key(a)) == a);
    for (const float b : values) CHECK((a < b) == (order_key(a) < order_key(b)));
  }
}

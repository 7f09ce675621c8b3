// Resampling on the GPU, a kernel for each pass. The weights are made on the host, where the CPU
// backend makes them too, and lie tap by tap, so that neighbouring threads read neighbours.
#include <list>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "buffer.cuh"
#include "launch.cuh"
#include "ops.hpp"
#include "pixel/resize.hpp"
#include "runs.cuh"

namespace trimatte {
namespace {

// Weight k of sample i: weights[k * count + i]; its source sample: first[i] + k.
template <class T>
struct TableView {
  const int* first;
  const ResizeNumber<T>* weights;
  int taps;
  std::ptrdiff_t count;
};

// The table as the host makes it.
template <class T>
struct HostTable {
  HostTable(ResizeFilter filter, std::ptrdiff_t from, std::ptrdiff_t to) : first(to) {
    const ResizeSide side{filter, static_cast<int>(from), static_cast<int>(to)};
    taps = resize_taps(side);
    weights.resize(to * taps);
    std::vector<double> exact(taps);
    for (std::ptrdiff_t i = 0; i < to; ++i) {
      first[i] = resize_weights(side, static_cast<int>(i), exact.data(), taps);
      for (int k = 0; k < taps; ++k) weights[k * to + i] = resize_weight<ResizeNumber<T>>(exact[k]);
    }
  }

  std::vector<int> first;
  std::vector<ResizeNumber<T>> weights;
  int taps = 0;
};

// Tables of the sides that were asked for last: to make one takes the host longer than the GPU
// needs for the image.
template <class T>
class HostTables {
 public:
  using Entry = std::shared_ptr<const HostTable<T>>;

  Entry get(ResizeFilter filter, std::ptrdiff_t from, std::ptrdiff_t to) {
    const std::tuple key(filter, from, to);
    if (Entry found = find(key)) return found;
    const auto made = std::make_shared<const HostTable<T>>(filter, from, to);
    const std::lock_guard lock(mutex_);
    kept_.emplace_front(key, made);
    if (kept_.size() > kMost) kept_.pop_back();
    return made;
  }

 private:
  using Key = std::tuple<ResizeFilter, std::ptrdiff_t, std::ptrdiff_t>;
  static constexpr std::size_t kMost = 16;

  Entry find(const Key& key) {
    const std::lock_guard lock(mutex_);
    for (auto entry = kept_.begin(); entry != kept_.end(); ++entry)
      if (entry->first == key) {
        kept_.splice(kept_.begin(), kept_, entry);
        return entry->second;
      }
    return nullptr;
  }

  std::mutex mutex_;
  std::list<std::pair<Key, Entry>> kept_;  // the one that was used last comes first
};

template <class T>
class Table {
 public:
  Table(ResizeFilter filter, std::ptrdiff_t from, std::ptrdiff_t to, Stream stream)
      : first_(to, stream) {
    static HostTables<T>& tables = *new HostTables<T>;  // threads may outlive static destructors
    const auto made = tables.get(filter, from, to);
    taps_ = made->taps;
    weights_ = cuda::Buffer<ResizeNumber<T>>(to * taps_, stream);
    cuda::upload(first_.data(), made->first.data(), to * sizeof made->first[0], stream);
    cuda::upload(weights_.data(), made->weights.data(),
                 made->weights.size() * sizeof made->weights[0], stream);
  }
  TableView<T> view() const { return {first_.data(), weights_.data(), taps_, first_.size()}; }

 private:
  cuda::Buffer<int> first_;
  cuda::Buffer<ResizeNumber<T>> weights_;
  int taps_ = 0;
};

inline constexpr int kThreads = 128, kRows = 4;  // a block makes so many samples of so many rows
inline constexpr int kTileBytes = 2048;          // of a source row, held at a time

template <class T, bool Last, class S>
__global__ void rows_kernel(ImageView<const S> image, ImageView<ResizeResult<T, Last>> out,
                            TableView<T> table) {
  using Number = ResizeNumber<T>;
  constexpr int kTile = kTileBytes / static_cast<int>(sizeof(S));
  constexpr int kEach = cuda::kRun<S>;
  alignas(16) __shared__ S tile[kRows][kTile];

  // Threads beyond the last sample make it once more and do not write it.
  const std::ptrdiff_t samples = out.width * out.channels;
  const std::ptrdiff_t begin = std::ptrdiff_t{blockIdx.x} * kThreads;
  const std::ptrdiff_t last = (begin + kThreads < samples ? begin + kThreads : samples) - 1;
  const std::ptrdiff_t i = begin + threadIdx.x < last ? begin + threadIdx.x : last;
  const std::ptrdiff_t x = i / out.channels;
  const std::ptrdiff_t start = std::ptrdiff_t{table.first[x]} * image.channels + i % out.channels;
  // What the block reads of a row, from a whole run on.
  const std::ptrdiff_t from =
      std::ptrdiff_t{table.first[begin / out.channels]} * image.channels / kEach * kEach;
  const std::ptrdiff_t to =
      std::ptrdiff_t{table.first[last / out.channels] + table.taps} * image.channels;

  const std::ptrdiff_t step = std::ptrdiff_t{gridDim.y} * kRows;
  for (std::ptrdiff_t y = std::ptrdiff_t{blockIdx.y} * kRows; y < out.height; y += step) {
    const int rows = out.height - y < kRows ? static_cast<int>(out.height - y) : kRows;
    Number sums[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) sums[r] = kResizeStart<Number>;
    int k = 0;
    for (std::ptrdiff_t base = from; base < to; base += kTile) {
      const int length = to - base < kTile ? static_cast<int>(to - base) : kTile;
      __syncthreads();
      for (int r = 0; r < rows; ++r)
        for (int j = threadIdx.x * kEach; j < length; j += kThreads * kEach) {
          S run[kEach];
          cuda::load_run(image.row(y + r) + base + j, length - j < kEach ? length - j : kEach, run);
          cuda::store_run(&tile[r][j], kEach, run);
        }
      __syncthreads();
      int at = static_cast<int>(start - base) + k * image.channels;
      for (; k < table.taps && at < length; ++k, at += image.channels) {
        const Number weight = table.weights[k * table.count + x];
#pragma unroll
        for (int r = 0; r < kRows; ++r) sums[r] += weight * static_cast<Number>(tile[r][at]);
      }
    }
    if (begin + threadIdx.x > last) continue;
#pragma unroll
    for (int r = 0; r < kRows; ++r)
      if (r < rows) out.row(y + r)[i] = resize_result<T, Last>(sums[r]);
  }
}

template <class T, bool Last, class S>
__global__ void columns_kernel(ImageView<const S> image, ImageView<ResizeResult<T, Last>> out,
                               TableView<T> table) {
  using Number = ResizeNumber<T>;
  using Result = ResizeResult<T, Last>;
  constexpr int kSamples = cuda::kRun<S> > cuda::kRun<Result> ? cuda::kRun<S> : cuda::kRun<Result>;
  cuda::in_run<kSamples>(out.width * out.channels, out.height, [&](auto y, auto x, int count) {
    Number sums[kSamples];
#pragma unroll
    for (int i = 0; i < kSamples; ++i) sums[i] = kResizeStart<Number>;
    for (int k = 0; k < table.taps; ++k) {
      const Number weight = table.weights[k * table.count + y];
      S run[kSamples];
      cuda::load_run(image.row(table.first[y] + k) + x, count, run);
#pragma unroll
      for (int i = 0; i < kSamples; ++i) sums[i] += weight * static_cast<Number>(run[i]);
    }
    Result results[kSamples];
#pragma unroll
    for (int i = 0; i < kSamples; ++i) results[i] = resize_result<T, Last>(sums[i]);
    cuda::store_run(out.row(y) + x, count, results);
  });
}

template <class T, bool Last, class S>
void along_rows(const ImageView<const S>& image, const ImageView<ResizeResult<T, Last>>& out,
                const ResizeOptions& options, Stream stream) {
  const Table<T> table(options.filter, image.width, out.width, stream);
  const dim3 grid(cuda::blocks_for(out.width * out.channels, kThreads, 0x7fffffff),
                  cuda::blocks_for(out.height, kRows));
  cuda::launch("resize rows", rows_kernel<T, Last, S>, grid, dim3(kThreads), stream, image, out,
               table.view());
}

template <class T, bool Last, class S>
void along_columns(const ImageView<const S>& image, const ImageView<ResizeResult<T, Last>>& out,
                   const ResizeOptions& options, Stream stream) {
  using Result = ResizeResult<T, Last>;
  constexpr int kSamples = cuda::kRun<S> > cuda::kRun<Result> ? cuda::kRun<S> : cuda::kRun<Result>;
  const Table<T> table(options.filter, image.height, out.height, stream);
  cuda::launch_runs<kSamples>("resize columns", columns_kernel<T, Last, S>,
                              out.width * out.channels, out.height, stream, image, out,
                              table.view());
}

}  // namespace

template <DeviceKind D, class T>
void resize(ImageView<const T> image, ImageView<T> out, const ResizeOptions& options,
            Stream stream) {
  if (image.empty() || out.empty()) return;
  const ResizePasses passes = resize_passes(image, out);
  if (!passes.rows) return along_columns<T, true>(image, out, options, stream);
  if (!passes.columns) return along_rows<T, true>(image, out, options, stream);
  using Between = ResizeResult<T, false>;
  if (passes.columns_first) {
    const cuda::ImageBuffer<Between> between(out.height, image.width, image.channels, stream);
    along_columns<T, false>(image, between.view(), options, stream);
    along_rows<T, true>(between.read(), out, options, stream);
  } else {
    const cuda::ImageBuffer<Between> between(image.height, out.width, out.channels, stream);
    along_rows<T, false>(image, between.view(), options, stream);
    along_columns<T, true>(between.read(), out, options, stream);
  }
}

#define TRIMATTE_INSTANTIATE(T)                                                \
  template void resize<DeviceKind::kCUDA, T>(ImageView<const T>, ImageView<T>, \
                                             const ResizeOptions&, Stream);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

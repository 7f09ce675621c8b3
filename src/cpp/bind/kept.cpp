#include "bind/kept.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace trimatte::bind {
namespace {

struct Kept {
  std::shared_ptr<cuda::Event> done;
  std::vector<py::object> objects;
};
using Queue = std::deque<std::shared_ptr<const Kept>>;

// Guarded by the GIL; never destroyed, since the interpreter may go first.
Queue& kept() {
  static auto* const all = new Queue;
  return *all;
}

}  // namespace

std::shared_ptr<cuda::Event> keep(std::vector<py::object> objects, Stream stream) {
  auto done = std::make_shared<cuda::Event>(cuda::Event::record(stream));
  kept().push_back(std::make_shared<const Kept>(Kept{done, std::move(objects)}));
  return done;
}

void release_kept() {
  auto& all = kept();
  if (all.empty()) return;
  const auto first_over = std::stable_partition(
      all.begin(), all.end(), [](const auto& entry) { return !entry->done->done(); });
  // Destroyed when the queue is in order again: that may run Python code, which may call us.
  const Queue over(first_over, all.end());
  all.erase(first_over, all.end());
}

void wait_for_kept() {
  {
    const Queue waiting = kept();  // other threads may empty the queue, or add to it
    const py::gil_scoped_release release;
    for (const auto& entry : waiting) entry->done->synchronize();
  }
  release_kept();
}

}  // namespace trimatte::bind

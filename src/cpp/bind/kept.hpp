// Objects that stay alive until a GPU is done with them. All of it is called with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <vector>

#include "core/cuda.hpp"
#include "core/device.hpp"

namespace trimatte::bind {

namespace py = pybind11;

// Keeps objects alive until the work that a stream of the current GPU has been given is done, which
// the result tells.
std::shared_ptr<cuda::Event> keep(std::vector<py::object> objects, Stream stream);

// Releases the objects whose work is done. No thread of ours watches for that: every operation on a
// GPU, every copy to the host and the end of every array of ours call this.
void release_kept();

// Waits for all work that objects are kept for, and releases them.
void wait_for_kept();

}  // namespace trimatte::bind

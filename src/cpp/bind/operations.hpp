#pragma once

#include <pybind11/pybind11.h>

namespace trimatte::bind {

void define_cancellation(pybind11::module_& m);
void define_operations(pybind11::module_& m);
void define_edge_operations(pybind11::module_& m);
void define_resize_operations(pybind11::module_& m);
void define_fit_screen(pybind11::module_& m);
void define_screen_operations(pybind11::module_& m);
void define_trusted(pybind11::module_& m);
void define_allocator(pybind11::module_& m);
void define_work_stream(pybind11::module_& m);

}  // namespace trimatte::bind

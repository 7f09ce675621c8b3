// Learning a screen from an image. On the CPU only: it looks at about a million pixels, once a
// shot.
#pragma once

#include <array>
#include <vector>

#include "core/image_view.hpp"
#include "cpu/cell_grid.hpp"
#include "pixel/screen.hpp"

namespace trimatte {

struct ScreenFit {
  std::array<float, 3> key{-1.0f, -1.0f, -1.0f};  // in [0, 1], encoded; below 0 it is not known
  bool linear = false;                            // the space that all of the below is in
  float noise = 0.0f;                             // standard deviation of alpha on the bare screen
  double share = 0.0;                             // of the image that is bare screen
  CellGrid<4> model;                              // alpha = r R + g G + b B + the fourth
  CellGrid<3> plate;                              // the screen's own colour
};

// `plate` is a clean plate of the image's size, or empty. Of `known` the key colour, and the plate
// and its space of an earlier frame, count where they are set. Nothing but key and share is set if
// there is no such screen.
template <class T>
ScreenFit fit_screen(ImageView<const T> image, ImageView<const T> plate, const ScreenOptions&,
                     ScreenFit known);

}  // namespace trimatte

// Priors of the alpha solver on the CPU: terms weight (alpha - target / weight)^2 of the energy.
#pragma once

#include "core/image_view.hpp"
#include "cpu/matting_levels.hpp"
#include "cpu/plane.hpp"

namespace trimatte {

// For each pixel of a dense level; zero where it is known.
struct Prior {
  WorkArray<float> weight, target;
};

Prior no_prior(const DenseLevel& level);

// Adds what shared sampling says of the level's unknown pixels.
void add_samples(const DenseLevel& level, Prior& prior);

// Adds what the mask says, a plane of any size that is stretched over the level.
void lean_on_mask(const DenseLevel& level, const ImageView<const float>& mask, Prior& prior);

// The prior of the next coarser level, its means; and of a finer one, `share` of it.
Prior halved(const Prior& prior, const DenseLevel& from, const DenseLevel& to);
Prior enlarged(const Prior& prior, const DenseLevel& from, const DenseLevel& to, float share);

}  // namespace trimatte

// Alpha of one pixel between a known foreground and a known background colour.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
#include "pixel/depth.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {

struct ProjectOptions {
  float noise = 0.0f;  // of alpha: what lies as near to 0 or to 1 becomes that
  int cell = 0;        // pixels a side of the plate's cells; 0: it spans the image
};

// The line's colours are told apart by d - 0.75 mean(d): light and shade change the brightness
// more than the hue.
inline constexpr float kProjectBrightness = 0.75f / 3.0f;
inline constexpr float kProjectLeast = 1e-6f;  // of the line's length, squared

// What clips alpha, as a factor and a term.
struct ProjectLevels {
  float gain, offset;
};
inline ProjectLevels project_levels(float noise) {
  const float gain = 1.0f / (1.0f - 2.0f * noise);
  return {gain, -noise * gain};
}

// Without branches, for vectors. (r, g, b): of the image, the foreground (f) and the background
// (b).
TRIMATTE_HD float project_pixel(float r, float g, float b, float fr, float fg, float fb, float br,
                                float bg, float bb, float alpha, const ProjectLevels& levels) {
  const float dr = fr - br, dg = fg - bg, db = fb - bb;
  const float shade = kProjectBrightness * (dr + dg + db);
  const float wr = dr - shade, wg = dg - shade, wb = db - shade;
  const float length = wr * dr + wg * dg + wb * db;
  const bool told = length >= kProjectLeast;
  const float t = (wr * (r - br) + wg * (g - bg) + wb * (b - bb)) / (told ? length : 1.0f);
  const float projected = clip_unit(t * levels.gain + levels.offset);
  return told ? projected : alpha;
}

// Known pixels keep what the trimap says.
TRIMATTE_HD float trimap_alpha(std::uint8_t mark, float unknown) {
  return trimap_is_background(mark) ? 0.0f : trimap_is_foreground(mark) ? 1.0f : unknown;
}

}  // namespace trimatte

// Learning a screen from an image: its colour, its plate, and for every cell of a coarse grid the
// linear function of the colour that tells best how much of a pixel is foreground.
//
// Between a screen's colour B and a foreground's F, alpha is a linear function of the colour; which
// one, of all that are 0 at B and 1 at F, is chosen so that noise and the foreground's texture move
// it least: Fisher's linear discriminant (1936). B and F vary over the image: both are means of
// what is surely screen and surely foreground, pushed and pulled over the rest. Where a cell and
// its surroundings are all screen or all foreground, the function is the constant 0 or 1.
#include "cpu/screen.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "core/parallel.hpp"
#include "cpu/image_plane.hpp"
#include "ops.hpp"
#include "pixel/depth.hpp"
#include "pixel/transfer.hpp"
#include "pixel/trimap.hpp"

namespace trimatte {
namespace {

using Mask = ImagePlane<std::uint8_t>;

constexpr int kErosion = 2;            // of what is called sure, pixels
constexpr float kBare = 0.15f;         // alpha below which a first key calls a pixel screen
constexpr float kBareIfSmooth = 0.3f;  // the same for the mean of a smooth place
constexpr float kSmoothScreen = 0.03f, kSmoothClothes = 0.2f;  // deviations beyond the noise's
constexpr float kEnough = 16.0f;  // pixels of a cell that need no help from coarser ones
constexpr int kPlateTurns = 4;    // the plate grows over the screen from turn to turn
constexpr int kModelTurns = 2;
constexpr float kOpaqueDistance = 0.7f;  // of the chroma, in the screen's own
constexpr float kLeastShare = 0.005f;    // of the image, to be called a screen
constexpr std::size_t kSamples = 1 << 16;

struct Rows {
  const float *r, *g, *b;
};

// Colours as planes.
struct Colors {
  ImagePlane<float> planes[3];
  Colors(std::ptrdiff_t height, std::ptrdiff_t width)
      : planes{{height, width}, {height, width}, {height, width}} {}
  std::ptrdiff_t height() const { return planes[0].height; }
  std::ptrdiff_t width() const { return planes[0].width; }
  float at(int c, std::ptrdiff_t y, std::ptrdiff_t x) const { return planes[c].row(y)[x]; }
  Rows row(std::ptrdiff_t y) const {
    return {planes[0].row(y), planes[1].row(y), planes[2].row(y)};
  }
};

template <class Body>
void for_each_row(std::ptrdiff_t height, std::ptrdiff_t width, const Body& body) {
  parallel_rows(
      height, width,
      [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        for (std::ptrdiff_t y = begin; y < end; ++y) body(y);
      },
      1 << 14);
}

template <class T>
Colors colors_of(const ImageView<const T>& image, bool linear) {
  Colors colors(image.height, image.width);
  float table[256];
  for (int i = 0; i < 256; ++i) {
    const float v = static_cast<float>(i) * (1.0f / 255.0f);
    table[i] = linear ? srgb_to_linear(v) : v;
  }
  for_each_row(image.height, image.width, [&](std::ptrdiff_t y) {
    const T* pixels = image.row(y);
    for (int c = 0; c < 3; ++c) {
      float* out = colors.planes[c].row(y);
      for (std::ptrdiff_t x = 0; x < image.width; ++x) {
        const T sample = pixels[x * image.channels + c];
        if constexpr (std::is_same_v<T, std::uint8_t>) {
          out[x] = table[sample];
        } else {
          const float v = clip_unit(to_unit(sample));
          out[x] = linear ? srgb_to_linear(v) : v;
        }
      }
    }
  });
  return colors;
}

// What tells a screen's colour from others. Of a coloured screen it is how far the channels that it
// lights, one or two of them, stand above the others; of a white, grey or black one the distance.
class KeyMeasure {
 public:
  explicit KeyMeasure(const std::array<float, 3>& key)
      : chroma_(chroma_direction(key[0], key[1], key[2])), light_(key[0] + key[1] + key[2]) {
    constexpr float kPair = 0.4f;  // of the second step, what the first may be at most
    // A dark screen has a colour, too; pale ones that are looked for by name have this much.
    constexpr float kLeastLead = 2.0f / 32.0f, kLeastPurity = 0.25f, kNoLead = 0.02f;
    std::array<std::size_t, 3> order{0, 1, 2};
    std::sort(order.begin(), order.end(), [&](auto i, auto j) { return key[i] > key[j]; });
    const float first = key[order[0]] - key[order[1]], second = key[order[1]] - key[order[2]];
    const auto lead = [&](std::size_t c) { over_[c] = 0.0f, under_[c] = -kFar; };
    lead(order[0]);
    if (first < kPair * second) lead(order[1]);
    difference_ = difference(key[0], key[1], key[2]);
    purity_ = difference_ / std::max(lowest(key[0], key[1], key[2]), kDark);
    const float pure = kLeastPurity * key[order[0]];
    colored_ = difference_ >= std::max(std::min(kLeastLead, pure), kNoLead);
  }

  // Rough alpha of a row, in [0, most]: 0 at the plate's colour, 1 where nothing of it is left. Of
  // a coloured screen the colour difference of Vlahos (US 3,595,987).
  void alpha_row(const Rows& v, const Rows& plate, std::ptrdiff_t count, float most,
                 float* __restrict to) const {
    constexpr float kApart = 0.4f;
    const KeyMeasure m = *this;  // in registers
    if (m.colored_) {
      for (std::ptrdiff_t x = 0; x < count; ++x) {
        const float full = std::max(m.difference(plate.r[x], plate.g[x], plate.b[x]), 1e-3f);
        const float a = 1.0f - m.difference(v.r[x], v.g[x], v.b[x]) / full;
        to[x] = std::min(std::max(a, 0.0f), most);
      }
    } else {
      for (std::ptrdiff_t x = 0; x < count; ++x) {
        const float r = std::fabs(v.r[x] - plate.r[x]), g = std::fabs(v.g[x] - plate.g[x]);
        const float b = std::fabs(v.b[x] - plate.b[x]);
        to[x] = std::min(std::max(std::max(r, g), b) * (1.0f / kApart), most);
      }
    }
  }

  // How far the hue is from the screen's, as a part of the screen's chroma.
  float chroma_distance(const ChromaDirection& a, const ChromaDirection& screen) const {
    constexpr float kGray = 0.35f;  // in place of a chroma
    const float unit = colored_ ? std::max(length(screen), 1e-3f) : kGray;
    return length({a.r - screen.r, a.g - screen.g, a.b - screen.b}) / unit;
  }

  // Whether an encoded colour is the key's, or not much darker.
  bool is_screen(float r, float g, float b) const {
    constexpr float kPure = 0.85f, kLight = 0.5f, kGrayTint = 0.06f, kGrayLight = 0.75f;
    if (colored_) {
      const float d = difference(r, g, b);
      return d > kLight * difference_ && d > kPure * purity_ * std::max(lowest(r, g, b), kDark);
    }
    const ChromaDirection own = chroma_direction(r, g, b);
    const float tint = length({own.r - chroma_.r, own.g - chroma_.g, own.b - chroma_.b});
    const float light = r + g + b, tints = 3.0f * kGrayTint;
    return tint < kGrayTint && light > kGrayLight * light_ - tints && light < light_ + tints;
  }

 private:
  static constexpr float kFar = 4.0f, kDark = 1.0f / 255.0f;

  // How far the lowest channel that leads stands above the highest of the others.
  float difference(float r, float g, float b) const {
    return lowest(r, g, b) - std::max(std::max(r + under_[0], g + under_[1]), b + under_[2]);
  }
  // Of the channels that lead.
  float lowest(float r, float g, float b) const {
    return std::min(std::min(r + over_[0], g + over_[1]), b + over_[2]);
  }

  // What takes a channel out of a minimum, and out of a maximum: without branches, for vectors.
  float over_[3] = {kFar, kFar, kFar}, under_[3] = {};
  ChromaDirection chroma_;
  float light_, difference_ = 0.0f, purity_ = 0.0f;  // the key's
  bool colored_ = true;
};

// ---- The commonest colour

constexpr int kKeyLevels = 32;
constexpr int kHues = 36;

int key_level_of(float v) {
  return std::min(kKeyLevels - 1, static_cast<int>(v * kKeyLevels));
}

// Sixths of the circle, from red by green and blue.
float hue_of(float r, float g, float b) {
  const float most = std::max({r, g, b}), chroma = most - std::min({r, g, b});
  if (chroma <= 0.0f) return 0.0f;
  const float hue = most == r   ? (g - b) / chroma
                    : most == g ? (b - r) / chroma + 2.0f
                                : (r - g) / chroma + 4.0f;
  return hue < 0.0f ? hue + 6.0f : hue;
}

constexpr int kFirstPair = 3, kFirstGray = 6;  // of the kinds of ScreenOptions

// Whether a colour is of the kind that is asked for. Of any: not red, yellow or a skin's, nor
// without a hue; these are too common to be taken for a screen unasked.
bool may_be_key(float r, float g, float b, int kind) {
  constexpr float kLeastLead = 2.0f / kKeyLevels, kLeastChroma = 3.0f / kKeyLevels;
  constexpr float kFirstHue = 1.2f, kLastHue = 5.3f;
  constexpr float kGray[3][2] = {{0.6f, 1.0f}, {0.2f, 0.8f}, {0.0f, 0.3f}};
  const float most = std::max({r, g, b}), least = std::min({r, g, b});
  if (kind < 0) {
    const float hue = hue_of(r, g, b);
    return most - least >= kLeastChroma && hue >= kFirstHue && hue <= kLastHue;
  }
  if (kind >= kFirstGray) {
    const float light = (r + g + b) * (1.0f / 3.0f);
    const float (&range)[2] = kGray[kind - kFirstGray];
    return most - least < kLeastChroma && light >= range[0] && light <= range[1];
  }
  const float v[] = {r, g, b};
  if (kind < kFirstPair)
    return v[kind] - std::max(v[(kind + 1) % 3], v[(kind + 2) % 3]) >= kLeastLead;
  constexpr int kDark[] = {1, 0, 2};  // magenta has no green, cyan no red, yellow no blue
  const int dark = kDark[kind - kFirstPair];
  const float first = v[(dark + 1) % 3], second = v[(dark + 2) % 3];
  return std::min(first, second) - v[dark] >= std::max(kLeastLead, std::fabs(first - second));
}

// The commonest of some pixels' colours: first the commonest hue, by weight, so that a screen that
// is lit unevenly does not lose to an even shirt; of that hue the fullest bin of a histogram, and
// of what lies in it and beside it the median. `visit` calls a body for each pixel, with its
// weight.
template <class Visit>
std::array<float, 3> commonest_color(const Colors& colors, int kind, const Visit& visit) {
  constexpr int kReach = 2;             // hues to each side of the commonest
  constexpr double kLeastAbove = 0.08;  // of the upper border, for a screen that nobody has named
  const auto color_at = [&](std::ptrdiff_t y, std::ptrdiff_t x) {
    return std::array<float, 3>{colors.at(0, y, x), colors.at(1, y, x), colors.at(2, y, x)};
  };
  const auto bin_of = [](const std::array<float, 3>& v) {
    return static_cast<int>(hue_of(v[0], v[1], v[2]) * (kHues / 6.0f)) % kHues;
  };
  std::array<double, kHues> hues{};
  visit([&](std::ptrdiff_t y, std::ptrdiff_t x, float weight) {
    const std::array<float, 3> v = color_at(y, x);
    if (!may_be_key(v[0], v[1], v[2], kind)) return;
    const float chroma = std::max({v[0], v[1], v[2]}) - std::min({v[0], v[1], v[2]});
    hues[static_cast<std::size_t>(bin_of(v))] +=
        kind < kFirstGray ? double{weight * std::sqrt(chroma)} : 1.0;
  });
  int commonest = -1;
  double most = 0.0;
  for (int i = 0; i < kHues; ++i) {
    double sum = 0.0;
    for (int j = -kReach; j <= kReach; ++j)
      sum += hues[static_cast<std::size_t>((i + j + kHues) % kHues)] * (kReach + 1 - std::abs(j));
    if (sum > most) most = sum, commonest = i;
  }
  if (commonest < 0) return {-1.0f, -1.0f, -1.0f};
  const auto is_common = [&](const std::array<float, 3>& v) {
    const int apart = std::abs(bin_of(v) - commonest);
    const bool alike = kind >= kFirstGray || std::min(apart, kHues - apart) <= kReach;
    return alike && may_be_key(v[0], v[1], v[2], kind);
  };

  const auto levels_of = [](const std::array<float, 3>& v) {
    return std::array<int, 3>{key_level_of(v[0]), key_level_of(v[1]), key_level_of(v[2])};
  };
  std::vector<float> histogram(kKeyLevels * kKeyLevels * kKeyLevels);
  double above = 0.0, all_above = 0.0;  // where nothing takes from the weight
  visit([&](std::ptrdiff_t y, std::ptrdiff_t x, float weight) {
    const std::array<float, 3> v = color_at(y, x);
    all_above += weight >= 1.0f ? 1.0 : 0.0;
    if (!is_common(v)) return;
    above += weight >= 1.0f ? 1.0 : 0.0;
    const std::array<int, 3> level = levels_of(v);
    histogram[static_cast<std::size_t>((level[0] * kKeyLevels + level[1]) * kKeyLevels +
                                       level[2])] += 1.0f;
  });
  if (kind < 0 && above < kLeastAbove * all_above) return {-1.0f, -1.0f, -1.0f};
  const auto fullest = std::max_element(histogram.begin(), histogram.end());
  const int bin = static_cast<int>(fullest - histogram.begin());
  const std::array<int, 3> wanted{bin / kKeyLevels / kKeyLevels, bin / kKeyLevels % kKeyLevels,
                                  bin % kKeyLevels};
  std::vector<float> near[3];
  visit([&](std::ptrdiff_t y, std::ptrdiff_t x, float) {
    const std::array<float, 3> v = color_at(y, x);
    const std::array<int, 3> level = levels_of(v);
    for (std::size_t c = 0; c < 3; ++c)
      if (std::abs(level[c] - wanted[c]) > 1) return;
    for (std::size_t c = 0; c < 3; ++c) near[c].push_back(v[c]);
  });
  return {spread_of(near[0]).median, spread_of(near[1]).median, spread_of(near[2]).median};
}

// The border's, where foreground is least likely; if it has none of the kind that is asked for, the
// image's. Subjects come in from below: the upper border says most, the lower one least.
std::array<float, 3> find_key(const Colors& colors, int kind) {
  constexpr float kLowerHalf = 0.5f, kBottom = 0.2f;
  const std::ptrdiff_t height = colors.height(), width = colors.width();
  const std::ptrdiff_t border = std::max<std::ptrdiff_t>(1, std::min(height, width) * 3 / 100);
  const auto visit = [&](bool inside, const auto& body) {
    for (std::ptrdiff_t y = 0; y < height; ++y) {
      const bool whole = inside || y < border || y >= height - border;
      const float weight = 2 * y < height ? 1.0f : y < height - border ? kLowerHalf : kBottom;
      for (std::ptrdiff_t x = 0; x < width; ++x) {
        if (!whole && x == border) x = std::max(border, width - border);
        body(y, x, weight);
      }
    }
  };
  const auto of = [&](bool inside) {
    return commonest_color(colors, kind, [&](const auto& body) { visit(inside, body); });
  };
  const std::array<float, 3> found = of(false);
  return found[0] < 0.0f && kind >= 0 ? of(true) : found;
}

double share_of(const Mask& mask) {
  std::ptrdiff_t count = 0;
  for (std::ptrdiff_t i = 0; i < mask.size(); ++i) count += mask[i];
  return mask.size() > 0 ? static_cast<double>(count) / static_cast<double>(mask.size()) : 0.0;
}

// Mean and standard deviation around each pixel.
struct Texture {
  ImagePlane<float> mean, deviation;
};

Texture texture_of(const ImagePlane<float>& values) {
  constexpr int kRadius = 4;
  ImagePlane<float> squares(values.height, values.width);
  for (std::ptrdiff_t i = 0; i < values.size(); ++i) squares[i] = values[i] * values[i];
  Texture texture{box_mean(values, kRadius), box_mean(squares, kRadius)};
  for (std::ptrdiff_t i = 0; i < values.size(); ++i) {
    const float mean = texture.mean[i];
    texture.deviation[i] = std::sqrt(std::max(texture.deviation[i] - mean * mean, 0.0f));
  }
  return texture;
}

using Inverse = std::array<std::array<double, 3>, 3>;

// Of a symmetric matrix.
Inverse inverse_of(const Inverse& m) {
  const auto minor = [&](int r, int c) {
    const int r0 = r == 0 ? 1 : 0, r1 = r == 2 ? 1 : 2, c0 = c == 0 ? 1 : 0, c1 = c == 2 ? 1 : 2;
    return m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0];
  };
  const double determinant = m[0][0] * minor(0, 0) - m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
  Inverse out;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) out[r][c] = ((r + c) % 2 ? -1.0 : 1.0) * minor(c, r) / determinant;
  return out;
}

class Fitting {
 public:
  Fitting(const Colors& colors, const Colors* plate, const ScreenFit& known)
      : colors_(colors),
        given_plate_(plate),
        height_(colors.height()),
        width_(colors.width()),
        rows_((height_ + kCellSide - 1) / kCellSide),
        columns_((width_ + kCellSide - 1) / kCellSide),
        measure_(known.key),
        side_(std::sqrt(static_cast<float>(height_ * width_))) {}

  ScreenFit run(const Colors& encoded, const ScreenFit& known);

  // How far from the line between screen and foreground soft pixels lie, in encoded values: the
  // geometric mean of two medians, along what the key says and to the nearest point. The space in
  // which an image was mixed has the smaller one.
  double misfit(const ScreenFit& fit) const;

 private:
  Mask first_screen(const Colors& encoded) const;
  Mask bare_screen(const Mask& sure) const;
  void grow_plate(Mask& sure);
  Mask take_plate(const CellGrid<3>& before, float fresh);
  Mask surely_foreground(const Mask& sure) const;
  ImagePlane<float> first_alpha(float most) const;
  ImagePlane<float> chroma_distance() const;
  Mask nothing_near(const Mask& sure, float reach) const;
  CellGrid<3> front_of(const Mask& opaque) const;
  void drop_mixtures(Mask& marks, const CellGrid<3>& front, bool smooth) const;
  void drop_slopes(Mask& marks, const Mask& screen, const ImagePlane<float>& mean) const;
  Inverse metric(const CellGrid<3>& foreground, const Mask& opaque, const Mask& bare) const;
  void solve(const Mask& opaque, const Mask& bare);
  void set_levels(const Mask& opaque, const Mask& bare);
  void settle_cells(const Mask& enclosed);
  ImagePlane<float> alpha() const;
  CellGrid<3> means(const Mask& mask, std::array<float, 3> otherwise) const;
  std::vector<float> samples(const ImagePlane<float>& values, const Mask& mask) const;

  // body(y, planes of the grid interpolated along that row)
  template <int N, class Body>
  void with_grid(const CellGrid<N>& grid, const Body& body) const {
    const GridRows<N> rows(grid, width_);
    parallel_rows(
        height_, width_,
        [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
          std::vector<float> line, values(static_cast<std::size_t>(N * width_));
          float* row[N];
          for (int n = 0; n < N; ++n) row[n] = values.data() + n * width_;
          for (std::ptrdiff_t y = begin; y < end; ++y) {
            rows.read(y, line, row);
            body(y, row);
          }
        },
        1 << 14);
  }

  const Colors& colors_;
  const Colors* given_plate_;
  std::ptrdiff_t height_, width_, rows_, columns_;
  KeyMeasure measure_;
  float side_;
  CellGrid<3> plate_, foreground_;
  CellGrid<4> model_;
  float bare_deviation_ = 0.0f, opaque_deviation_ = 0.0f;
};

// Pixels of the key's hue that are not much darker.
Mask Fitting::first_screen(const Colors& encoded) const {
  const KeyMeasure measure = measure_;  // in registers
  Mask sure(height_, width_);
  for_each_row(height_, width_, [&](std::ptrdiff_t y) {
    const Rows v = encoded.row(y);
    std::uint8_t* to = sure.row(y);
    for (std::ptrdiff_t x = 0; x < width_; ++x) to[x] = measure.is_screen(v.r[x], v.g[x], v.b[x]);
  });
  return erode_square(sure, kErosion);
}

// Each cell's sums of the colours that a mask is 1 for, and their number.
CellGrid<4> sums_of(const Colors& colors, const Mask& mask) {
  CellGrid<4> sums((colors.height() + kCellSide - 1) / kCellSide,
                   (colors.width() + kCellSide - 1) / kCellSide);
  parallel_for(sums.height, 4, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    std::vector<float> known(static_cast<std::size_t>(colors.width()));
    for (std::ptrdiff_t y = begin * kCellSide; y < std::min(end * kCellSide, colors.height());
         ++y) {
      const std::uint8_t* marks = mask.row(y);
      for (std::size_t x = 0; x < known.size(); ++x) known[x] = marks[x] ? 1.0f : 0.0f;
      const float *r = colors.planes[0].row(y), *g = colors.planes[1].row(y),
                  *b = colors.planes[2].row(y);
      for (std::ptrdiff_t x = 0; x < colors.width(); ++x) {
        float* sum = sums.at(y / kCellSide, x / kCellSide);
        const float w = known[static_cast<std::size_t>(x)];
        sum[0] += w * r[x];
        sum[1] += w * g[x];
        sum[2] += w * b[x];
        sum[3] += w;
      }
    }
  });
  return sums;
}

// What is known under a mask, pushed and pulled over the rest; a constant where nothing is.
CellGrid<3> Fitting::means(const Mask& mask, std::array<float, 3> otherwise) const {
  const CellGrid<4> sums = sums_of(colors_, mask);
  for (std::size_t i = 3; i < sums.values.size(); i += 4)
    if (sums.values[i] > 0.0f) return push_pull<3>(sums, kEnough);
  CellGrid<3> constant(rows_, columns_);
  for (std::size_t i = 0; i < constant.values.size(); ++i) constant.values[i] = otherwise[i % 3];
  return constant;
}

// Rough alpha by the plate of each pixel, in [0, most].
ImagePlane<float> Fitting::first_alpha(float most) const {
  ImagePlane<float> out(height_, width_);
  with_grid(plate_, [&](std::ptrdiff_t y, float* const* plate) {
    measure_.alpha_row(colors_.row(y), {plate[0], plate[1], plate[2]}, width_, most, out.row(y));
  });
  return out;
}

// What the plate of each pixel calls screen; what is smooth may differ more.
Mask Fitting::bare_screen(const Mask& sure) const {
  const ImagePlane<float> a = first_alpha(1.5f);
  const Texture texture = texture_of(a);
  std::vector<float> usual = samples(texture.deviation, sure);
  const float smooth = kSmoothScreen + spread_of(usual).median;
  Mask bare(height_, width_);
  for (std::ptrdiff_t i = 0; i < bare.size(); ++i)
    bare[i] = a[i] < kBare || (texture.mean[i] < kBareIfSmooth && texture.deviation[i] < smooth);
  return erode_square(bare, kErosion);
}

// Each turn reaches what the plate of the turn before, pulled over it, knows for screen: a screen
// that falls off into the dark, or changes its hue, is followed.
void Fitting::grow_plate(Mask& sure) {
  for (int turn = 0; turn < kPlateTurns; ++turn) {
    plate_ = means(sure, {});
    sure = bare_screen(sure);
  }
}

// A plate from before, of an earlier frame or of the empty screen. Of a frame's it takes what is
// seen now a little into account, for light changes.
Mask Fitting::take_plate(const CellGrid<3>& before, float fresh) {
  plate_ = before;
  Mask sure(height_, width_);
  const ImagePlane<float> a = first_alpha(1.0f);
  for (std::ptrdiff_t i = 0; i < sure.size(); ++i) sure[i] = a[i] < kBare;
  sure = bare_screen(erode_square(sure, kErosion));
  if (fresh > 0.0f) {
    const CellGrid<4> sums = sums_of(colors_, sure);
    for (std::size_t i = 0; i < sums.values.size() / 4; ++i) {
      const float *sum = sums.values.data() + 4 * i, known = sum[3];
      if (known < kEnough) continue;
      for (std::size_t c = 0; c < 3; ++c)
        plate_.values[3 * i + c] = mix(plate_.values[3 * i + c], sum[c] / known, fresh);
    }
  }
  return sure;
}

// From the plate's chroma, in units of its own; the mean of 3 x 3.
ImagePlane<float> Fitting::chroma_distance() const {
  ImagePlane<float> out(height_, width_);
  with_grid(plate_, [&](std::ptrdiff_t y, float* const* plate) {
    const Rows v = colors_.row(y);
    float* __restrict to = out.row(y);
    for (std::ptrdiff_t x = 0; x < width_; ++x) {
      const ChromaDirection a = chroma_direction(v.r[x], v.g[x], v.b[x]);
      const ChromaDirection b = chroma_direction(plate[0][x], plate[1][x], plate[2][x]);
      to[x] = measure_.chroma_distance(a, b);
    }
  });
  return box_mean(out, 1);
}

// Pixels farther than that from all that is surely screen.
Mask Fitting::nothing_near(const Mask& sure, float reach) const {
  Mask mask(height_, width_), trimap(height_, width_), out(height_, width_);
  for (std::ptrdiff_t i = 0; i < mask.size(); ++i) mask[i] = sure[i] ? 255 : 0;
  const auto view = [&](const Mask& of) {
    return ImageView<std::uint8_t>{of.row(0), height_, width_, 1, width_};
  };
  TrimapOptions options;
  options.low = options.high = 127.5;
  options.outside = reach;
  options.inside = 0.0;
  TrimapRadii used;
  make_trimap<DeviceKind::kCPU, std::uint8_t>(view(mask), view(trimap), options, &used, Stream{});
  for (std::ptrdiff_t i = 0; i < out.size(); ++i)
    out[i] = !used.lost_background && trimap[i] == kTrimapBackground;
  return out;
}

// Steps to the nearest pixel of a mask, sideways or diagonal.
ImagePlane<float> steps_from(const Mask& mask) {
  constexpr float kFar = 1e9f, kDiagonal = 1.41f;
  ImagePlane<float> out(mask.height, mask.width);
  for (std::ptrdiff_t i = 0; i < out.size(); ++i) out[i] = mask[i] ? 0.0f : kFar;
  const auto pass = [&](std::ptrdiff_t step) {
    const std::ptrdiff_t first = step > 0 ? 0 : out.height - 1, left = step > 0 ? 0 : out.width - 1;
    for (std::ptrdiff_t y = first; y >= 0 && y < out.height; y += step) {
      float* row = out.row(y);
      const float* before = y - step >= 0 && y - step < out.height ? out.row(y - step) : nullptr;
      for (std::ptrdiff_t x = left; x >= 0 && x < out.width; x += step) {
        float least = row[x];
        if (x != left) least = std::min(least, row[x - step] + 1.0f);
        if (before) {
          least = std::min(least, before[x] + 1.0f);
          if (x > 0) least = std::min(least, before[x - 1] + kDiagonal);
          if (x + 1 < out.width) least = std::min(least, before[x + 1] + kDiagonal);
        }
        row[x] = least;
      }
    }
  };
  pass(1);
  pass(-1);
  return out;
}

// body(y, marks) for the rows of a mask that have any.
template <class Body>
void for_marked_rows(Mask& mask, const Body& body) {
  for_each_row(mask.height, mask.width, [&](std::ptrdiff_t y) {
    std::uint8_t* marks = mask.row(y);
    if (std::any_of(marks, marks + mask.width, [](std::uint8_t mark) { return mark != 0; }))
      body(y, marks);
  });
}

// The means of 3 x 3 of the marked pixels of a row.
void mean_row(const ImagePlane<float>& plane, std::ptrdiff_t y, const std::uint8_t* marks,
              float* out) {
  const float* rows[3];
  for (int j = 0; j < 3; ++j)
    rows[j] = plane.row(std::clamp<std::ptrdiff_t>(y + j - 1, 0, plane.height - 1));
  for (std::ptrdiff_t x = 0; x < plane.width; ++x) {
    out[x] = rows[1][x];
    if (!marks[x]) continue;
    const std::ptrdiff_t left = std::max<std::ptrdiff_t>(x - 1, 0);
    const std::ptrdiff_t right = std::min(x + 1, plane.width - 1);
    float sum = 0.0f;
    for (const float* row : rows) sum += row[left] + row[x] + row[right];
    out[x] = sum * (1.0f / 9.0f);
  }
}

// The colours of what is opaque, on a grid. Of a warm foreground a mixture with the screen may have
// nothing of its hue left, and count as opaque: from turn to turn fewer mixtures do. Some rows tell
// enough.
CellGrid<3> Fitting::front_of(const Mask& opaque) const {
  constexpr int kTurns = 3;
  constexpr std::ptrdiff_t kEvery = 4;  // rows
  Mask some = erode_square(opaque, kErosion);
  for (std::ptrdiff_t y = 0; y < height_; ++y)
    if (y % kEvery != 0) std::fill_n(some.row(y), width_, std::uint8_t{0});
  CellGrid<3> front = means(some, {-1.0f, -1.0f, -1.0f});
  for (int turn = 1; turn < kTurns; ++turn) {
    drop_mixtures(some, front, false);
    front = means(some, {-1.0f, -1.0f, -1.0f});
  }
  return front;
}

// Takes out what lies on the line between the colours of the screen and of the foreground around,
// or misses it by little: pixels, or means of 3 x 3.
void Fitting::drop_mixtures(Mask& marks, const CellGrid<3>& front, bool smooth) const {
  constexpr float kWhole = 0.95f;
  constexpr float kMiss = 0.03f;       // by channel, at the screen; foregrounds vary, too
  if (front.values[0] < 0.0f) return;  // none is known
  const GridRows<3> plates(plate_, width_), fronts(front, width_);
  for_marked_rows(marks, [&](std::ptrdiff_t y, std::uint8_t* __restrict here) {
    std::vector<float> line, values(static_cast<std::size_t>(9 * width_));
    float* row[9];
    for (int n = 0; n < 9; ++n) row[n] = values.data() + n * width_;
    plates.read(y, line, row);
    fronts.read(y, line, row + 3);
    for (int c = 0; c < 3; ++c)
      smooth ? mean_row(colors_.planes[c], y, here, row[6 + c])
             : static_cast<void>(std::copy_n(colors_.planes[c].row(y), width_, row[6 + c]));
    const float *r0 = row[0], *g0 = row[1], *b0 = row[2], *r1 = row[3], *g1 = row[4], *b1 = row[5];
    const float *r = row[6], *g = row[7], *b = row[8];
    for (std::ptrdiff_t x = 0; x < width_; ++x) {
      const float ur = r1[x] - r0[x], ug = g1[x] - g0[x], ub = b1[x] - b0[x];
      const float vr = r[x] - r0[x], vg = g[x] - g0[x], vb = b[x] - b0[x];
      const float t =
          clip_unit((ur * vr + ug * vg + ub * vb) / (ur * ur + ug * ug + ub * ub + 1e-9f));
      const float off = std::max(std::max(std::fabs(vr - t * ur), std::fabs(vg - t * ug)),
                                 std::fabs(vb - t * ub));
      const bool mixed = t < kWhole && off < kMiss * (1.0f + 2.0f * t);
      here[x] = mixed ? 0 : here[x];
    }
  });
}

// Takes out what climbs from the screen at the rate that has brought it where it is.
void Fitting::drop_slopes(Mask& marks, const Mask& screen, const ImagePlane<float>& mean) const {
  constexpr float kSlope = 3.0f;  // of the rough alpha over the image's side
  constexpr std::ptrdiff_t kStep = 4;
  if (share_of(marks) == 0.0) return;
  const ImagePlane<float> steps = steps_from(screen);
  for_marked_rows(marks, [&](std::ptrdiff_t y, std::uint8_t* here) {
    const std::ptrdiff_t above = std::max<std::ptrdiff_t>(y - kStep, 0);
    const std::ptrdiff_t below = std::min(y + kStep, height_ - 1);
    for (std::ptrdiff_t x = 0; x < width_; ++x) {
      if (!here[x]) continue;
      const std::ptrdiff_t left = std::max<std::ptrdiff_t>(x - kStep, 0);
      const std::ptrdiff_t right = std::min(x + kStep, width_ - 1);
      const float across = (mean.row(y)[right] - mean.row(y)[left]) /
                           static_cast<float>(std::max<std::ptrdiff_t>(right - left, 1));
      const float down = (mean.row(below)[x] - mean.row(above)[x]) /
                         static_cast<float>(std::max<std::ptrdiff_t>(below - above, 1));
      const float slope = std::hypot(across, down);
      if (slope * side_ < kSlope) continue;
      const float wanted = mean.row(y)[x] / slope, there = steps.row(y)[x];
      if (wanted > 0.5f * there - 3.0f && wanted < 2.0f * there + 6.0f) here[x] = 0;
    }
  });
}

// Foreground by its colour, or by its place: what is far from any screen, and what is smooth and
// not quite the screen's colour beyond the reach of a soft edge, as clothes are that resemble it.
Mask Fitting::surely_foreground(const Mask& sure) const {
  constexpr float kOpaque = 0.97f;
  const ImagePlane<float> distance = chroma_distance();
  const ImagePlane<float> a = first_alpha(1.5f);
  const Texture texture = texture_of(a);
  std::vector<float> usual = samples(texture.deviation, sure);
  const float smooth = kSmoothClothes + spread_of(usual).median;

  const Mask near = dilate_square(sure, kErosion);
  const Mask inner = nothing_near(near, kScreenFringe * side_);
  Mask enclosed = nothing_near(near, kScreenReach * side_);
  Mask calm(height_, width_);
  for (std::ptrdiff_t i = 0; i < calm.size(); ++i)
    calm[i] = inner[i] && texture.deviation[i] < smooth && texture.mean[i] > kBareIfSmooth;
  calm = erode_square(calm, kErosion);
  Mask opaque(height_, width_), by_color(height_, width_);
  for (std::ptrdiff_t i = 0; i < calm.size(); ++i) {
    opaque[i] = a[i] > kOpaque;
    by_color[i] = opaque[i] || distance[i] > kOpaque * kOpaqueDistance;
  }
  const CellGrid<3> front = front_of(opaque);
  drop_mixtures(by_color, front, false);
  // Motion and defocus make wide edges, as smooth as clothes: mixtures that climb from the screen.
  Mask mixed(height_, width_);
  for (std::ptrdiff_t i = 0; i < calm.size(); ++i) mixed[i] = calm[i];
  drop_mixtures(calm, front, true);
  for (std::ptrdiff_t i = 0; i < calm.size(); ++i) mixed[i] = mixed[i] && !calm[i];
  drop_slopes(mixed, near, texture.mean);
  for (std::ptrdiff_t i = 0; i < calm.size(); ++i) {
    enclosed[i] |= calm[i] | mixed[i];
    opaque[i] = by_color[i] | enclosed[i];
  }
  Mask out = erode_square(opaque, kErosion);
  // What is enclosed is marked apart, for it makes whole cells foreground.
  for (std::ptrdiff_t i = 0; i < out.size(); ++i) out[i] = enclosed[i] ? 2 : out[i];
  return out;
}

// Some of the values under a mask, spread evenly.
std::vector<float> Fitting::samples(const ImagePlane<float>& values, const Mask& mask) const {
  std::size_t count = 0;
  for (std::ptrdiff_t i = 0; i < mask.size(); ++i) count += mask[i] != 0;
  const std::size_t every = count / kSamples + 1;
  std::vector<float> out;
  out.reserve(count / every + 1);
  std::size_t seen = 0;
  for (std::ptrdiff_t i = 0; i < mask.size(); ++i)
    if (mask[i] && seen++ % every == 0) out.push_back(values[i]);
  return out;
}

// The inverse of the mean of the covariances of screen and foreground about their grids.
Inverse Fitting::metric(const CellGrid<3>& foreground, const Mask& opaque, const Mask& bare) const {
  constexpr double kRidge = 1e-6;
  constexpr int kEvery = 5;  // rows
  Inverse total{};
  const auto add = [&](const CellGrid<3>& grid, const Mask& mask) {
    const GridRows<3> rows(grid, width_);
    std::vector<float> line, values(static_cast<std::size_t>(3 * width_));
    float* row[3] = {values.data(), values.data() + width_, values.data() + 2 * width_};
    double sums[3] = {}, products[3][3] = {}, count = 0.0;
    for (std::ptrdiff_t y = 0; y < height_; y += kEvery) {
      rows.read(y, line, row);
      const std::uint8_t* marks = mask.row(y);
      for (std::ptrdiff_t x = 0; x < width_; ++x) {
        if (!marks[x]) continue;
        const double apart[3] = {double{colors_.at(0, y, x)} - row[0][x],
                                 double{colors_.at(1, y, x)} - row[1][x],
                                 double{colors_.at(2, y, x)} - row[2][x]};
        for (int i = 0; i < 3; ++i) {
          sums[i] += apart[i];
          for (int j = 0; j < 3; ++j) products[i][j] += apart[i] * apart[j];
        }
        count += 1.0;
      }
    }
    if (count < 2.0) return;
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j)
        total[i][j] += 0.5 * (products[i][j] - sums[i] * sums[j] / count) / count;
  };
  add(foreground, opaque);
  add(plate_, bare);
  for (std::size_t i = 0; i < 3; ++i) total[i][i] += kRidge;
  return inverse_of(total);
}

// Whether half of a cell is screen.
bool is_bare(const Mask& bare, std::ptrdiff_t row, std::ptrdiff_t column) {
  int count = 0, all = 0;
  for (std::ptrdiff_t y = row * kCellSide; y < std::min((row + 1) * kCellSide, bare.height); ++y)
    for (std::ptrdiff_t x = column * kCellSide; x < std::min((column + 1) * kCellSide, bare.width);
         ++x, ++all)
      count += bare.row(y)[x] != 0;
  return 2 * count >= all;
}

void Fitting::solve(const Mask& opaque, const Mask& bare) {
  constexpr double kApart = 1e-6;  // colours that nothing tells apart
  foreground_ = means(opaque, {0.5f, 0.5f, 0.5f});
  const Inverse inverse = metric(foreground_, opaque, bare);
  for (std::ptrdiff_t y = 0; y < rows_; ++y)
    for (std::ptrdiff_t x = 0; x < columns_; ++x) {
      const float *f = foreground_.at(y, x), *b = plate_.at(y, x);
      double weight[3], length = 0.0, distance = 0.0;
      for (std::size_t i = 0; i < 3; ++i) {
        weight[i] = 0.0;
        for (std::size_t j = 0; j < 3; ++j) weight[i] += inverse[i][j] * (double{f[j]} - b[j]);
        length += weight[i] * (double{f[i]} - b[i]);
        distance += (double{f[i]} - b[i]) * (double{f[i]} - b[i]);
      }
      const bool told = distance > kApart && length > 0.0;
      float* m = model_.at(y, x);
      double offset = told || is_bare(bare, y, x) ? 0.0 : 1.0;
      for (std::size_t i = 0; i < 3; ++i) {
        weight[i] = told ? weight[i] / length : 0.0;
        offset -= weight[i] * b[i];
        m[i] = static_cast<float>(weight[i]);
      }
      m[3] = static_cast<float>(offset);
    }
}

// The model's alpha, not clipped.
ImagePlane<float> Fitting::alpha() const {
  ImagePlane<float> out(height_, width_);
  with_grid(model_, [&](std::ptrdiff_t y, float* const* m) {
    const Rows v = colors_.row(y);
    const float *m0 = m[0], *m1 = m[1], *m2 = m[2], *m3 = m[3];
    float* __restrict to = out.row(y);
    for (std::ptrdiff_t x = 0; x < width_; ++x)
      to[x] = m0[x] * v.r[x] + m1[x] * v.g[x] + m2[x] * v.b[x] + m3[x];
  });
  return out;
}

// Black and white points, so that noise around 0 and 1 is clipped away.
void Fitting::set_levels(const Mask& opaque, const Mask& bare) {
  constexpr float kBlack = 2.5f, kWhite = 2.0f, kMost = 0.3f;
  const ImagePlane<float> raw = alpha();
  std::vector<float> below = samples(raw, bare), above = samples(raw, opaque);
  bare_deviation_ = spread_of(below).deviation;
  opaque_deviation_ = spread_of(above).deviation;
  const float black = std::min(kBlack * bare_deviation_, kMost);
  const float white = std::min(kWhite * opaque_deviation_, kMost);
  const float gain = 1.0f / (1.0f - black - white);
  for (std::ptrdiff_t y = 0; y < rows_; ++y)
    for (std::ptrdiff_t x = 0; x < columns_; ++x) {
      float* m = model_.at(y, x);
      m[3] -= black;
      for (int n = 0; n < 4; ++n) m[n] *= gain;
    }
}

// Cells in which nothing is soft.
void Fitting::settle_cells(const Mask& enclosed) {
  constexpr float kClear = 0.1f, kFull = 0.9f;
  ImagePlane<float> clipped = alpha();
  for (std::ptrdiff_t i = 0; i < clipped.size(); ++i) clipped[i] = clip_unit(clipped[i]);
  const ImagePlane<float> smooth = box_mean(clipped, 1);
  for_each_row(rows_, kCellSide * width_, [&](std::ptrdiff_t y) {
    for (std::ptrdiff_t x = 0; x < columns_; ++x) {
      float least = 1.0f, most = 0.0f;
      bool inside = true;
      for (std::ptrdiff_t j = y * kCellSide; j < std::min((y + 1) * kCellSide, height_); ++j)
        for (std::ptrdiff_t i = x * kCellSide; i < std::min((x + 1) * kCellSide, width_); ++i) {
          least = std::min(least, smooth.row(j)[i]);
          most = std::max(most, smooth.row(j)[i]);
          inside = inside && enclosed.row(j)[i] == 2;
        }
      const bool full = least > kFull || inside;
      if (!full && most >= kClear) continue;
      float* m = model_.at(y, x);
      m[0] = m[1] = m[2] = 0.0f;
      m[3] = full ? 1.0f : 0.0f;
    }
  });
}

ScreenFit Fitting::run(const Colors& encoded, const ScreenFit& known) {
  constexpr float kFresh = 0.25f;
  ScreenFit fit = known;
  const bool has_plate = !known.plate.values.empty() || given_plate_;
  Mask sure;
  if (given_plate_) {
    Mask all(height_, width_);
    for (std::ptrdiff_t i = 0; i < all.size(); ++i) all[i] = 1;
    sure = take_plate(push_pull<3>(sums_of(*given_plate_, all), 1.0f), 0.0f);
  } else if (has_plate) {
    sure = take_plate(known.plate, kFresh);
  } else {
    sure = first_screen(encoded);
    if (share_of(sure) >= kLeastShare) grow_plate(sure);
  }
  fit.share = share_of(sure);
  if (fit.share < kLeastShare) return fit;

  const Mask first = surely_foreground(sure);
  Mask opaque(height_, width_), bare(height_, width_);
  for (std::ptrdiff_t i = 0; i < first.size(); ++i) {
    opaque[i] = first[i] != 0;
    bare[i] = sure[i];
  }
  model_ = CellGrid<4>(rows_, columns_);
  for (int turn = 0; turn < kModelTurns; ++turn) {
    if (turn > 0) {
      // What the model itself is sure of.
      const ImagePlane<float> a = alpha();
      const float above = 1.0f - std::max(0.03f, 1.5f * opaque_deviation_);
      const float below = std::max(0.03f, 1.5f * bare_deviation_);
      for (std::ptrdiff_t i = 0; i < first.size(); ++i) {
        opaque[i] = a[i] > above;
        bare[i] = a[i] < below;
      }
      opaque = erode_square(opaque, 1);
      bare = erode_square(bare, kErosion);
      for (std::ptrdiff_t i = 0; i < first.size(); ++i) opaque[i] |= first[i] != 0;
      if (!has_plate)
        plate_ = means(bare, {plate_.at(0, 0)[0], plate_.at(0, 0)[1], plate_.at(0, 0)[2]});
    }
    solve(opaque, bare);
    set_levels(opaque, bare);
    settle_cells(first);
  }
  fit.noise = bare_deviation_;
  fit.model = model_;
  fit.plate = plate_;
  return fit;
}

double Fitting::misfit(const ScreenFit& fit) const {
  constexpr float kLow = 0.15f, kHigh = 0.85f;
  constexpr std::size_t kSoftSamples = 1 << 13;
  const ImagePlane<float> a = alpha();
  Mask soft(height_, width_);
  std::size_t count = 0;
  for (std::ptrdiff_t i = 0; i < soft.size(); ++i) {
    soft[i] = a[i] > kLow && a[i] < kHigh;
    count += soft[i];
  }
  const std::size_t every = count / kSoftSamples + 1;
  const GridRows<3> screen(plate_, width_), front(foreground_, width_);
  std::vector<float> line, values(static_cast<std::size_t>(6 * width_)), by_key, by_line;
  float* row[6];
  for (int n = 0; n < 6; ++n) row[n] = values.data() + n * width_;
  const auto encoded = [&](float v) { return fit.linear ? linear_to_srgb(clip_unit(v)) : v; };
  std::size_t seen = 0;
  for (std::ptrdiff_t y = 0; y < height_; ++y) {
    const std::uint8_t* marks = soft.row(y);
    if (std::none_of(marks, marks + width_, [](std::uint8_t mark) { return mark; })) continue;
    screen.read(y, line, row);
    front.read(y, line, row + 3);
    for (std::ptrdiff_t x = 0; x < width_; ++x) {
      if (!marks[x] || seen++ % every != 0) continue;
      float apart[3], along = 0.0f, squared = 1e-9f;
      for (int c = 0; c < 3; ++c) {
        apart[c] = row[3 + c][x] - row[c][x];
        along += (colors_.at(c, y, x) - row[c][x]) * apart[c];
        squared += apart[c] * apart[c];
      }
      const float nearest = clip_unit(along / squared);
      float key_miss = 0.0f, line_miss = 0.0f;
      for (int c = 0; c < 3; ++c) {
        const float color = encoded(colors_.at(c, y, x));
        key_miss += std::fabs(encoded(row[c][x] + a.row(y)[x] * apart[c]) - color);
        line_miss += std::fabs(encoded(row[c][x] + nearest * apart[c]) - color);
      }
      by_key.push_back(key_miss);
      by_line.push_back(line_miss);
    }
  }
  return std::sqrt(double{spread_of(by_key).median} * spread_of(by_line).median);
}

template <class T>
struct Attempt {
  Colors colors, plate;
  Fitting fitting;
  ScreenFit fit;

  Attempt(const ImageView<const T>& image, const ImageView<const T>& clean, const Colors& encoded,
          ScreenFit known, bool linear)
      : colors(colors_of(image, linear)),
        plate(clean.data ? colors_of(clean, linear) : Colors(0, 0)),
        fitting(colors, clean.data ? &plate : nullptr, known) {
    known.linear = linear;
    fit = fitting.run(encoded, known);
  }
};

}  // namespace

template <class T>
ScreenFit fit_screen(ImageView<const T> image, ImageView<const T> plate,
                     const ScreenOptions& options, ScreenFit known) {
  using Transfer = ScreenOptions::Transfer;
  if (image.empty()) return known;
  const Colors encoded = colors_of(image, false);
  if (known.key[0] < 0.0f) known.key = find_key(encoded, options.channel);
  if (known.key[0] < 0.0f) return known;
  const auto attempt = [&](bool linear) {
    return Attempt<T>(image, plate, encoded, known, linear);
  };
  if (options.transfer != Transfer::kAuto)
    return attempt(options.transfer == Transfer::kLinear).fit;
  // Where neither is clearly better, it is linear light: composites made of encoded values tell.
  constexpr double kNearly = 1.04;
  const Attempt<T> srgb = attempt(false), linear = attempt(true);
  const auto finds_none = [](const ScreenFit& fit) { return fit.model.values.empty(); };
  if (finds_none(linear.fit)) return srgb.fit;
  if (finds_none(srgb.fit)) return linear.fit;
  const bool lighter = linear.fitting.misfit(linear.fit) < kNearly * srgb.fitting.misfit(srgb.fit);
  return lighter ? linear.fit : srgb.fit;
}

#define TRIMATTE_INSTANTIATE(T)                                                                  \
  template ScreenFit fit_screen<T>(ImageView<const T>, ImageView<const T>, const ScreenOptions&, \
                                   ScreenFit);
TRIMATTE_FOR_DEPTHS(TRIMATTE_INSTANTIATE)
#undef TRIMATTE_INSTANTIATE

}  // namespace trimatte

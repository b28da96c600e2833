// digits.cpp - a stroke font, a random hand, and a pen.
//
// A glyph is a few control polygons; cutting their corners (Chaikin 1974) makes curves of them.
// Only additions, multiplications, divisions and square roots are used, which IEEE 754 rounds
// exactly: the bytes are the same on every machine.
#include "stflow/datasets/digits.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "stflow/datasets/noise.h"
#include "stflow/datasets/sha256.h"
#include "stflow/tensor/check.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

constexpr int kSide = 28;
constexpr int kPixels = kSide * kSide;

struct Point {
  double x, y;
};
using Stroke = std::vector<Point>;
using Glyph = std::vector<Stroke>;

/// Control polygons in the unit square, y down. Strokes that meet share their end point.
const std::array<Glyph, 10>& font() {
  static const std::array<Glyph, 10> glyphs = {{
      {{{.5, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}, {.5, 0}}},
      {{{.25, .2}, {.55, 0}}, {{.55, 0}, {.55, 1}}},
      {{{0, .25}, {0, -.05}, {1, -.1}, {1, .45}, {.4, .7}, {0, 1}}, {{0, 1}, {1, 1}}},
      {{{.05, .1}, {.3, -.05}, {1, -.05}, {1, .48}, {.35, .48}},
       {{.35, .48}, {1.1, .48}, {1.1, 1.05}, {.3, 1.05}, {0, .88}}},
      {{{.5, 0}, {0, .65}}, {{0, .65}, {1, .65}}, {{.75, .3}, {.7, 1}}},
      {{{.95, 0}, {.2, 0}},
       {{.2, 0}, {.1, .45}},
       {{.1, .45}, {.5, .3}, {1.1, .4}, {1.05, 1.05}, {.3, 1.05}, {0, .9}}},
      {{{.75, 0}, {.2, .15}, {-.05, .6}, {.05, 1.05}, {.95, 1.05}, {1, .45}, {.3, .4}, {.05, .75}}},
      {{{0, 0}, {1, 0}}, {{1, 0}, {.6, .4}, {.4, 1}}},
      {{{.5, .46}, {.95, .46}, {.95, 0}, {.05, 0}, {.05, .46}, {.5, .46}},
       {{.5, .46}, {1.05, .46}, {1.05, 1}, {-.05, 1}, {-.05, .46}, {.5, .46}}},
      {{{.95, .3}, {.75, .6}, {0, .6}, {0, -.05}, {.95, -.1}, {1, .3}, {.95, .6}, {.8, 1}}},
  }};
  return glyphs;
}

Stroke cut_corners(const Stroke& polygon) {
  Stroke smooth = {polygon.front()};
  for (size_t i = 0; i + 1 < polygon.size(); ++i) {
    const auto [ax, ay] = polygon[i];
    const auto [bx, by] = polygon[i + 1];
    if (i > 0) smooth.push_back({.75 * ax + .25 * bx, .75 * ay + .25 * by});
    if (i + 2 < polygon.size()) smooth.push_back({.25 * ax + .75 * bx, .25 * ay + .75 * by});
  }
  smooth.push_back(polygon.back());
  return smooth;
}

/// Uniform numbers for one image.
class Noise {
 public:
  Noise(uint64_t seed, uint64_t stream, int64_t image)
      : seed_(seed), stream_(stream), image_(image) {}

  double between(double low, double high) {
    if (next_ % 4 == 0)
      words_ = philox4x32(noise_counter(stream_, image_, next_ / 4), noise_key(seed_));
    return low + (high - low) * words_[static_cast<size_t>(next_++ % 4)] * 0x1p-32;
  }

 private:
  uint64_t seed_, stream_;
  int64_t image_, next_ = 0;
  std::array<uint32_t, 4> words_{};
};

/// A random hand: where a point of the unit square goes on the page, in pixels.
struct Hand {
  explicit Hand(Noise& noise)
      : width(noise.between(9, 13.5)),
        height(noise.between(17, 20.5)),
        slant(noise.between(-1, 7)),
        turn(noise.between(-1.5, 1.5)),
        bend_x(noise.between(-5, 5)),
        bend_y(noise.between(-4, 4)),
        twist(noise.between(-4, 4)),
        center_x(noise.between(12.5, 15.5)),
        center_y(noise.between(12.7, 15.3)) {}

  Point place(Point p) const {
    const double x = p.x - .5, y = p.y - .5;
    return {center_x + width * x - slant * y + bend_x * (y * y - .1) + twist * x * y,
            center_y + height * y + turn * x + bend_y * (x * x - .1)};
  }

  double width, height, slant, turn, bend_x, bend_y, twist, center_x, center_y;
};

double squared_distance(Point p, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double along = (p.x - a.x) * dx + (p.y - a.y) * dy;
  const double t = std::clamp(along / (dx * dx + dy * dy), 0., 1.);
  const double ex = a.x + t * dx - p.x, ey = a.y + t * dy - p.y;
  return ex * ex + ey * ey;
}

/// Lowers the pixels' squared distances from the drawing to those from this segment, within
/// `reach`.
void approach(std::array<double, kPixels>& squared, Point a, Point b, double reach) {
  const auto first = [reach](double u, double v) {
    return std::clamp(static_cast<int>(std::min(u, v) - reach), 0, kSide);
  };
  const auto last = [reach](double u, double v) {
    return std::clamp(static_cast<int>(std::max(u, v) + reach) + 1, 0, kSide);
  };
  for (int y = first(a.y, b.y); y < last(a.y, b.y); ++y) {
    for (int x = first(a.x, b.x); x < last(a.x, b.x); ++x) {
      double& nearest = squared[static_cast<size_t>(y * kSide + x)];
      nearest = std::min(nearest, squared_distance({double(x), double(y)}, a, b));
    }
  }
}

void draw_digit(const Glyph& glyph, Noise noise, uint8_t* pixels) {
  const Hand hand(noise);
  const double radius = noise.between(.7, 1.7);  // of the pen, in pixels
  const double blur = noise.between(.5, 1.1);    // half the width of the pen's soft edge
  const double pressure = noise.between(.85, 1.1);
  const double grain = noise.between(0, .25);  // of the paper under the ink

  std::array<double, kPixels> squared;  // distance of a pixel from the nearest stroke
  squared.fill(kPixels);
  for (Stroke stroke : glyph) {
    for (int pass = 0; pass < 2; ++pass) stroke = cut_corners(stroke);
    for (Point& point : stroke) point = hand.place(point);
    for (size_t i = 0; i + 1 < stroke.size(); ++i) {
      approach(squared, stroke[i], stroke[i + 1], radius + blur);
    }
  }
  for (size_t i = 0; i < squared.size(); ++i) {
    double ink = std::clamp((radius + blur - std::sqrt(squared[i])) / (2 * blur), 0., 1.);
    if (ink > 0) ink *= pressure - noise.between(0, grain);
    pixels[i] = static_cast<uint8_t>(255 * std::min(ink, 1.) + .5);
  }
}

}  // namespace

Dataset generate_digits(int64_t count, uint64_t seed, Split split) {
  CHECK_ARG(count >= 0, "[generate_digits] count must not be negative, got ", count);
  CHECK_ARG(count <= kMostDigits, "[generate_digits] count must be at most ", kMostDigits, ", got ",
            count);
  std::vector<uint8_t> pixels(static_cast<size_t>(count * kPixels));
  std::vector<int> labels(static_cast<size_t>(count));
  const uint64_t stream = noise_stream(NoiseUse::digits, split, 0);
  parallel_for(count, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int digit = static_cast<int>(i % 10);
      labels[static_cast<size_t>(i)] = digit;
      draw_digit(font()[static_cast<size_t>(digit)], Noise(seed, stream, i),
                 pixels.data() + i * kPixels);
    }
  });

  Sha256 hash;
  hash.update(pixels.data(), pixels.size());
  Dataset description;
  description.name = "digits";
  description.split = split;
  description.height = description.width = kSide;
  for (int digit = 0; digit < 10; ++digit) description.class_names.push_back(std::to_string(digit));
  description.sources = {
      {concat_message("generated, seed ", seed, ", ", to_string(split), ", ", count, " images"),
       hash.hex()}};
  return make_dataset(std::move(description), std::move(pixels), std::move(labels));
}

}  // namespace stflow

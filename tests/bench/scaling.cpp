#include "tests/bench/scaling.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "examples/common/pictures.h"
#include "examples/common/program.h"

namespace stflow::bench {
namespace {

struct Point {
  double x;      // what is varied
  double ms;     // a step
  double mb;     // most memory held
  double gflop;  // in the products of a step, as if they were dense
  double bytes_of_weights;
};

struct Sweep {
  std::string title, x_name;
  std::vector<Point> points;
};

std::vector<int64_t> sizes_of(const std::string& layers) {
  std::vector<int64_t> sizes;
  for (size_t at = 0; at <= layers.size();) {
    const size_t dash = std::min(layers.find('-', at), layers.size());
    sizes.push_back(std::stoll(layers.substr(at, dash - at)));
    at = dash + 1;
  }
  return sizes;
}

/// Weights of encoder and decoder together.
double weights_of(const std::string& layers) {
  const std::vector<int64_t> sizes = sizes_of(layers);
  double weights = 0;
  for (size_t i = 0; i + 1 < sizes.size(); ++i)
    weights += 2 * static_cast<double>(sizes[i]) * static_cast<double>(sizes[i + 1]);
  return weights;
}

Point point(double x, const std::string& layers, int64_t batch, int64_t threads) {
  const Job job{.kind = "vae-step", .layers = layers, .batch = batch, .threads = threads};
  const Timing timing = measure({{"step", job}}, {.count = 7, .turn_ms = 30}).at(0);
  const double weights = weights_of(layers);
  const std::vector<int64_t> sizes = sizes_of(layers);
  // Three products for each weight, but none for the gradient of the pixels.
  const double products =
      3 * weights - static_cast<double>(sizes[0]) * static_cast<double>(sizes[1]);
  return {x, timing.median(), timing.peak_mb, 2e-9 * static_cast<double>(batch) * products,
          sizeof(real) * weights};
}

/// The exponent b of the power law a x^b nearest to the points, by least squares in logarithms.
double exponent(const std::vector<Point>& points, size_t first) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = first; i < points.size(); ++i) {
    const double x = std::log(points[i].x), y = std::log(points[i].ms);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

std::string number(const char* format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void print(std::ostream& out, const Sweep& sweep) {
  out << "\n"
      << sweep.title << "\n\n| " << sweep.x_name
      << " | ms a step | GFLOP/s, as if dense | flops a byte of weights | MB | seconds an epoch of "
         "50,000 |\n"
         "| --- | --- | --- | --- | --- | --- |\n";
  for (const Point& p : sweep.points) {
    const double batch = sweep.x_name == "batch" ? p.x : 100;
    out << "| " << p.x << " | " << number("%.2f", p.ms) << " | "
        << number("%.0f", 1e3 * p.gflop / p.ms) << " | "
        << number("%.0f", 1e9 * p.gflop / p.bytes_of_weights) << " | " << number("%.0f", p.mb)
        << " | " << number("%.1f", 50'000 / batch * p.ms / 1'000) << " |\n";
  }
  if (sweep.points.size() < 4) return;
  out << "\nExponent: " << number("%.2f", exponent(sweep.points, 0)) << " over all of them, "
      << number("%.2f", exponent(sweep.points, sweep.points.size() / 2))
      << " over the upper half.\n";
}

/// The machine: arithmetic by a large product, memory by adding what no cache holds.
/// Returns GFLOP/s.
double print_roof(std::ostream& out, int64_t threads) {
  constexpr int64_t kWide = 1536, kLong = 40'000'000;
  const auto ms = [&](const char* op, int64_t size) {
    return measure({{op, {.kind = "op", .what = op, .batch = size, .threads = threads}}},
                   {.count = 7, .turn_ms = 50})
        .at(0)
        .median();
  };
  const double gflops = 2e-6 * std::pow(double{kWide}, 3) / ms("matmul", kWide);
  const double gbytes = 3e-6 * sizeof(real) * double{kLong} / ms("add", kLong);
  out << "\nThe roof, " << threads << (threads == 1 ? " thread" : " threads") << ": "
      << number("%.0f", gflops) << " GFLOP/s in a product of matrices " << kWide << " wide, "
      << number("%.0f", gbytes) << " GB/s in adding long vectors; they meet at "
      << number("%.1f", gflops / gbytes) << " flops a byte.\n";
  return gflops;
}

}  // namespace

void print_scaling(std::ostream& out, const std::string& stem, int64_t threads) {
  const double roof = print_roof(out, threads);
  const auto sweep = [&](const std::string& title, const std::string& x_name,
                         const std::vector<int64_t>& values, auto layers) {
    Sweep result{title, x_name, {}};
    for (const int64_t value : values) {
      if (interrupted()) break;
      const int64_t batch = x_name == "batch" ? value : 100;
      result.points.push_back(
          point(static_cast<double>(value), layers(std::to_string(value), value), batch, threads));
    }
    print(out, result);
    return result;
  };
  const Sweep width =
      sweep("Width: 784-w-w-784, batch 100", "width w", {100, 200, 400, 700, 1000, 2000, 4000},
            [](const std::string& w, int64_t) { return "784-" + w + "-" + w; });
  sweep("Latents: 784-n-784, batch 100", "latents n", {10, 50, 100, 200, 500, 1000, 2000},
        [](const std::string& n, int64_t) { return "784-" + n; });
  sweep("Batch: 784-200-784", "batch", {10, 20, 50, 100, 200, 500, 1000},
        [](const std::string&, int64_t) { return std::string("784-200"); });
  sweep("Depth: 784, d layers of 200 each way, batch 100", "layers d", {1, 2, 3, 4, 6, 8},
        [](const std::string&, int64_t d) {
          std::string layers = "784";
          for (int64_t i = 0; i < d; ++i) layers += "-200";
          return layers;
        });
  if (stem.empty() || interrupted()) return;
  Plot plot{.x_label = "width of the hidden layer and the latents",
            .y_label = "milliseconds",
            .x = {},
            .curves = {{"a step", {}}, {"dense products at the machine's peak", {}}}};
  plot.title = "784-w-w-784, batch 100";
  plot.log_x = plot.log_y = true;
  for (const Point& p : width.points) {
    plot.x.push_back(p.x);
    plot.curves[0].y.push_back(p.ms);
    plot.curves[1].y.push_back(1e3 * p.gflop / roof);
  }
  save_plot(stem, plot);
}

}  // namespace stflow::bench

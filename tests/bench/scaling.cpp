// scaling.cpp - sweeps, power laws through them, and the roofline (Williams, Waterman & Patterson
// 2009): a step takes at least its products' time at peak, and its weights' time through memory.
#include "tests/bench/scaling.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "stflow/train/console/files.h"
#include "stflow/train/console/pictures.h"
#include "stflow/train/console/program.h"
#include "tests/bench/job.h"
#include "tests/bench/tables.h"

namespace stflow::bench {
namespace {

constexpr double kEpoch = 50'000;  // images: MNIST's, without those for validation
/// How often a step moves each weight: forward, back to the layer's input, its gradient written;
/// Adam reads weight, gradient and two averages, and writes all but the gradient.
constexpr double kMoves = 10;

/// What the machine can do with so many threads.
struct Roof {
  double gflops, gbytes;  // a second
};

struct Point {
  double x;          // what is varied
  double ms[2];      // a step, by one thread and by two
  double mb;         // most memory held, by one
  double gflop, gb;  // in the products of a step, as if dense; moved for its weights
  double images;     // a step
};

struct Sweep {
  std::string title, name;
  std::vector<Point> points;
};

Roof measure_roof(int64_t threads) {
  constexpr int64_t kWide = 1024, kLong = 40'000'000;
  const auto ms = [&](const char* op, int64_t size) {
    return measure({{op, {.kind = "op", .what = op, .batch = size, .threads = threads}}},
                   {.count = 7, .turn_ms = 50})
        .at(0)
        .median();
  };
  return {2e-6 * std::pow(double{kWide}, 3) / ms("matmul", kWide),
          3e-6 * sizeof(real) * double{kLong} / ms("add", kLong)};
}

Point point(double x, const std::vector<int64_t>& sizes, int64_t batch) {
  Job job{.batch = batch};
  double weights = 0;  // of encoder and decoder
  for (size_t i = 0; i < sizes.size(); ++i) {
    job.layers += (i == 0 ? "" : "-") + std::to_string(sizes[i]);
    if (i > 0) weights += 2 * static_cast<double>(sizes[i - 1] * sizes[i]);
  }
  Job two = job;
  two.threads = 2;
  const std::vector<Timing> t = measure({{"1", job}, {"2", two}}, {.count = 7});
  // Three products for each weight, but none for the gradient of the pixels.
  const double products = 3 * weights - static_cast<double>(sizes[0] * sizes[1]);
  const auto images = static_cast<double>(batch);
  return {x,
          {t[0].median(), t[1].median()},
          t[0].peak_mb,
          2e-9 * images * products,
          1e-9 * kMoves * sizeof(real) * weights,
          images};
}

/// The exponent b of the power law a x^b nearest to the points from `first` on, by least squares in
/// logarithms, for the time of a step by one thread.
double exponent(const std::vector<Point>& points, size_t first) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = first; i < points.size(); ++i) {
    const double x = std::log(points[i].x), y = std::log(points[i].ms[0]);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

Record row_of(const Point& p, const std::string& name) {
  return {{name, static_cast<int64_t>(p.x)},
          {"ms a step", p.ms[0]},
          {"by 2 threads", p.ms[1]},
          {"GFLOP/s, as if dense", 1e3 * p.gflop / p.ms[0]},
          {"flops a byte", p.gflop / p.gb},
          {"MB", p.mb},
          {"s an epoch", 1e-3 * p.ms[0] * kEpoch / p.images}};
}

using Sizes = std::function<std::vector<int64_t>(int64_t)>;

Sweep sweep(Tables& tables, const std::string& title, const std::string& name,
            const std::vector<int64_t>& values, const Sizes& sizes) {
  Sweep result{title, name, {}};
  tables.table(title);
  for (const int64_t value : values) {
    if (interrupted()) break;
    const int64_t batch = name == "batch" ? value : 100;
    result.points.push_back(point(static_cast<double>(value), sizes(value), batch));
    tables.row(row_of(result.points.back(), name));
  }
  return result;
}

std::vector<Sweep> sweeps(Tables& tables) {
  return {
      sweep(tables, "Width: 784-w-w-784, batch 100", "width",
            {100, 200, 400, 700, 1000, 2000, 4000},
            [](int64_t w) {
              return std::vector<int64_t>{784, w, w};
            }),
      sweep(tables, "Latents: 784-n-784, batch 100", "latents", {10, 50, 100, 200, 500, 1000, 2000},
            [](int64_t n) {
              return std::vector<int64_t>{784, n};
            }),
      sweep(tables, "Batch: 784-200-784", "batch", {10, 20, 50, 100, 200, 500, 1000},
            [](int64_t) {
              return std::vector<int64_t>{784, 200};
            }),
      sweep(tables, "Depth: 784, d layers of 200 each way, batch 100", "depth", {1, 2, 3, 4, 6, 8},
            [](int64_t d) {
              std::vector<int64_t> sizes{784};
              sizes.resize(static_cast<size_t>(d) + 1, 200);
              return sizes;
            })};
}

void draw_width(const std::string& stem, const Sweep& width, const Roof& roof) {
  Plot plot{.x_label = "width of the hidden layer and the latents",
            .y_label = "milliseconds",
            .x = {},
            .curves = {{"a step, 1 thread", {}},
                       {"a step, 2 threads", {}},
                       {"its products at the peak of 1 thread", {}},
                       {"its weights through memory", {}}}};
  plot.title = width.title;
  plot.log_x = plot.log_y = true;
  for (const Point& p : width.points) {
    plot.x.push_back(p.x);
    const double ms[] = {p.ms[0], p.ms[1], 1e3 * p.gflop / roof.gflops, 1e3 * p.gb / roof.gbytes};
    for (size_t i = 0; i < plot.curves.size(); ++i) plot.curves[i].y.push_back(ms[i]);
  }
  save_plot(stem, plot);
}

void save_points(const std::string& stem, const std::vector<Sweep>& all) {
  std::vector<Record> rows;
  for (const Sweep& each : all) {
    for (const Point& p : each.points) {
      rows.push_back({{"sweep", each.name}});
      for (const Field& field : row_of(p, "x")) rows.back().push_back(field);
    }
  }
  write_file(stem + "-points.csv", csv_table(rows));
}

}  // namespace

Record scaling(std::ostream& markdown, const std::string& stem) {
  Tables tables(markdown);
  tables.table("The roof: a product of matrices 1024 wide, sums of vectors no cache holds");
  const Roof roofs[] = {measure_roof(1), measure_roof(2)};
  for (const int64_t threads : {1, 2}) {
    const Roof& roof = roofs[threads - 1];
    tables.row({{"threads", threads},
                {"GFLOP/s", roof.gflops},
                {"GB/s", roof.gbytes},
                {"they meet at, flops a byte", roof.gflops / roof.gbytes}});
  }
  const std::vector<Sweep> all = sweeps(tables);
  if (!interrupted()) {
    tables.table("Exponents: a step grows as this power, one thread");
    for (const Sweep& each : all)
      tables.row({{"of", each.name},
                  {"over all", exponent(each.points, 0)},
                  {"over the upper half", exponent(each.points, each.points.size() / 2)}});
    if (!stem.empty()) {
      draw_width(stem, all[0], roofs[0]);
      save_points(stem, all);
    }
  }
  return {{"tables", tables.all()}};
}

}  // namespace stflow::bench

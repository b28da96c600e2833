// pictures.cpp - image grids by stb_image_write, curves by gnuplot, graphs by dot.
//
// This is the one translation unit with stb_image_write. gnuplot and dot run inside the folder of
// the picture, on scripts that name files without folders: whoever gets the folder can draw it
// again.
#include "stflow/train/console/pictures.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "stflow/tensor/numbers.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/console/record.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace stflow {
namespace {

constexpr unsigned char kPaddingGrey = 96;

std::string png(const std::vector<unsigned char>& pixels, int64_t width, int64_t height,
                int64_t channels) {
  const auto append = [](void* file, void* data, int size) {
    static_cast<std::string*>(file)->append(static_cast<const char*>(data),
                                            static_cast<size_t>(size));
  };
  std::string file;
  const int w = static_cast<int>(width), h = static_cast<int>(height);
  const int c = static_cast<int>(channels);
  if (!stbi_write_png_to_func(append, &file, w, h, c, pixels.data(), w * c)) {
    throw std::bad_alloc();  // its only cause
  }
  return file;
}

/// One image a line, four digits.
std::string csv(const Tensor& images) {
  std::string text;
  const int64_t columns = images.dim(1);
  char digits[32];
  for (int64_t i = 0; i < images.numel(); ++i) {
    const auto format = std::chars_format::general;
    text.append(digits, std::to_chars(digits, digits + sizeof digits, images[i], format, 4).ptr);
    text += (i + 1) % columns == 0 ? '\n' : ',';
  }
  return text;
}

/// The line that a script ends up at when it is run by hand; our gnuplot writes to us.
std::string output_line(const std::string& name) {
  return "set output " + gnuplot_text(name + ".png") + "\n";
}

/// What all curves and points have in common.
std::string gnuplot_head(const std::string& name, int64_t width, int64_t height) {
  return concat_message(
      "# Draws ", name, ".png from ", name, ".csv; run it in this folder: gnuplot ", name, ".gp\n",
      "set terminal pngcairo size ", width, ",", height,
      " noenhanced font 'DejaVu Sans,12' background 'white'\n", output_line(name),
      "set datafile separator ','\n",
      "set border 3 lc rgb '#888888'\nset rmargin 4\nset tics nomirror out textcolor rgb "
      "'#444444'\nset grid lt 1 lw 1 lc rgb '#e4e4e4'\n");
}

std::string gnuplot_labels(const std::string& x_label, const std::string& y_label) {
  return concat_message("set xlabel ", gnuplot_text(x_label), "\nset ylabel ",
                        gnuplot_text(y_label), "\n");
}

/// The columns of a picture's table: x, then each curve once, with its band beside it.
Record columns_of(const std::vector<Plot>& plots) {
  Record row = {{plots[0].x_label, 0.0}};
  for (const Plot& plot : plots) {
    for (const Plot::Curve& curve : plot.curves) {
      set_value(row, curve.name, 0.0);
      if (curve.lower.empty()) continue;
      set_value(row, curve.name + " lower", 0.0);
      set_value(row, curve.name + " upper", 0.0);
    }
  }
  return row;
}

std::string range_text(const std::optional<Plot::Range>& range) {
  return range ? concat_message("[", range->low, ":", range->high, "]") : "[*:*]";
}

/// The commands that draw one plot; `row` has the columns of the table.
std::string gnuplot_commands(const std::string& name, const Plot& plot, const Record& row) {
  // Okabe & Ito (2008), then Tol (2021): colours that colour-blind readers can tell apart.
  const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
                           "#56B4E9", "#000000", "#882255", "#44AA99", "#999933"};
  const auto colour = [&](size_t curve) {
    return concat_message(" lc rgb '", colours[curve % std::size(colours)], "'");
  };
  const auto column = [&](const std::string& curve) {  // counted from 1, as gnuplot does
    return std::ranges::find(row, curve, &Field::name) - row.begin() + 1;
  };
  const std::string data = gnuplot_text(name + ".csv") + " skip 1 using 1:";

  std::vector<std::string> parts;
  for (size_t i = 0; i < plot.curves.size(); ++i) {
    const Plot::Curve& curve = plot.curves[i];
    if (curve.lower.empty()) continue;
    parts.push_back(concat_message(data, column(curve.name + " lower"), ":",
                                   column(curve.name + " upper"), " with filledcurves", colour(i),
                                   " fs transparent solid 0.2 noborder notitle"));
  }
  if (plot.level) {
    parts.push_back(concat_message(*plot.level, " with lines dt 2 lw 1.5 lc rgb '#444444' title ",
                                   gnuplot_text(plot.level_name)));
  }
  const char* style = plot.x.size() <= 40 ? "linespoints" : "lines";
  for (size_t i = 0; i < plot.curves.size(); ++i) {
    const std::string& curve = plot.curves[i].name;
    parts.push_back(concat_message(data, column(curve), " with ", style, " lw 2 pt 7 ps 0.7",
                                   colour(i), " title ", gnuplot_text(curve)));
  }
  std::string blocks;
  for (const Plot::Mark& mark : plot.marks) {
    const std::string block = concat_message("$mark", parts.size());
    blocks += concat_message(block, " << END\n", mark.x, ",", mark.y, ",", mark.error, "\nEND\n");
    parts.push_back(block + " with yerrorbars lw 1.5 pt 7 ps 1" + colour(mark.curve) + " notitle");
  }
  if (!plot.marks.empty()) {
    parts.push_back("keyentry with yerrorbars lw 1.5 pt 7 ps 1 lc rgb '#444444' title " +
                    gnuplot_text(plot.marks_name));
  }

  const auto [low, high] = std::minmax_element(plot.x.begin(), plot.x.end());
  const double widen = *low == *high ? 1 : 0;
  const Plot::Range x_range = plot.x_range.value_or(Plot::Range{*low - widen, *high + widen});
  std::string script = concat_message(
      gnuplot_labels(plot.x_label, plot.y_label), "set title ", gnuplot_text(plot.title), "\n",
      "set offsets 0, 0, ", plot.y_range || plot.log_y ? "0, 0" : "graph 0.05, graph 0.05",
      "\nunset logscale", plot.log_x ? "\nset logscale x" : "",
      plot.log_y ? "\nset logscale y\nset format y '%g'" : "", "\nset xrange ", range_text(x_range),
      "\nset yrange ", range_text(plot.y_range), "\n", blocks, "plot ");
  for (size_t i = 0; i < parts.size(); ++i) script += (i == 0 ? "" : ", \\\n     ") + parts[i];
  return script + "\n";
}

/// The name of a file as gnuplot and dot take it for nothing else.
std::string file_name(const std::string& stem) {
  std::string name = std::filesystem::path(stem).filename().string();
  const auto in_words = [](unsigned char c) { return c >= ' ' && c != 127; };
  const auto first = static_cast<unsigned char>(name.empty() ? '\0' : name[0]);
  CHECK_ARG(std::ranges::all_of(name, in_words) &&
                (std::isalnum(first) || first == '_' || first == '.' || first > 127),
            "[pictures] expected a file name of printed characters that begins with a letter, "
            "digit, dot or underscore, got '",
            name, "'");
  return name;
}

/// Runs a drawing program in the folder of the picture; a note on standard error when that fails.
/// It reads its input from us and writes to us, so that nobody can put other files in their place.
bool draw(const std::string& stem, const std::vector<std::string>& command,
          const std::string& input, const std::string& ending, const std::string& package) {
  const std::string directory = std::filesystem::path(stem).parent_path().string();
  std::string cause;
  try {
    const int code = run_filter(command, directory.empty() ? "." : directory, input, stem + ending);
    if (code == 0) return true;
    cause = code < 0 ? "not installed; hint: apt-get install " + package
                     : "ended with exit code " + std::to_string(code);
  } catch (const std::runtime_error& error) {
    cause = concat_message("could not write: ", error.what());
  }
  tell(concat_message("note: no picture of ", stem, ": ", command[0], " ", cause));
  return false;
}

void check_plot(const std::string& stem, const Plot& plot) {
  CHECK_ARG(!plot.x.empty() && !plot.curves.empty(), "[save_plot] nothing to draw in ", stem);
  for (const Plot::Curve& curve : plot.curves) {
    CHECK_ARG(curve.y.size() == plot.x.size(), "[save_plot] curve '", curve.name, "' has ",
              curve.y.size(), " points, the x axis ", plot.x.size());
    CHECK_ARG(curve.lower.size() == curve.upper.size() &&
                  (curve.lower.empty() || curve.lower.size() == plot.x.size()),
              "[save_plot] the band of curve '", curve.name, "' has ", curve.lower.size(),
              " lower and ", curve.upper.size(), " upper points, the x axis ", plot.x.size());
  }
}

}  // namespace

void save_image_grid(const std::string& stem, const Tensor& images, const ImageGrid& grid) {
  const int64_t h = grid.height, w = grid.width, c = grid.channels;
  CHECK_ARG(h >= 1 && w >= 1 && (c == 1 || c == 3) && grid.columns >= 1 && grid.padding >= 0 &&
                grid.upscale >= 1,
            "[save_image_grid] impossible layout: ", h, "x", w, "x", c, ", ", grid.columns,
            " columns, padding ", grid.padding, ", upscale ", grid.upscale);
  CHECK_ARG(
      images.defined() && images.rank() == 2 && images.dim(0) >= 1 && images.dim(1) == h * w * c,
      "[save_image_grid] expected images [N,", h * w * c, "] for ", h, "x", w, "x", c, ", got ",
      images.shape());
  for (int64_t i = 0; i < images.numel(); ++i) {
    CHECK_ARG(images[i] >= 0 && images[i] <= 1,
              "[save_image_grid] numbers must lie in [0, 1], got ", images[i], " in image ",
              i / images.dim(1));
  }

  const int64_t n = images.dim(0), columns = std::min(grid.columns, n);
  const int64_t rows = ceil_div(n, columns), pad = grid.padding, scale = grid.upscale;
  const int64_t out_w = (columns * (w + pad) + pad) * scale;
  const int64_t out_h = (rows * (h + pad) + pad) * scale;
  std::vector<unsigned char> pixels(static_cast<size_t>(out_w * out_h * c), kPaddingGrey);
  for (int64_t y = 0; y < rows * (h + pad) * scale; ++y) {
    for (int64_t x = 0; x < columns * (w + pad) * scale; ++x) {
      const int64_t cell_y = y / scale % (h + pad), cell_x = x / scale % (w + pad);
      const int64_t image = y / scale / (h + pad) * columns + x / scale / (w + pad);
      if (cell_y >= h || cell_x >= w || image >= n) continue;
      for (int64_t k = 0; k < c; ++k) {
        const real value = images[((image * h + cell_y) * w + cell_x) * c + k];
        const int64_t at = ((y + pad * scale) * out_w + x + pad * scale) * c + k;
        pixels[static_cast<size_t>(at)] = static_cast<unsigned char>(std::lround(value * 255));
      }
    }
  }
  write_file(stem + ".png", png(pixels, out_w, out_h, c));
  write_file(stem + ".csv", csv(images));
}

std::string gnuplot_text(const std::string& text) {
  // In single quotes only the quote itself is special, and is doubled; but gnuplot 5.4 stumbles
  // over one at the beginning and over two side by side. Such a text stands in double quotes.
  const bool single = !text.starts_with('\'') && text.find("''") == std::string::npos;
  std::string result;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < ' ' || c == 127;
    const bool special = single ? c == '\'' : c == '"' || c == '\\' || c == '`';
    char octal[8];
    std::snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned>(c));
    result += control ? "?" : !special ? std::string(1, c) : single ? "''" : octal;
  }
  const char* quote = single ? "'" : "\"";
  return quote + result + quote;
}

bool save_gnuplot(const std::string& stem, const std::string& script) {
  write_file(stem + ".gp", script);
  const std::string line = output_line(file_name(stem));
  std::string ours = script;
  if (const size_t at = ours.find(line); at != std::string::npos) ours.erase(at, line.size());
  return draw(stem, {"gnuplot", "--default-settings"}, ours, ".png", "gnuplot-nox");
}

bool save_plot(const std::string& stem, const Plot& plot) { return save_plots(stem, {plot}, 1); }

bool save_plots(const std::string& stem, const std::vector<Plot>& plots, int64_t columns) {
  CHECK_ARG(!plots.empty() && columns >= 1, "[save_plots] nothing to draw in ", stem);
  for (const Plot& plot : plots) check_plot(stem, plot);
  const std::string name = file_name(stem);
  Record row = columns_of(plots);
  std::string table = csv_header(row) + "\n";
  for (size_t i = 0; i < plots[0].x.size(); ++i) {
    row[0].value = plots[0].x[i];
    for (const Plot& plot : plots) {
      for (const Plot::Curve& curve : plot.curves) {
        set_value(row, curve.name, curve.y[i]);
        if (curve.lower.empty()) continue;
        set_value(row, curve.name + " lower", curve.lower[i]);
        set_value(row, curve.name + " upper", curve.upper[i]);
      }
    }
    table += csv_row(row) + "\n";
  }
  write_file(stem + ".csv", table);

  const auto count = static_cast<int64_t>(plots.size());
  const int64_t wide = std::min(columns, count), rows = ceil_div(count, columns);
  const bool small = wide > 2;
  std::string script =
      count == 1 ? gnuplot_head(name, 960, 600)
                 : gnuplot_head(name, (small ? 480 : 700) * wide, (small ? 330 : 480) * rows);
  script += "set key outside top center horizontal Left reverse samplen 2\n";
  if (count > 1) script += concat_message("set multiplot layout ", rows, ",", wide, "\n");
  for (const Plot& plot : plots) script += gnuplot_commands(name, plot, row);
  return save_gnuplot(stem, script);
}

bool save_scatter(const std::string& stem, Scatter scatter) {
  CHECK_ARG(!scatter.points.empty(), "[save_scatter] nothing to draw in ", stem);
  const std::string name = file_name(stem), data = gnuplot_text(name + ".csv") + " skip 1 ";
  std::string table =
      csv_header({{"name", ""}, {scatter.x_label, 0.0}, {scatter.y_label, 0.0}}) + "\n";
  std::ranges::stable_sort(scatter.points, std::greater(), &Scatter::Point::y);
  for (const Scatter::Point& point : scatter.points) {
    table += csv_row({{"name", point.name}, {"x", point.x}, {"y", point.y}}) + "\n";
  }
  write_file(stem + ".csv", table);
  std::string script =
      concat_message(gnuplot_head(name, 960, 600), gnuplot_labels(scatter.x_label, scatter.y_label),
                     "set logscale xy\nset format '%g'\nset offsets graph 0.15, graph 0.15, "
                     "graph 0.1, graph 0.1\nunset key\nplot ",
                     data, "using 2:3 with points pt 7 ps 1.2 lc rgb '#0072B2'");
  for (const char* place : {"every 2::0 using 2:3:1 with labels right offset -0.8,0.4",
                            "every 2::1 using 2:3:1 with labels left offset 0.8,-0.4"}) {
    script += ", \\\n     " + data + place;  // so that labels of neighbours part
  }
  return save_gnuplot(stem, script + "\n");
}

bool save_graph(const std::string& stem, const std::string& dot) {
  write_file(stem + ".dot", dot);
  return draw(stem, {"dot", "-Tsvg"}, dot, ".svg", "graphviz");
}

}  // namespace stflow

// pictures.h - images and curves as PNG files, each with its numbers beside it as CSV.
//
// Image grids are written through stb_image_write. Curves are drawn by gnuplot and graphs by
// Graphviz's dot: both are programs that may be missing, and then the input files and a note on
// standard error are what remains, for a picture is never worth a failed run. A gnuplot script can
// run commands, so no text gets into one but through gnuplot_text().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "stflow/tensor/tensor.h"

namespace stflow {

/// How images are laid out: one image has height x width x channels numbers, in this order.
struct ImageGrid {
  int64_t height, width;
  int64_t channels = 1;  // 1 grey, 3 colour
  int64_t columns = 10;
  int64_t padding = 2;  // grey pixels around each image, before upscaling
  int64_t upscale = 2;  // each pixel becomes a square of this side
};

/// Writes images [N, H*W*C] with numbers in [0, 1] as STEM.png, row by row, and STEM.csv with one
/// image a line. Throws std::invalid_argument when a number is outside, std::runtime_error when a
/// file cannot be written.
void save_image_grid(const std::string& stem, const Tensor& images, const ImageGrid& grid);

/// Curves over a common x axis. A number that is not finite leaves a gap.
struct Plot {
  struct Curve {
    std::string name;
    std::vector<double> y;
    std::vector<double> lower = {}, upper = {};  // a band around the curve, or none
  };
  /// A number from elsewhere with its error, in the colour of the curve it belongs to.
  struct Mark {
    size_t curve;  // position in `curves`
    double x, y, error;
  };
  struct Range {
    double low, high;
  };
  std::string x_label, y_label;  // with their units
  std::vector<double> x;
  std::vector<Curve> curves;
  std::string title = {};
  std::vector<Mark> marks = {};
  std::string marks_name = {};                      // what the key calls them
  std::optional<double> level = {};                 // a dashed line at this height,
  std::string level_name = {};                      // called so in the key
  std::optional<Range> x_range = {}, y_range = {};  // what is shown; not given: all of the curves
  bool log_x = false, log_y = false;                // logarithmic axes
};
/// Writes STEM.csv, the gnuplot script STEM.gp, and STEM.png. Returns false, after a note on
/// standard error, when gnuplot is missing or fails. All stems: throws std::invalid_argument when
/// the name of the file does not begin with a letter, digit, dot or underscore, or has control
/// characters, for gnuplot takes such names for commands.
bool save_plot(const std::string& stem, const Plot& plot);
/// Several plots with the same x in one picture, `columns` of them side by side. Curves of one name
/// are one column of STEM.csv, so they must be the same numbers.
bool save_plots(const std::string& stem, const std::vector<Plot>& plots, int64_t columns);

/// Named points on logarithmic axes. One with a coordinate that is not positive is not drawn.
struct Scatter {
  struct Point {
    std::string name;
    double x, y;
  };
  std::string x_label, y_label;  // with their units
  std::vector<Point> points;
};
/// Writes the same files as save_plot, the highest point first, and returns the same.
bool save_scatter(const std::string& stem, Scatter scatter);

/// Text as a gnuplot string, whatever is in it: control characters become question marks.
std::string gnuplot_text(const std::string& text);
/// Writes a script, which has the line "set output 'NAME.png'", to STEM.gp, and what it draws to
/// STEM.png. Returns what save_plot returns.
bool save_gnuplot(const std::string& stem, const std::string& script);

/// Writes a graph in the dot language to STEM.dot and its drawing to STEM.svg. Returns false, after
/// a note on standard error, when dot is missing or fails.
bool save_graph(const std::string& stem, const std::string& dot);

}  // namespace stflow

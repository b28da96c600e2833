// progress.h - how far a long loop has come: a bar on a terminal, a line per 10 % in a log file.
//
// The bar is redrawn at most ten times a second, on one line that fits the terminal, and is taken
// away before anything else is printed. It shows the time left, judged by the time so far.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace stflow {

class Progress {
 public:
  enum class Style { none, lines, bar };
  /// Where and how to draw; tests put their own clock and stream here.
  struct Display {
    Style style = Style::none;
    bool colour = false;
    std::ostream* out = nullptr;
    std::function<double()> seconds;
    std::function<int()> width;  // columns of the terminal now
  };
  /// Standard error: a bar if it is a terminal that can redraw a line (TERM other than dumb), in
  /// colour unless NO_COLOR is set; else lines; nothing if `quiet`.
  static Display standard_error(bool quiet);

  /// Expects `total` steps, at least 1.
  Progress(int64_t total, Display display);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// One more step is done; `note` is shown beside the bar, as "epoch 3/10  loss 97.2".
  void advance(const std::string& note);
  /// Takes the bar away, so that a line can be printed in its place.
  void clear();

 private:
  void draw_bar(const std::string& note, const std::string& left);

  int64_t total_, done_ = 0;
  Display display_;
  double start_, last_draw_;
  bool drawn_ = false;
};

/// 75 -> "1:15", 7325 -> "2:02:05".
std::string clock_text(double seconds);

}  // namespace stflow

// progress.cpp - drawing the progress bar.
//
// Two control codes are enough: return to the line's start, and erase to its end. Each drawing is
// one write, so that it does not flicker.
#include "stflow/train/console/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "stflow/tensor/check.h"
#include "stflow/train/console/measure.h"

namespace stflow {
namespace {

constexpr double kSecondsBetweenDraws = 0.1;
constexpr int kWidestBar = 30;
constexpr char kErase[] = "\r\033[K";

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

Progress::Display Progress::standard_error(bool quiet) {
  const char* term = std::getenv("TERM");
  const bool can_redraw = isatty(STDERR_FILENO) && term && std::strcmp(term, "dumb") != 0;
  const Style style = quiet ? Style::none : can_redraw ? Style::bar : Style::lines;
  return {style, !is_set("NO_COLOR"), &std::cerr, seconds_now, terminal_width};
}

Progress::Progress(int64_t total, Display display)
    : total_(total), display_(std::move(display)), start_(0), last_draw_(0) {
  CHECK_ARG(total >= 1, "[Progress] expected at least 1 step, got ", total);
  if (display_.style != Style::none) start_ = last_draw_ = display_.seconds();
}

void Progress::advance(const std::string& note) {
  ++done_;
  if (display_.style == Style::none || done_ > total_) return;
  const double now = display_.seconds();
  const double left =
      (now - start_) * static_cast<double>(total_ - done_) / static_cast<double>(done_);
  if (display_.style == Style::bar) {
    if (now - last_draw_ < kSecondsBetweenDraws) return;
    last_draw_ = now;
    draw_bar(note, clock_text(left));
  } else if (10 * done_ / total_ > 10 * (done_ - 1) / total_) {
    *display_.out << concat_message(100 * done_ / total_, " % (", done_, "/", total_, " steps)  ",
                                    note, "  ", clock_text(left), " left\n");
  }
}

void Progress::draw_bar(const std::string& note, const std::string& left) {
  char percent[8];
  std::snprintf(percent, sizeof percent, "%3d %%", static_cast<int>(100 * done_ / total_));
  const std::string text = "  " + note + "  " + left + " left";
  const int columns = display_.width() - 1;  // a full line would wrap
  const int room = columns - static_cast<int>(std::strlen(percent) + 3 + text.size());
  std::string line = percent;
  if (room >= 5) {
    const int width = std::min(room, kWidestBar);
    const auto full = static_cast<size_t>(width * done_ / total_);
    const std::string done(full, '='), rest(static_cast<size_t>(width) - full, ' ');
    line +=
        display_.colour ? " [\033[36m" + done + "\033[0m" + rest + "]" : " [" + done + rest + "]";
    line += text;
  } else {
    line = (line + text).substr(0, static_cast<size_t>(std::max(columns, 0)));
  }
  *display_.out << kErase + line << std::flush;
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) *display_.out << kErase << std::flush;
  drawn_ = false;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(seconds));
  char text[32];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  }
  return text;
}

}  // namespace stflow

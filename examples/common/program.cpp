// program.cpp - the frame around a program: signals, exceptions to exit codes, spelling help.
//
// The signal handler sets a number and gives the signals back to the system, nothing else: the loop
// that looks at interrupted() does the rest.
#include "examples/common/program.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <new>
#include <numeric>

namespace stflow {
namespace {

std::atomic<int> caught_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // or a signal handler could not use it

extern "C" void on_signal(int signal_number) {
  caught_signal = signal_number;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGHUP, SIG_DFL);
  constexpr char text[] = "\nstopping as soon as nothing is lost by it (once more: at once)\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
}

int report(int code, const std::string& message) {
  std::cerr << "error: " + message + "\n";
  return code;
}

/// Least number of inserted, removed or replaced letters that turn a into b (Levenshtein 1966).
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

int run_main(int argc, char** argv, const std::function<void(int, char**)>& body) {
  caught_signal = 0;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (std::signal(SIGHUP, on_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup
  std::signal(SIGPIPE, SIG_DFL);  // a reader that has left, as in `... | head`, ends us quietly
  try {
    body(argc, argv);
  } catch (const Finished&) {
    // --help and --version end here
  } catch (const UsageError& error) {
    return report(2, error.what());
  } catch (const Diverged& error) {
    return report(3, error.what());
  } catch (const std::bad_alloc&) {
    return report(1, "out of memory; hint: a smaller --batch-size");
  } catch (const std::exception& error) {
    return report(1, error.what());
  }
  std::cout.flush();
  if (!std::cout) return report(1, "cannot write to standard output");
  return caught_signal == 0 ? 0 : 128 + caught_signal;
}

bool interrupted() { return caught_signal != 0; }

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, (word.size() + 1) / 3) + 1;  // one letter in three
  for (const std::string& candidate : candidates) {
    const bool beginning = word.size() > 2 && candidate.starts_with(word);
    const size_t distance = beginning ? 1 : edit_distance(word, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best ? "; did you mean '" + *best + "'?" : "";
}

}  // namespace stflow

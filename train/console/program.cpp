// program.cpp - the frame around a program: signals, exceptions to exit codes, spelling help.
//
// The signal handlers set a number, nothing else: the loop that looks at interrupted() does the
// rest.
#include "stflow/train/console/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <new>
#include <numeric>

#include "stflow/tensor/check.h"
#include "stflow/train/console/words.h"

namespace stflow {
namespace {

std::atomic<int> caught_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // or a signal handler could not use it

extern "C" void on_signal(int signal_number) {
  const int before = caught_signal.exchange(signal_number);
  if (before != 0 && before != SIGPIPE) {  // the second one kills
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
    return;
  }
  constexpr char text[] = "\nfinishing this step, then saving; Ctrl-C again quits at once\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
}

/// Nobody reads what we print any more: the same as Ctrl-C, but for the message.
extern "C" void on_broken_pipe(int) {
  int none = 0;
  caught_signal.compare_exchange_strong(none, SIGPIPE);
}

/// A signal that whoever started us had ignored, as nohup and `command &` in a script do, stays so.
void handle(int signal_number, void (*handler)(int)) {
  struct sigaction before {};
  sigaction(signal_number, nullptr, &before);
  if (before.sa_handler != SIG_IGN) std::signal(signal_number, handler);
}

/// Gives the numbers 0 to 2, where they are closed, to what can neither be read (0) nor written (1,
/// 2): or the next file that is opened has that number, and messages end up in it.
void reserve_standard_streams() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (fcntl(number, F_GETFD) == -1 &&
        open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY) != number) {
      throw std::runtime_error("a standard stream is closed, and /dev/null cannot be opened");
    }
  }
}

int report(int code, const std::string& message) {
  tell("error: " + message);
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
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) handle(number, on_signal);
  handle(SIGPIPE, on_broken_pipe);
  std::signal(SIGXFSZ, SIG_IGN);  // a file larger than `ulimit -f` is an error of writing
  try {
    reserve_standard_streams();
    body(argc, argv);
  } catch (const Finished&) {
    // --help and --version end here
  } catch (const UsageError& error) {
    return report(2, error.what());
  } catch (const Diverged& error) {
    return report(3, error.what());
  } catch (const std::bad_alloc&) {
    return report(1, "out of memory; hint: a smaller --batch-size");
  } catch (const std::filesystem::filesystem_error& error) {
    return report(1, concat_message("cannot access '", error.path1().string(),
                                    "': ", error.code().message()));
  } catch (const std::exception& error) {
    return report(1, error.what());
  }
  std::cout.flush();
  if (!std::cout && caught_signal != SIGPIPE) return report(1, "cannot write to standard output");
  return caught_signal == 0 ? 0 : 128 + caught_signal;
}

void tell(const std::string& line) { std::cerr << printable(line) + "\n"; }

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

// program.h - what every program does around its work: exit codes, error messages, Ctrl-C.
//
// main() is one line: `return run_main(argc, argv, train);`. Exit codes: 0 done, 1 run-time or data
// error, 2 wrong usage, 3 diverged, 130 stopped by Ctrl-C (143 by SIGTERM, 141 when the reader of
// its output has left, as in `... | head`) after saving. Messages go to standard error and begin
// with "error: ".
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace stflow {

/// A mistake on the command line: exit code 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Training has left the finite numbers: exit code 3.
struct Diverged : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Nothing left to do, as after --help: exit code 0.
struct Finished {};

/// Calls body(argc, argv) and returns the exit code of the program. From here on the first SIGINT,
/// SIGTERM or SIGHUP only makes interrupted() true, the second one kills, and SIGPIPE makes it true
/// without a word; those that were ignored before stay ignored. SIGXFSZ is ignored: writing fails.
/// Gives the place of a closed standard stream to /dev/null, such that using it still fails.
int run_main(int argc, char** argv, const std::function<void(int, char**)>& body);

/// A line for the user on standard error, printable() of words.h. All but progress goes this way.
void tell(const std::string& line);

/// Has the user asked us to stop? A training loop looks after each batch, then ends as usual, so
/// that all that was learnt is saved.
bool interrupted();

/// "; did you mean '--epochs'?" for the candidate closest to a misspelt word, "" when none is
/// close.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace stflow

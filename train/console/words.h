// words.h - texts for a terminal and for a shell.
#pragma once

#include <string>

namespace stflow {

/// A text with its control characters, but for the ends of lines, as \x1b: names from files must
/// not steer the terminal that they are printed on.
std::string printable(const std::string& text);

/// A word as one types it into a shell: in quotes where it needs them.
std::string shell_quoted(const std::string& word);

}  // namespace stflow

// words.h - lists and command lines as text.
#pragma once

#include <string>
#include <vector>

namespace stflow {

/// The words with `separator` between them.
std::string joined(const std::vector<std::string>& words, const std::string& separator = " ");

/// A word as one types it into a shell: in quotes where it needs them.
std::string shell_quoted(const std::string& word);

}  // namespace stflow

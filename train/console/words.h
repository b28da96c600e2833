// words.h - command lines as text.
#pragma once

#include <string>

namespace stflow {

/// A word as one types it into a shell: in quotes where it needs them.
std::string shell_quoted(const std::string& word);

}  // namespace stflow

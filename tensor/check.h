// check.h - how stflow reports mistakes: one macro, one exception type for each kind of cause.
//
// A wrong argument throws std::invalid_argument, a bad file or format std::runtime_error. A message
// begins with a [tag] that names the function, then says what was expected and what was found.
// Checks come first in a function, before any work and before any parallel loop.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace stflow {

/// Joins its arguments with operator<<: concat_message("got ", 3, " rows") == "got 3 rows".
template <typename... Parts>
std::string concat_message(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace stflow

/// Throws std::invalid_argument with the joined message unless `condition` holds.
#define CHECK_ARG(condition, ...)                                         \
  do {                                                                    \
    if (!(condition)) {                                                   \
      throw std::invalid_argument(::stflow::concat_message(__VA_ARGS__)); \
    }                                                                     \
  } while (false)

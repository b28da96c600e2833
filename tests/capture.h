// capture.h - what code under test writes to standard output and standard error, as text.
//
// It sees what goes through std::cout and std::cerr, not what C functions or other programs write.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

namespace stflow::testing {

struct Printed {
  std::string out, err;
};

/// Calls `call` with std::cout and std::cerr redirected. Checks belong after it, not inside:
/// doctest reports on std::cout too.
template <typename Call>
Printed printed_by(const Call& call) {
  struct Redirect {
    std::ostream& stream;
    std::ostringstream text;
    std::streambuf* before;
    explicit Redirect(std::ostream& s) : stream(s), before(s.rdbuf(text.rdbuf())) {}
    ~Redirect() {
      stream.rdbuf(before);
      stream.clear();
    }
  };
  Redirect out(std::cout), err(std::cerr);
  call();
  return {out.text.str(), err.text.str()};
}

/// What `call` writes to descriptor 2 itself, as signal handlers do.
template <typename Call>
std::string written_to_2_by(const Call& call) {
  std::FILE* file = std::tmpfile();
  const int before = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  call();
  dup2(before, STDERR_FILENO);
  close(before);
  std::rewind(file);
  std::string text;
  for (int c; (c = std::getc(file)) != EOF;) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

}  // namespace stflow::testing

// capture.h - what code under test writes to standard output and standard error, as text.
//
// It sees what goes through std::cout and std::cerr, not what C functions or other programs write.
#pragma once

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

}  // namespace stflow::testing

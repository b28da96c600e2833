// capture.h - what code under test writes to standard output and standard error, as text, and how a
// process of its own ends.
//
// It sees what goes through std::cout and std::cerr, not what C functions or other programs write.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
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

/// How a child process ends that returns what `body` does: its exit code, or minus the signal that
/// killed it, which is SIGALRM after 20 seconds. What it writes to standard error is thrown away.
inline int ended_by(const std::function<int()>& body) {
  std::cout.flush();  // or the child writes once more what is left in it, or fails to
  const pid_t child = fork();
  if (child == 0) {
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    alarm(20);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace stflow::testing

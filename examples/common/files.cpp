// files.cpp - files and directories of a run.
//
// POSIX calls, because the C++ library can neither sync a file nor say why writing failed; programs
// are started by posix_spawn, so that no shell interprets their arguments.
#include "examples/common/files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "examples/common/program.h"
#include "tensor/check.h"

extern char** environ;

namespace stflow {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const char* action, const std::string& path, int reason) {
  throw std::runtime_error(
      concat_message("cannot ", action, " '", path, "': ", std::strerror(reason)));
}

std::string time_text(const char* format, std::tm* (*convert)(const std::time_t*, std::tm*)) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  convert(&now, &parts);
  char text[40];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

}  // namespace

void write_file(const std::string& path, const std::string& text) { nn::write_file(path, {text}); }

void append_line(const std::string& path, const std::string& line) {
  const std::string text = line + '\n';
  const int file = open(path.c_str(), O_APPEND | O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
  if (file < 0) fail("write", path, errno);
  int reason = 0;
  for (size_t done = 0; done < text.size() && reason == 0;) {
    const ssize_t count = write(file, text.data() + done, text.size() - done);
    if (count >= 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      reason = errno;
    }
  }
  if (close(file) != 0 && reason == 0) reason = errno;
  if (reason != 0) fail("write", path, reason);
}

std::string make_run_directory(const std::string& out, const std::string& program) {
  std::error_code error;
  if (!out.empty()) {
    if (!fs::create_directories(out, error) && !error && !fs::is_empty(out, error) && !error) {
      throw std::runtime_error(concat_message("--out: '", out,
                                              "' is not empty, and a run never overwrites another; "
                                              "hint: name a new directory"));
    }
    if (error) fail("create run directory", out, error.value());
    return out;
  }
  const std::string base = "runs/" + program + "-" + time_text("%Y%m%d-%H%M%S", localtime_r);
  fs::create_directories("runs", error);
  for (int copy = 1; !error; ++copy) {
    const std::string path = copy == 1 ? base : base + "-" + std::to_string(copy);
    if (fs::create_directory(path, error)) return path;  // false: another run has it
  }
  throw std::runtime_error(concat_message("cannot create run directory '", base,
                                          "': ", error.message(), "; hint: --out DIR"));
}

std::shared_ptr<int> take_lock(const std::string& path, bool inherited) {
  const int first = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (first < 0) fail("write", path, errno);
  // Where standard output is closed its number is free, and what is printed must not end up here.
  const int file = fcntl(first, inherited ? F_DUPFD : F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int reason = errno;
  close(first);
  if (file < 0) fail("write", path, reason);
  const std::shared_ptr<int> lock(new int(file), [](const int* each) {
    close(*each);
    delete each;
  });
  return flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK ? nullptr : lock;
}

int run_command(const std::vector<std::string>& command, const std::string& directory,
                const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, fs::absolute(log).c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  // In a process group of its own: Ctrl-C reaches it through us, once.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed) return -1;

  int status = 0;
  for (bool told = false; waitpid(child, &status, WNOHANG) == 0; usleep(20'000)) {
    if (interrupted() && !told) told = kill(child, SIGINT) == 0;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string utc_time() { return time_text("%Y-%m-%dT%H:%M:%SZ", gmtime_r); }

}  // namespace stflow

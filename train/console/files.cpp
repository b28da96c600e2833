// files.cpp - files and directories of a run.
//
// POSIX calls, because the C++ library can neither sync a file nor say why writing failed; programs
// are started by posix_spawn, so that no shell interprets their arguments.
#include "stflow/train/console/files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "stflow/tensor/check.h"
#include "stflow/train/console/program.h"

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

using File = std::shared_ptr<int>;

/// A file descriptor that is closed with its last copy.
File owned(int number) {
  return File(new int(number), [](const int* each) {
    close(*each);
    delete each;
  });
}

/// Opens a file for writing, or makes it; none that is reached through a symbolic link in its
/// place. O_NONBLOCK: a pipe without a reader fails rather than waits.
int open_own(const std::string& path, int flags) {
  const int file = open(path.c_str(), flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  if (file < 0 && errno == ELOOP) {
    throw std::runtime_error(concat_message(
        "cannot write '", path, "': a symbolic link, which may lead anywhere; hint: remove it"));
  }
  if (file < 0) fail("write", path, errno);
  return file;
}

/// A nameless file in memory that holds the text.
File in_memory(std::string_view text) {
  const int number = memfd_create("stflow", MFD_CLOEXEC);
  if (number < 0) fail("make", "a file in memory", errno);
  const File file = owned(number);
  if (const int reason = nn::write_all(number, text)) fail("write", "a file in memory", reason);
  lseek(number, 0, SEEK_SET);
  return file;
}

/// Runs a command with these files as its standard input, output and error; see run_command. It
/// does not hear of Ctrl-C unless it is `stoppable`.
int spawn(const std::vector<std::string>& command, const std::string& directory, int in, int out,
          int err, bool stoppable) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  // In a process group of its own: Ctrl-C reaches it through us, once, also where we ignore it.
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigdefault(&attributes, &interrupt);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed) return -1;

  int status = 0;
  for (bool told = false; waitpid(child, &status, WNOHANG) == 0; usleep(20'000)) {
    if (stoppable && interrupted() && !told) told = kill(child, SIGINT) == 0;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

File nothing() { return owned(open("/dev/null", O_RDWR | O_CLOEXEC)); }

}  // namespace

void write_file(const std::string& path, const std::string& text) {
  nn::write_file(path, {text}, nn::Links::refuse);
}

void append_line(const std::string& path, const std::string& line) {
  const int file = open_own(path, O_APPEND | O_WRONLY);
  int reason = nn::write_all(file, line + '\n');
  if (close(file) != 0 && reason == 0) reason = errno;
  if (reason != 0) fail("write", path, reason);
}

void make_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("create directory", path, error.value());
}

void make_own_directory(const std::string& path) {
  std::error_code error;
  if (fs::create_directory(path, error)) return;  // which follows no link
  if (error) fail("create directory", path, error.value());
  if (fs::is_symlink(path)) {
    throw std::runtime_error(concat_message(
        "cannot write in '", path,
        "': a symbolic link, which may lead anywhere; hint: put a directory in its place"));
  }
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
  const File first = owned(open_own(path, O_RDWR));
  // Where standard output is closed its number is free, and what is printed must not end up here.
  const int number = fcntl(*first, inherited ? F_DUPFD : F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (number < 0) fail("write", path, errno);
  const File lock = owned(number);
  return flock(number, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK ? nullptr : lock;
}

int run_command(const std::vector<std::string>& command, const std::string& directory,
                const std::string& log) {
  const File none = nothing(),
             output = log.empty() ? none : owned(open_own(log, O_WRONLY | O_TRUNC));
  return spawn(command, directory, *none, *output, *output, /*stoppable=*/true);
}

int run_filter(const std::vector<std::string>& command, const std::string& directory,
               const std::string& input, const std::string& output) {
  const File in = in_memory(input), out = in_memory(""), none = nothing();
  const int code = spawn(command, directory, *in, *out, *none, /*stoppable=*/false);
  if (code == 0) write_file(output, read_file("/proc/self/fd/" + std::to_string(*out)));
  return code;
}

std::string utc_time() { return time_text("%Y-%m-%dT%H:%M:%SZ", gmtime_r); }

}  // namespace stflow

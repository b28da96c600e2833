// fault_shim.cpp - a disk that fails at a chosen moment, for faults.sh: preloaded, it counts the
// calls that change files, in a program and all that it starts, and spoils one of them.
//
// STFLOW_FAULT is "KIND N FILE". FILE holds the count, 8 bytes, shared by all processes. The N-th
// call
//     kill   ends its process by SIGKILL, a write when half is written
//     fail   fails with EIO, once
//     full   fails with ENOSPC, a write when half is written, as does all that needs room later
//     short  is done, but a write writes half: what follows must write the rest
//     count  is done.
// Only calls that write are looked at: an open that may create a file, a close of such a file.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Fault {
  char kind[16] = "count", file[4096] = "";
  int64_t at = 0;
  std::atomic<int64_t>* count = nullptr;
};

const Fault& the_fault() {
  static const Fault fault = [] {
    Fault result;
    const char* text = std::getenv("STFLOW_FAULT");
    long long at = 0;
    if (text == nullptr ||
        std::sscanf(text, "%15s %lld %4095s", result.kind, &at, result.file) != 3) {
      std::abort();
    }
    result.at = at;
    const auto open_file =
        reinterpret_cast<int (*)(const char*, int, ...)>(dlsym(RTLD_NEXT, "open"));
    const int file = open_file(result.file, O_RDWR | O_CLOEXEC);
    void* memory = mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) std::abort();
    const auto close_file = reinterpret_cast<int (*)(int)>(dlsym(RTLD_NEXT, "close"));
    close_file(file);
    result.count = static_cast<std::atomic<int64_t>*>(memory);
    return result;
  }();
  return fault;
}

bool is(const char* kind) { return std::strcmp(the_fault().kind, kind) == 0; }

enum Turn { go_on, spoil, later };  // before the chosen call, at it, after it

Turn next_turn() {
  const int64_t count = ++*the_fault().count;
  return count < the_fault().at ? go_on : count == the_fault().at ? spoil : later;
}

[[noreturn]] void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/// Shall this call fail? Sets errno if so.
bool fails(bool needs_room) {
  const Turn turn = next_turn();
  if (turn == spoil && is("kill")) die();
  if (turn == spoil && is("fail")) {
    errno = EIO;
    return true;
  }
  if (turn != go_on && is("full") && needs_room) {
    errno = ENOSPC;
    return true;
  }
  return false;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::atomic<bool> writes_to[1024];

bool creates(int flags) { return (flags & O_CREAT) != 0; }

/// Remembers a file that was opened to be written.
int noted(int file, bool to_write) {
  if (file >= 0 && file < 1024) writes_to[file] = to_write;
  return file;
}

mode_t mode_of(int flags, va_list list) { return creates(flags) ? va_arg(list, mode_t) : 0; }

bool is_regular(int file) {
  struct stat info;
  return fstat(file, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  const auto real_write = next<ssize_t(int, const void*, size_t)>("write");
  if (!is_regular(file)) return real_write(file, bytes, size);
  const Turn turn = next_turn();
  const size_t half = std::max<size_t>(size / 2, 1);
  if (turn == spoil && is("fail")) {
    errno = EIO;
    return -1;
  }
  if (turn == spoil && !is("count")) {
    const ssize_t written = real_write(file, bytes, half);
    if (is("kill")) die();
    return written;
  }
  if (turn == later && is("full")) {
    errno = ENOSPC;
    return -1;
  }
  return real_write(file, bytes, size);
}

ssize_t writev(int file, const iovec* parts, int count) {  // std::ofstream's
  ssize_t sum = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t written = write(file, parts[i].iov_base, parts[i].iov_len);
    if (written < 0) return sum > 0 ? sum : -1;
    sum += written;
    if (static_cast<size_t>(written) < parts[i].iov_len) break;
  }
  return sum;
}

#define OPEN(NAME)                                                           \
  int NAME(const char* path, int flags, ...) {                               \
    va_list list;                                                            \
    va_start(list, flags);                                                   \
    const mode_t mode = mode_of(flags, list);                                \
    va_end(list);                                                            \
    if (creates(flags) && fails(true)) return -1;                            \
    return noted(next<int(const char*, int, ...)>(#NAME)(path, flags, mode), \
                 (flags & O_ACCMODE) != O_RDONLY);                           \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME)                                                                      \
  int NAME(int folder, const char* path, int flags, ...) {                                \
    va_list list;                                                                         \
    va_start(list, flags);                                                                \
    const mode_t mode = mode_of(flags, list);                                             \
    va_end(list);                                                                         \
    if (creates(flags) && fails(true)) return -1;                                         \
    return noted(next<int(int, const char*, int, ...)>(#NAME)(folder, path, flags, mode), \
                 (flags & O_ACCMODE) != O_RDONLY);                                        \
  }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(NAME)                                                        \
  FILE* NAME(const char* path, const char* mode) {                         \
    if (mode[0] != 'r' && fails(true)) return nullptr;                     \
    FILE* file = next<FILE*(const char*, const char*)>(#NAME)(path, mode); \
    if (file != nullptr) noted(fileno(file), mode[0] != 'r');              \
    return file;                                                           \
  }
FOPEN(fopen)
FOPEN(fopen64)

int close(int file) {
  const bool written = file >= 0 && file < 1024 && writes_to[file].exchange(false);
  const bool bad = written && fails(false);
  const int error = errno;
  const int result = next<int(int)>("close")(file);  // also when it fails the number is free
  if (!bad) return result;
  errno = error;
  return -1;
}

int fsync(int file) { return fails(false) ? -1 : next<int(int)>("fsync")(file); }
int fdatasync(int file) { return fails(false) ? -1 : next<int(int)>("fdatasync")(file); }
int ftruncate(int file, off_t size) noexcept {
  return fails(false) ? -1 : next<int(int, off_t)>("ftruncate")(file, size);
}
int rename(const char* from, const char* to) noexcept {
  return fails(true) ? -1 : next<int(const char*, const char*)>("rename")(from, to);
}
int renameat(int a, const char* from, int b, const char* to) noexcept {
  return fails(true) ? -1
                     : next<int(int, const char*, int, const char*)>("renameat")(a, from, b, to);
}
int renameat2(int a, const char* from, int b, const char* to, unsigned flags) noexcept {
  return fails(true) ? -1
                     : next<int(int, const char*, int, const char*, unsigned)>("renameat2")(
                           a, from, b, to, flags);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return fails(true) ? -1 : next<int(const char*, mode_t)>("mkdir")(path, mode);
}
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return fails(true) ? -1 : next<int(int, const char*, mode_t)>("mkdirat")(folder, path, mode);
}
int unlink(const char* path) noexcept {
  return fails(false) ? -1 : next<int(const char*)>("unlink")(path);
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return fails(false) ? -1 : next<int(int, const char*, int)>("unlinkat")(folder, path, flags);
}
int rmdir(const char* path) noexcept {
  return fails(false) ? -1 : next<int(const char*)>("rmdir")(path);
}
int remove(const char* path) noexcept {
  return fails(false) ? -1 : next<int(const char*)>("remove")(path);
}
int link(const char* from, const char* to) noexcept {
  return fails(true) ? -1 : next<int(const char*, const char*)>("link")(from, to);
}
int linkat(int a, const char* from, int b, const char* to, int flags) noexcept {
  return fails(true)
             ? -1
             : next<int(int, const char*, int, const char*, int)>("linkat")(a, from, b, to, flags);
}
int symlink(const char* from, const char* to) noexcept {
  return fails(true) ? -1 : next<int(const char*, const char*)>("symlink")(from, to);
}
int fchmod(int file, mode_t mode) noexcept {
  return fails(false) ? -1 : next<int(int, mode_t)>("fchmod")(file, mode);
}
}

// binary_file.cpp - see binary_file.h; POSIX calls, because the C++ library cannot sync a file.
#include "stflow/nn/binary_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace stflow::nn {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporaryBegin = ".stflow-", kTemporaryEnd = ".tmp";
constexpr size_t kRandomDigits = 16;

static_assert(std::endian::native == std::endian::little);

/// A file descriptor that is closed at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw std::runtime_error(
      concat_message(path, ": ", what, ": ", std::generic_category().message(error)));
}

void check(bool ok, const std::string& path, const char* what) {
  if (!ok) fail(path, what, errno);
}

/// A name that nobody can foresee, short enough for every folder.
std::string temporary_name() {
  uint64_t random = 0;
  check(getentropy(&random, sizeof random) == 0, "random numbers", "cannot draw");
  char digits[kRandomDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(random));
  return concat_message(kTemporaryBegin, digits, kTemporaryEnd);
}

bool is_temporary_name(std::string_view name) {
  if (!name.starts_with(kTemporaryBegin) || !name.ends_with(kTemporaryEnd)) return false;
  name.remove_prefix(kTemporaryBegin.size());
  return name.find_first_not_of("0123456789abcdef") == kRandomDigits &&
         name.size() == kRandomDigits + kTemporaryEnd.size();
}

/// Where a symbolic link leads in the end, even if nothing is there; any other path as it is.
std::string target_of(const std::string& path) {
  fs::path target = path;
  for (int links = 0; links < 40; ++links) {  // as many as Linux follows
    std::error_code no_link;
    const fs::path next = fs::read_symlink(target, no_link);
    if (no_link) return target.string();
    target = target.parent_path() / next;
  }
  fail(path, "cannot write", ELOOP);
}

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

std::string read_file(const std::string& path, size_t limit) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) fail(path, "cannot read", error.value());
  if (size > limit) {
    throw std::runtime_error(
        concat_message(path, ": expected at most ", limit, " bytes, found ", size));
  }
  std::ifstream file(path, std::ios::binary);
  check(file.is_open(), path, "cannot open");
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<size_t>(file.gcount()) != size) {
    throw std::runtime_error(
        concat_message(path, ": read only ", file.gcount(), " of ", size, " bytes"));
  }
  return bytes;
}

void write_file(const std::string& path, const std::vector<std::string_view>& parts, Links links) {
  const std::string target = links == Links::follow ? target_of(path) : path;
  struct stat before {};
  const bool replaces = lstat(target.c_str(), &before) == 0;
  if (replaces && !S_ISREG(before.st_mode)) {
    throw std::runtime_error(concat_message(
        path, ": cannot replace ",
        S_ISLNK(before.st_mode)   ? "a symbolic link, which may lead anywhere; hint: remove it"
        : S_ISDIR(before.st_mode) ? "a directory"
                                  : "a pipe or a device; only regular files are written"));
  }
  const std::string folder = folder_of(target), temporary = folder + "/" + temporary_name();
  const mode_t mode = replaces ? before.st_mode & 0777 : 0666;
  const Descriptor file(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  check(file.number() >= 0, path, "cannot create");
  try {
    // What umask took away; without it the file is readable by fewer, which is no reason to fail.
    if (replaces && fchmod(file.number(), mode) != 0) errno = 0;
    for (std::string_view part : parts) {
      if (const int error = write_all(file.number(), part)) fail(path, "cannot write", error);
    }
    check(fsync(file.number()) == 0, path, "cannot sync");
    check(rename(temporary.c_str(), target.c_str()) == 0, path, "cannot replace");
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  const Descriptor directory(open(folder.c_str(), O_RDONLY | O_CLOEXEC));
  fsync(directory.number());  // makes the new name last; some file systems have no such call
}

void remove_leftovers(const std::string& folder) {
  for (const auto& file : fs::directory_iterator(folder)) {
    struct stat found {};
    if (is_temporary_name(file.path().filename().string()) &&
        lstat(file.path().c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
        found.st_uid == geteuid()) {
      unlink(file.path().c_str());
    }
  }
}

std::string_view bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data()),
          static_cast<size_t>(tensor.numel()) * sizeof(real)};
}

namespace {

template <typename Number>
Tensor convert(std::string_view bytes, const Shape& shape) {
  std::vector<Number> numbers(bytes.size() / sizeof(Number));
  if (!bytes.empty()) std::memcpy(numbers.data(), bytes.data(), bytes.size());
  Tensor result(shape);
  std::ranges::transform(numbers, result.data(),
                         [](Number number) { return static_cast<real>(number); });
  return result;
}

}  // namespace

Tensor tensor_from_bytes(std::string_view bytes, const Shape& shape, size_t bytes_per_number) {
  return bytes_per_number == 4 ? convert<float>(bytes, shape) : convert<double>(bytes, shape);
}

int64_t byte_size(const std::vector<int64_t>& extents, size_t bytes_per_number) {
  try {
    return Shape(extents).numel("byte_size") * static_cast<int64_t>(bytes_per_number);
  } catch (const std::invalid_argument&) {
    return -1;
  }
}

}  // namespace stflow::nn

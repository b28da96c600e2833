// binary_file.cpp - see binary_file.h; POSIX calls, because the C++ library cannot sync a file.
#include "nn/binary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace stflow::nn {
namespace {

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

void write_all(const Descriptor& file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(file.number(), bytes.data(), bytes.size());
    check(written >= 0 || errno == EINTR, path, "cannot write");
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void write_and_sync(const std::string& path, const std::vector<std::string_view>& parts) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  check(file.number() >= 0, path, "cannot create");
  for (std::string_view part : parts) write_all(file, part, path);
  check(fsync(file.number()) == 0, path, "cannot sync");
}

}  // namespace

std::string read_file(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(path, "cannot read", error.value());
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

void write_file(const std::string& path, const std::vector<std::string_view>& parts) {
  static std::atomic<int> counter = 0;  // threads of one process may write the same path
  const std::string temporary = concat_message(path, ".", getpid(), "-", counter++, ".tmp");
  try {
    write_and_sync(temporary, parts);
    check(rename(temporary.c_str(), path.c_str()) == 0, path, "cannot replace");
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  const auto folder = std::filesystem::path(path).parent_path();
  const Descriptor directory(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC));
  fsync(directory.number());  // makes the new name last; some file systems have no such call
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
  auto size = static_cast<int64_t>(bytes_per_number);
  for (int64_t extent : extents) {
    if (extent < 0 || __builtin_mul_overflow(size, extent, &size)) return -1;
  }
  return size;
}

}  // namespace stflow::nn

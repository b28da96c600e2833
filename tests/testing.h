// testing.h - the few helpers that tests share: comparing tensors, catching messages, a folder to
// write in.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <type_traits>

#include "stflow/tensor/check.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/tensor.h"

namespace stflow::testing {

constexpr bool kDouble = std::is_same_v<real, double>, kFloat = !kDouble;

/// Fails the test, naming the worst place, unless |a - b| <= atol + rtol |b| everywhere.
inline void check_close(const Tensor& a, const Tensor& b, double rtol, double atol) {
  std::string why;
  const bool close = allclose(a, b, rtol, atol, &why);
  CHECK_MESSAGE(close, why);
}

/// Fails the test unless both tensors have the same shape and the same numbers.
inline void check_equal(const Tensor& a, const Tensor& b) { check_close(a, b, 0, 0); }

/// What the exception says that `call` throws; "" when it throws none. Another type passes through
/// and fails the test.
template <typename Exception = std::invalid_argument, typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  }
  return "";
}

/// Fails the test, showing the text, unless it contains every part.
template <typename... Parts>
void check_contains(const std::string& text, const Parts&... parts) {
  CAPTURE(text);
  for (const std::string& part : {std::string(parts)...}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

/// A new empty folder, removed with all that is in it at the end of the scope.
class TempDir {
 public:
  TempDir() {
    static std::atomic<int> count = 0;
    path_ = std::filesystem::temp_directory_path() /
            concat_message("stflow-test-", getpid(), "-", ++count);
    std::filesystem::create_directories(path_);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Takes the rights of root, who may read everything, from this process until the end of the scope.
class NoRights {
 public:
  NoRights() {
    if (root_) REQUIRE(seteuid(65534) == 0);
  }
  ~NoRights() {
    if (root_ && seteuid(0) != 0) std::terminate();
  }
  NoRights(const NoRights&) = delete;
  NoRights& operator=(const NoRights&) = delete;

 private:
  bool root_ = geteuid() == 0;
};

}  // namespace stflow::testing

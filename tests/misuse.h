// misuse.h - a table of calls that a library must survive: each is refused with words that name the
// function, or is valid and says why. tests/test_misuse_*.cpp hold the tables.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "stflow/autodiff/ops.h"

namespace stflow::testing {

struct Misuse {
  std::string name;
  std::function<void()> call;
  std::string words;  // that the message contains; "valid: why" when nothing is thrown
};

constexpr int64_t kHuge = int64_t{1} << 62;  // an extent whose bytes do not fit 64 bits
constexpr real kInfinity = std::numeric_limits<real>::infinity();
constexpr real kNotANumber = std::numeric_limits<real>::quiet_NaN();

template <typename... Extents>
Shape dims(Extents... extents) {
  return Shape{static_cast<int64_t>(extents)...};
}
template <typename... Numbers>
Axes axes(Numbers... numbers) {
  return Axes{numbers...};
}
/// Zeros of these extents: as a tensor, and as a parameter.
template <typename... Extents>
Tensor zeros(Extents... extents) {
  return Tensor::zeros(dims(extents...));
}
template <typename... Extents>
Var leaf(Extents... extents) {
  return Var::parameter(zeros(extents...));
}
template <typename... Numbers>
Tensor numbers(Numbers... values) {
  return Tensor::from({static_cast<real>(values)...});
}

/// Fails unless each call throws std::invalid_argument or std::runtime_error with its words, or
/// throws nothing where it is said to be valid.
inline void check_misuses(const std::vector<Misuse>& table) {
  for (const Misuse& row : table) {
    CAPTURE(row.name);
    std::string message = "valid: nothing was thrown";
    try {
      row.call();
    } catch (const std::invalid_argument& error) {
      message = error.what();
    } catch (const std::runtime_error& error) {
      message = error.what();
    } catch (const std::exception& error) {
      message = std::string("an exception of another type: ") + error.what();
    }
    CAPTURE(message);
    if (row.words.starts_with("valid")) {
      CHECK(message.starts_with("valid"));
    } else {
      CHECK(message.find(row.words) != std::string::npos);
    }
  }
}

}  // namespace stflow::testing

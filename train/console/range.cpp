#include "stflow/train/console/range.h"

#include <charconv>
#include <cmath>
#include <type_traits>

#include "stflow/tensor/check.h"
#include "stflow/train/console/program.h"

namespace stflow {
namespace {

/// In full where it is whole: 1000000, not 1e+06.
std::string in_full(double x) {
  if (x >= kLargestSeed) return std::to_string(std::numeric_limits<int64_t>::max());
  if (x == std::floor(x) && std::abs(x) < kLargestSeed)
    return std::to_string(static_cast<int64_t>(x));
  return concat_message(x);
}

}  // namespace

std::string ends_of(const Range& range) {
  if (std::isinf(range.low)) return "";
  const std::string low = in_full(range.low), high = in_full(range.high);
  if (std::isinf(range.high)) return (range.low_included ? "at least " : "above ") + low;
  return "from " + low + " to " + high;
}

template <typename Number>
Number parse_number(const std::string& option, const std::string& text, const Range& range) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const char* kind = std::is_integral_v<Number> ? "a whole number" : "a number";
  if (error == std::errc::invalid_argument || stop != end) {
    throw UsageError(concat_message(option, ": '", text, "' is not ", kind));
  }
  const double x = static_cast<double>(value);
  const bool low_ok = range.low_included ? x >= range.low : x > range.low;
  if (error == std::errc::result_out_of_range || !std::isfinite(x) || !low_ok || x > range.high) {
    const std::string ends = ends_of(range);
    const bool no_double = error == std::errc::result_out_of_range || std::isinf(x);
    throw UsageError(concat_message(
        option, ": ", text, " is out of range; expected ", ends.empty() ? "a finite number" : ends,
        no_double && std::isinf(range.high) && !ends.empty() ? ", and finite" : ""));
  }
  return value;
}

template int64_t parse_number(const std::string&, const std::string&, const Range&);
template double parse_number(const std::string&, const std::string&, const Range&);

}  // namespace stflow

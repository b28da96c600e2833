// test_accuracy.cpp - exp, log, tanh, ...: their distance from the exact value in units in the last
// place (ulp), and their values at the edges; polygamma against known constants.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "stflow/tensor/math.h"
#include "tests/edge_values.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

using Wide = std::conditional_t<kFloat, double, long double>;  // has the digits to judge `real`

using Unary = Tensor (*)(const Tensor&);

/// |found - expected| in units of the last place of `expected`.
double ulps_between(real found, Wide expected) {
  const real size = std::abs(static_cast<real>(expected));
  const Wide ulp = static_cast<Wide>(std::nextafter(size, kInf)) - static_cast<Wide>(size);
  return static_cast<double>(std::abs(static_cast<Wide>(found) - expected) / ulp);
}

/// `count` numbers between low and high, evenly spread over representable numbers (so over
/// exponents), and as many evenly spaced.
Tensor sweep(real low, real high, int64_t count) {
  using Bits = std::conditional_t<kFloat, int32_t, int64_t>;
  // The order of numbers as integers; its own inverse.
  const auto ordered = [](Bits bits) {
    return bits < 0 ? std::numeric_limits<Bits>::min() - bits : bits;
  };
  const Wide first = ordered(std::bit_cast<Bits>(low)), last = ordered(std::bit_cast<Bits>(high));
  Tensor x({2, count});
  for (int64_t i = 0; i < count; ++i) {
    const Wide t = static_cast<Wide>(i) / static_cast<Wide>(count - 1);
    x.data()[i] = std::bit_cast<real>(ordered(static_cast<Bits>(first + t * (last - first))));
    x.data()[count + i] = static_cast<real>(low + t * (Wide{high} - low));
  }
  return x;
}

struct AccuracyRow {
  std::string name;
  Unary kernel;
  std::function<Wide(Wide)> exact;
  real low, high;
  double ulps;
};

const std::vector<AccuracyRow>& accuracy_rows() {
  const real top = kFloat ? real(88.7) : real(709.7);
  static const std::vector<AccuracyRow> rows = {
      {"exp", exp, [](Wide x) { return std::exp(x); }, -top, top, 1},
      {"exp, denormal", exp, [](Wide x) { return std::exp(x); }, -top - 20, -top, 1},
      {"expm1", expm1, [](Wide x) { return std::expm1(x); }, -top, -4 * kNormal, 1.7},
      {"expm1, positive", expm1, [](Wide x) { return std::expm1(x); }, 4 * kNormal, top, 1.7},
      {"log", log, [](Wide x) { return std::log(x); }, kTiny, kMax, 1},
      {"log, near 1", log, [](Wide x) { return std::log(x); }, real(0.5), 2, 1},
      {"log1p", log1p, [](Wide x) { return std::log1p(x); }, real(-0.9999), -kTiny, 1.7},
      {"log1p, positive", log1p, [](Wide x) { return std::log1p(x); }, kTiny, kMax, 1.7},
      {"tanh", tanh, [](Wide x) { return std::tanh(x); }, -30, 30, 2.7},
      {"sigmoid", sigmoid, [](Wide x) { return 1 / (1 + std::exp(-x)); }, real(-87.3), 100, 2.7},
      {"softplus", softplus,
       [](Wide x) { return std::max<Wide>(x, 0) + std::log1p(std::exp(-std::abs(x))); }, -top, top,
       2},
  };
  return rows;
}

}  // namespace

TEST_CASE("exp, log and their kin: stay within a few ulp of the exact value") {
  for (const AccuracyRow& row : accuracy_rows()) {
    CAPTURE(row.name);
    const Tensor x = sweep(row.low, row.high, 100000), y = row.kernel(x);
    double worst = 0;
    real worst_x = 0;
    for (int64_t i = 0; i < x.numel(); ++i) {
      const double error = ulps_between(y[i], row.exact(x[i]));
      if (!(error <= worst)) worst = error, worst_x = x[i];
    }
    CAPTURE(worst_x);
    CHECK(worst <= row.ulps);
    CHECK(worst > 0.49);  // else the reference has no more digits than what it judges
  }
}

TEST_CASE("exp, log and their kin: give a number the same bits wherever it stands") {
  constexpr int64_t kLength = 70;
  for (const AccuracyRow& row : accuracy_rows()) {
    CAPTURE(row.name);
    const Tensor x = sweep(row.low, row.high, kLength / 2).reshape({kLength});
    const Tensor all = row.kernel(x);
    for (const int64_t begin : {0, 1, 3, 17}) {
      check_equal(row.kernel(x.rows(begin, kLength)), all.rows(begin, kLength));
    }
    for (int64_t i = 0; i < kLength; ++i)
      check_equal(row.kernel(x.rows(i, i + 1)), all.rows(i, i + 1));
  }
}

TEST_CASE("exp, log and their kin: infinities, NaN, zeros and denormals") {
  const auto at = [](Unary kernel, const std::vector<real>& x) { return kernel(Tensor::from(x)); };
  const real far = kFloat ? real(1e4) : real(1e6);
  check_bits(at(exp, {-kInf, -far, -0.0, 0, kTiny, far, kInf, kNan}),
             {0, 0, 1, 1, 1, kInf, kInf, kNan});
  check_bits(at(expm1, {-kInf, -far, 0, far, kInf, kNan}), {-1, -1, 0, kInf, kInf, kNan});
  check_bits(at(log, {-kInf, -1, -kTiny, -0.0, 0, 1, kInf, kNan}),
             {kNan, kNan, kNan, -kInf, -kInf, 0, kInf, kNan});
  check_bits(at(log1p, {-kInf, -2, -1, 0, kTiny, kInf, kNan}),
             {kNan, kNan, -kInf, 0, kTiny, kInf, kNan});
  check_bits(at(tanh, {-kInf, -far, -0.0, 0, far, kInf, kNan}), {-1, -1, -0.0, 0, 1, 1, kNan});
  check_bits(at(sigmoid, {-kInf, -far, -0.0, 0, far, kInf, kNan}), {0, 0, 0.5, 0.5, 1, 1, kNan});
  check_bits(at(softplus, {-kInf, -far, far, kMax, kInf, kNan}), {0, 0, far, kMax, kInf, kNan});
  for (const real v : kEdges) {
    if (std::isnan(v)) continue;
    CAPTURE(v);
    CHECK(std::abs(at(tanh, {v})[0]) <= 1);
    CHECK(std::abs(at(sigmoid, {v})[0] - real(0.5)) <= real(0.5));
  }
}

TEST_CASE("polygamma: equals known constants") {
  const double pi = 3.14159265358979323846, zeta3 = 1.2020569031595942854,
               euler = 0.57721566490153286061;
  struct Row {
    int n;
    double x, value;
  };
  const std::vector<Row> rows = {
      {-1, 1, 0},
      {-1, 2, 0},
      {-1, 0.5, std::log(std::sqrt(pi))},
      {-1, 1e-3, 6.9071788853838536825},
      {-1, 10, std::log(362880.0)},
      {-1, 171, 706.57306224578734715},
      {-1, 1e6, 12815504.569147882},
      {0, 1, -euler},
      {0, 0.5, -euler - 2 * std::log(2.0)},
      {0, 4, 11.0 / 6 - euler},
      {0, 100, 4.6001618527380874002},
      {1, 1, pi * pi / 6},
      {1, 0.5, pi * pi / 2},
      {1, 3, pi * pi / 6 - 1.25},
      {1, 10, 0.10516633568168574612},
      {2, 1, -2 * zeta3},
      {2, 0.5, -14 * zeta3},
      {2, 10, -0.011049834970802067462},
      {3, 1, std::pow(pi, 4) / 15},
      {3, 10, 0.0023199013042898683856},
      {4, 1, -24 * 1.0369277551433699263},
  };
  for (const Row& row : rows) {
    CAPTURE(row.n);
    CAPTURE(row.x);
    const Tensor found = polygamma(row.n, Tensor::scalar(real(row.x)));
    const double tolerance = kFloat ? 3e-7 : 1e-13;  // the series ends at 1e-13
    check_close(found, Tensor::scalar(real(row.value)), tolerance, row.n < 1 ? tolerance : 0);
  }
}

TEST_CASE("polygamma: at the ends of its domain and outside it") {
  const Tensor x = Tensor::from({-kInf, -0.5, 0, kInf, kNan});
  check_bits(polygamma(-1, x), {kNan, kNan, kInf, kInf, kNan});
  check_bits(polygamma(0, x), {kNan, kNan, -kInf, kInf, kNan});
  check_bits(polygamma(1, x), {kNan, kNan, kInf, 0, kNan});
  check_bits(abs(polygamma(2, x)), {kNan, kNan, kInf, 0, kNan});
}

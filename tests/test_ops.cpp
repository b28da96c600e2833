// test_ops.cpp - drives the table of ops: values, gradients of both orders, messages; no op is left
// out.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/gradcheck.h"
#include "stflow/autodiff/ops.h"
#include "tests/op_edges.h"
#include "tests/op_table.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

struct ErrorRow {
  std::string name;
  std::function<void()> call;
  std::vector<std::string> message;  // parts it must contain
};

std::vector<ErrorRow> error_rows() {
  const Var a = Tensor::zeros({2, 3}), b = Tensor::zeros({4}), scalar = 0.0;
  const std::vector<std::string> no_broadcast = {"[2,3]", "[4]", "do not broadcast"};
  const auto tagged = [](const std::string& tag, std::vector<std::string> parts) {
    parts.push_back(tag);
    return parts;
  };
  return {
      {"add", [=] { add(a, b); }, tagged("[add]", no_broadcast)},
      {"sub", [=] { sub(a, b); }, tagged("[sub]", no_broadcast)},
      {"mul", [=] { mul(a, b); }, tagged("[mul]", no_broadcast)},
      {"div", [=] { div(a, b); }, tagged("[div]", no_broadcast)},
      {"where", [=] { where(a.value(), a, b); }, tagged("[where]", no_broadcast)},
      {"clamp", [=] { clamp(a, 2, 1); }, {"[clamp] low 2 is above high 1"}},
      {"polygamma", [=] { polygamma(-2, a); }, {"[polygamma]", "at least -1", "got -2"}},
      {"sum", [=] { sum(a, {2}); }, {"axis 2", "[2,3]"}},
      {"mean", [=] { mean(a, {-3}); }, {"axis -3", "[2,3]"}},
      {"mean of nothing", [=] { mean(slice(a, 0, 0, 0)); }, {"[mean] of no numbers", "[0,3]"}},
      {"max", [=] { max(a, {5}); }, {"axis 5", "[2,3]"}},
      {"max of nothing", [=] { max(slice(a, 0, 0, 0)); }, {"[max] of no numbers", "[0,3]"}},
      {"logsumexp", [=] { logsumexp(a, {2}); }, {"axis 2", "[2,3]"}},
      {"softmax", [=] { softmax(a, 2); }, {"axis 2", "[2,3]"}},
      {"log_softmax", [=] { log_softmax(scalar); }, {"axis -1", "[]"}},
      {"sum_to", [=] { sum_to(a, {2}); }, {"[sum_to] [2,3]", "[2]"}},
      {"mul_to", [=] { mul_to(a, b, {3}); }, tagged("[mul_to]", no_broadcast)},
      {"mul_to of a wrong shape", [=] { mul_to(a, a, {2}); }, {"[mul_sum_to]", "[2,3]", "[2]"}},
      {"broadcast_to",
       [=] {
         broadcast_to(a, {3, 2});
       },
       {"[broadcast_to] [2,3]", "[3,2]"}},
      {"reshape", [=] { reshape(a, {4}); }, {"[reshape] [2,3]", "[4]"}},
      {"reshape -1",
       [=] {
         reshape(a, {-1, 4});
       },
       {"[reshape] [2,3]", "[-1,4]"}},
      {"transpose", [=] { transpose(b); }, {"axis -2", "[4]"}},
      {"slice", [=] { slice(a, 1, 2, 4); }, {"[slice] range 2..4", "axis 1 of [2,3]"}},
      {"slice backwards", [=] { slice(a, 0, 2, 1); }, {"[slice] range 2..1"}},
      {"select", [=] { select(a, 1, 3); }, {"[select] index 3", "axis 1 of [2,3]"}},
      {"concat",
       [=] {
         concat({a, b}, 0);
       },
       {"[concat] along axis 0", "[4]", "[2,3]"}},
      {"concat of nothing", [=] { concat(Vars{}, 0); }, {"[concat] needs at least one"}},
      {"matmul", [=] { matmul(a, a); }, {"[matmul] inner sizes differ: a is [2,3], b is [2,3]"}},
      {"matmul 1-D", [=] { matmul(a, b); }, {"[matmul] expected two axes", "[4]"}},
      {"linear", [=] { linear(b, a); }, {"[linear] input has 4 features, weight expects 2"}},
      {"linear bias",
       [=] { linear(transpose(a), a, b); },
       {"[linear] bias should be [3], got [4]"}},
      {"bernoulli_log_prob",
       [=] { bernoulli_log_prob(a, b); },
       {"[bernoulli_log_prob]", "[2,3]", "[4]"}},
      {"categorical_log_prob", [=] { categorical_log_prob(a, b); }, no_broadcast},
      {"poisson_log_prob", [=] { poisson_log_prob(a, b); }, no_broadcast},
      {"cross_entropy", [=] { cross_entropy(a, b.value()); }, {"[cross_entropy]", "[2,3]", "[4]"}},
      {"cross_entropy label 3",
       [=] {
         cross_entropy(a, Tensor::from({0, 3}));
       },
       {"label 3 at position 1", "0..2"}},
      {"cross_entropy label .5",
       [=] {
         cross_entropy(a, Tensor::from({0.5, 0}));
       },
       {"label 0.5 at position 0", "whole number"}},
  };
}

/// Relative comparison in which infinities and NaN equal themselves.
bool same(real found, real expected) {
  if (std::isnan(expected)) return std::isnan(found);
  if (std::isinf(expected)) return found == expected;
  return std::abs(found - expected) <= (kDouble ? 1e-12 : 1e-6) * std::abs(expected);
}

void check_same(const Tensor& found, const std::vector<real>& expected) {
  REQUIRE(found.numel() == static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CAPTURE(found[i]);
    CAPTURE(expected[i]);
    CHECK(same(found[i], expected[i]));
  }
}

}  // namespace

TEST_CASE("ops: every function declared in ops.h has a row in the table") {
  std::ifstream header("autodiff/ops.h");
  REQUIRE_MESSAGE(header, "run the tests from the project's folder");
  std::set<std::string> rows, declared;
  for (const GradientRow& row : gradient_rows())
    rows.insert(row.name.substr(0, row.name.find(' ')));
  for (std::string line; std::getline(header, line);) {  // "Var name(arguments);"
    if (line.starts_with("Var ")) declared.insert(line.substr(4, line.find('(') - 4));
  }
  CHECK(declared.size() > 40);
  CHECK(declared == rows);
}

TEST_CASE("ops: gradients of first and second order equal differences" * doctest::skip(!kDouble)) {
  for (const GradientRow& row : gradient_rows()) {
    CAPTURE(row.name);
    CHECK_NOTHROW(gradcheck(row.f, row.inputs, {.order = 2}));
  }
}

TEST_CASE("ops: values and gradients are finite at ordinary inputs, and shapes agree") {
  for (const GradientRow& row : gradient_rows()) {
    CAPTURE(row.name);
    Vars inputs;
    for (const Tensor& input : row.inputs) inputs.push_back(Var::parameter(input));
    const Var out = row.f(inputs);
    CHECK(all_finite(out.value()));
    const Vars gradients = grad({out}, inputs);
    for (size_t i = 0; i < inputs.size(); ++i) {
      CHECK(gradients[i].shape() == inputs[i].shape());
      CHECK(all_finite(gradients[i].value()));
    }
  }
}

TEST_CASE("ops: values and gradients hold where formulas overflow, cancel or jump") {
  for (const EdgeRow& row : edge_rows()) {
    CAPTURE(row.name);
    const Var x = Var::parameter(Tensor::from(row.x));
    const Var out = row.f(x);
    check_same(out.value(), row.value);
    if (!row.gradient.empty()) check_same(grad({out}, {x})[0].value(), row.gradient);
  }
}

TEST_CASE("ops: arguments that do not fit are named with what was expected") {
  for (const ErrorRow& row : error_rows()) {
    CAPTURE(row.name);
    const std::string message = message_of(row.call);
    for (const std::string& part : row.message) check_contains(message, part);
  }
}

TEST_CASE("matmul and linear: an empty batch has an empty result and a zero weight gradient") {
  const Var x = Var::parameter(Tensor({0, 3})), weight = Var::parameter(Tensor::ones({3, 2}));
  for (const Var& y : {linear(x, weight), matmul(x, weight)}) {
    CAPTURE(y.op());
    CHECK(y.shape() == Shape{0, 2});
    const Vars gradients = grad({y}, {x, weight});
    CHECK(gradients[0].shape() == Shape{0, 3});
    check_equal(gradients[1].value(), Tensor::zeros({3, 2}));
  }
}

TEST_CASE("detach: lets no gradient through") {
  const Var x = Var::parameter(Tensor::from({2, 3}));
  check_equal(grad({x * x.detach()}, {x})[0].value(), x.value());
}

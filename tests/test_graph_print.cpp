// test_graph_print.cpp - a graph as text and for Graphviz, its stochastic nodes marked.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "stflow/autodiff/graph_print.h"
#include "stflow/autodiff/ops.h"
#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/rules/rules.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// A small graph with one sampling node.
Var sampled_sum() {
  Rng rng(1);
  const Var x = Tensor::ones({1, 2}), w = Var::parameter(Tensor::zeros({2, 3}));
  return sum(draw(Bernoulli(linear(x, w)), st(), {rng}));
}

int64_t count_of(const std::string& text, const std::string& part) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("to_text: one line a node, inputs first, stochastic nodes with a star") {
  const std::string expected =
      "#1 constant [1,2]\n"
      "#2 parameter [2,3]\n"
      "#3 linear [1,3] <- #1 #2\n"
      "#4 sigmoid [1,3] <- #3\n"
      "#5 bernoulli[st]* [1,3] <- #4\n"
      "#6 sum [] <- #5\n";
  CHECK(to_text({sampled_sum()}) == expected);
}

TEST_CASE("to_text: shows a shared node once, and several outputs as one graph") {
  const Var x = Var::parameter(Tensor::scalar(2));
  const Var h = exp(x), y = h * h, z = h + x;
  CHECK(to_text({z, y, y}) ==
        "#1 parameter []\n"
        "#2 exp [] <- #1\n"
        "#3 mul [] <- #2 #2\n"
        "#4 add [] <- #2 #1\n");
  CHECK(to_text({x.detach() * 2}) == "#1 mul []\n");  // no gradient, so nothing was recorded
  CHECK(to_text({}).empty());
}

TEST_CASE("to_text: a deep graph is no trouble") {
  Var y = Var::parameter(Tensor::scalar(0));
  for (int i = 0; i < 20000; ++i) y = y + y;
  check_contains(to_text({y}), "#20001 add [] <- #20000 #20000\n");
}

TEST_CASE("to_dot: has a node a line, an arrow an input, and diamonds for stochastic nodes") {
  const std::string dot = to_dot({sampled_sum()});
  check_contains(dot, "digraph stflow {", "n1 [label=\"constant\\n[1,2]\", fillcolor=lightgrey];",
                 "n2 [label=\"parameter\\n[2,3]\", fillcolor=lightblue];",
                 "n5 [label=\"bernoulli[st]\\n[1,3]\", shape=diamond, fillcolor=gold];",
                 "n6 [label=\"sum\\n[]\"];", "n1 -> n3;", "n2 -> n3;", "n4 -> n5;");
  CHECK(count_of(dot, "[label=") == 6);
  CHECK(count_of(dot, " -> ") == 5);
  CHECK(count_of(dot, "shape=diamond") == 1);
}

TEST_CASE("to_dot: shows values and gradients where asked, and no gradient of a constant") {
  const Var x = Var::parameter(Tensor::scalar(3)), square = x * x, y = square + 1;
  check_contains(to_dot({y}, {.values = true, .gradients = true}),
                 "n1 [label=\"parameter\\n[] {3}\\ngradient [] {6}\", fillcolor=lightblue];",
                 "n2 [label=\"mul\\n[] {9}\\ngradient [] {1}\"];",
                 "n3 [label=\"constant\\n[] {1}\", fillcolor=lightgrey];",
                 "n4 [label=\"add\\n[] {10}\\ngradient [] {1}\"];");
  check_contains(to_dot({y}, {.gradients = true}), "mul\\n[]\\ngradient [] {1}");
  check_contains(to_dot({y}, {.values = true}), "n2 [label=\"mul\\n[] {9}\"];");
}

TEST_CASE("to_dot: Graphviz draws it" *
          doctest::skip(std::system("dot -V 2>&1 | grep -q graphviz") != 0)) {
  const TempDir folder;
  std::ofstream(folder / "graph.dot") << to_dot({sampled_sum()});
  const std::string command = "dot -Tsvg -o '" + folder / "graph.svg" + "' '" +
                              folder / "graph.dot" + "' 2> '" + folder / "errors" + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  const auto text_of = [&](const std::string& name) {
    std::ifstream file(folder / name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string svg = text_of("graph.svg");
  CHECK(text_of("errors").empty());
  CHECK(count_of(svg, "class=\"node\"") == 6);
  CHECK(count_of(svg, "class=\"edge\"") == 5);
  check_contains(svg, "bernoulli[st]", "[1,3]", "</svg>");
}

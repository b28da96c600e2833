// hello_autodiff - the first ten minutes: gradients, gradients of gradients, and a sampling node
// whose gradient is a choice. It reads no data and prints what it does.
#include <cmath>
#include <iomanip>
#include <iostream>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/graph_print.h"
#include "stflow/estimators/estimators.h"
#include "stflow/train/console/options.h"
#include "stflow/train/console/program.h"

using namespace stflow;

namespace {

void differentiate() {
  std::cout << "1. A function of two numbers, y = x tanh(w x), and its gradients\n";
  const Var x = Var::parameter(Tensor::scalar(0.5));
  const Var w = Var::parameter(Tensor::scalar(2));
  const Var y = x * tanh(w * x);
  std::cout << to_text({y});

  const Vars first = grad({y}, {x, w}, /*create_graph=*/true);
  const Var second = grad({first[0]}, {x})[0];
  std::cout << "y = " << y.item() << ", dy/dx = " << first[0].item()
            << ", dy/dw = " << first[1].item() << ", d2y/dx2 = " << second.item() << "\n";
  std::cout << "The same with the value and the gradient of each node; dot -Tsvg draws it:\n"
            << to_dot({y}, {.values = true, .gradients = true}) << "\n";
}

// The cost of a bit: 0 and 1 cost almost the same, so that the gradient is small and easily drowned
// in noise.
Var cost(const Var& bit) { return sum(square(bit - 0.45), {-1}); }

void compare_rules() {
  std::cout << "2. A coin z ~ Bernoulli(sigmoid(a)) with the cost (z - 0.45)^2: d E[cost] / da at "
               "a = 0.3,\n"
               "   estimated from 20,000 samples by each rule that fits\n";
  constexpr int64_t kRows = 20'000;
  RuleOptions options;
  options.inputs = options.latents = 1;  // for the rules that have a network of their own
  for (const std::string& name : rule_names("bernoulli")) {
    Rng rng(1);
    const Var logits = Var::parameter(Tensor::full({kRows, 1}, real(0.3)));
    const Var costs = expect(
        Bernoulli(logits), make_rule(name, options), Scope{rng},
        [](const Var& z, const Scope&) { return cost(z); }, /*context=*/logits);
    const Tensor estimates = grad({sum(costs)}, {logits})[0].value();
    const double average = mean(estimates).item();
    const double variance = mean(square(estimates - average)).item();
    std::cout << "   " << std::left << std::setw(18) << name << std::right << std::fixed
              << std::setprecision(5) << "mean " << std::setw(8) << average
              << "   standard deviation " << std::sqrt(variance) << "\n";
  }
  std::cout << std::defaultfloat << "\n";
}

void show_graph() {
  std::cout
      << "3. A sample as a node, marked by *: draw() is for models that do not fit expect()\n";
  Rng rng(1);
  const Var logits = Var::parameter(Tensor::from({real(0.3), -1, 2}, {1, 3}));
  const Var z = draw(Bernoulli(logits), mmd({.bandwidth = 1, .epsilon = 0.1}), Scope{rng});
  const Var loss = sum(cost(z));
  loss.backward();
  std::cout << to_text({loss}) << "z = " << z.value().str()
            << "\ngradient = " << logits.grad().str() << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** words) {
    Options("hello_autodiff", "Shows gradients, gradients of gradients, and a sampling node.")
        .parse(count, words);
    differentiate();
    compare_rules();
    show_graph();
  });
}

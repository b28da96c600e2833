// diagnostics.cpp - means and variances by Welford's recursion, in double.
#include "stflow/estimators/lab/diagnostics.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "stflow/autodiff/grad.h"
#include "stflow/nn/optim.h"
#include "stflow/tensor/statistics.h"

namespace stflow {
namespace {

constexpr int64_t kRowsAtOnce = 4096;

Var loss_of(const Problem& problem, const Var& param, Rng& rng, const Layer& expectation) {
  CHECK_ARG(problem.loss, "[estimates] problem '", problem.name, "' has no loss function");
  const Var loss = problem.loss(param, Scope{rng}, expectation);
  const int64_t rows = param.dim(0);
  CHECK_ARG(loss.defined() && loss.shape() == Shape{rows}, "[estimates] the loss of problem '",
            problem.name, "' must have shape [", rows, "], it has ",
            loss.defined() ? loss.shape().str() : "an empty Var");
  return loss;
}

Tensor counted_estimates(const Problem& problem, const std::vector<Rule>& rules, int64_t rows,
                         Rng& rng, int64_t& evaluations) {
  size_t depth = 0;  // stochastic layers around the one being evaluated
  evaluations = 0;
  const Layer expectation = [&](const Distribution& q, const Scope& scope, const Cost& cost) {
    CHECK_ARG(depth < rules.size(), "[estimates] problem '", problem.name, "' has more than ",
              rules.size(), " stochastic layers, the number of rules");
    if (depth > 0) --evaluations;  // the cost around this layer is not the innermost
    const Cost counted = [&](const Var& z, const Scope& inner) {
      ++evaluations;
      ++depth;
      const Var f = cost(z, inner);
      --depth;
      return f;
    };
    return expect(q, rules[depth], scope, counted, q.param().detach());
  };
  CHECK_ARG(rows >= 0 && rows <= kMostDraws, "[estimates] makes 0 to ", kMostDraws, " rows, got ",
            rows);
  const Var param =
      Var::parameter(broadcast_to(problem.param, {rows, problem.param.dim(-1)}).clone());
  return grad({sum(loss_of(problem, param, rng, expectation))}, {param})[0].value();
}

double dot(const Tensor& a, const Tensor& b) {
  double total = 0;
  for (int64_t i = 0; i < a.numel(); ++i) total += double{a[i]} * b[i];
  return total;
}

}  // namespace

std::vector<std::unique_ptr<Distribution>> layers_of(const Problem& problem) {
  std::vector<std::unique_ptr<Distribution>> layers;
  const NoGradGuard no_grad;
  Rng rng(0);
  loss_of(problem, problem.param, rng,
          [&](const Distribution& q, const Scope& scope, const Cost& cost) {
            layers.push_back(q.with_param(q.param().detach()));
            return cost(q.sample(scope.rng), scope);
          });
  return layers;
}

std::vector<Rule> rules_for(const Problem& problem, const std::string& name, RuleOptions options) {
  std::vector<Rule> rules;
  for (const auto& layer : layers_of(problem)) {
    options.inputs = options.latents = layer->param().dim(-1);
    rules.push_back(make_rule(name, options));
    const std::string refusal = rules.back().takes.refusal(name, *layer);
    CHECK_ARG(refusal.empty(), "[rules_for] problem '", problem.name, "': ", refusal);
    ++options.seed;
  }
  return rules;
}

std::vector<std::string> rule_names(const Problem& problem) {
  const auto layers = layers_of(problem);
  std::vector<std::string> names;
  for (const RuleInfo& rule : rule_registry()) {
    const bool taken = std::ranges::all_of(
        layers, [&](const auto& layer) { return rule.refusal(*layer).empty(); });
    if (taken) names.push_back(rule.name);
  }
  return names;
}

Tensor estimates(const Problem& problem, const std::vector<Rule>& rules, int64_t rows, Rng& rng) {
  int64_t ignored = 0;
  return counted_estimates(problem, rules, rows, rng, ignored);
}

void train_rules(const Problem& problem, const std::vector<Rule>& rules, int64_t steps, Rng& rng,
                 double lr) {
  Vars parameters;
  for (const Rule& rule : rules) {
    for (const Var& each : rule.trained()) parameters.push_back(each);
  }
  CHECK_ARG(steps >= 0 && steps <= kMostDraws, "[train_rules] takes 0 to ", kMostDraws,
            " steps, got ", steps);
  optim::Adam adam(parameters, {.lr = lr});
  for (int64_t step = 0; step < steps; ++step) {
    adam.zero_grad();
    estimates(problem, rules, 1000, rng);
    adam.step();
  }
}

Diagnosis diagnose(const Problem& problem, const std::vector<Rule>& rules, int64_t draws,
                   Rng& rng) {
  CHECK_ARG(draws >= 2 && draws <= kMostDraws,
            "[diagnose] a variance needs at least 2 draws, and at most ", kMostDraws,
            " are taken, got ", draws);
  CHECK_ARG(problem.param.rank() == 2 && problem.param.dim(0) == 1, "[diagnose] problem '",
            problem.name, "': expected a param [1,D], got ", problem.param.shape());
  Diagnosis found{};
  found.exact = estimates(problem, rules_for(problem, "exact"), 1, rng);
  const int64_t units = found.exact.dim(-1);
  std::vector<double> mean(static_cast<size_t>(units)), squares(static_cast<size_t>(units));
  std::vector<double> seconds;  // an estimate, for each chunk
  for (int64_t done = 0; done < draws;) {
    const int64_t rows = std::min(kRowsAtOnce, draws - done);
    const auto start = std::chrono::steady_clock::now();
    const Tensor each = counted_estimates(problem, rules, rows, rng, found.evaluations);
    const std::chrono::duration<double> lap = std::chrono::steady_clock::now() - start;
    seconds.push_back(lap.count() / static_cast<double>(rows));
    for (int64_t r = 0; r < rows; ++r) {
      ++done;
      for (int64_t d = 0; d < units; ++d) {
        const auto at = static_cast<size_t>(d);
        const double step = each[r * units + d] - mean[at];
        mean[at] += step / static_cast<double>(done);
        squares[at] += step * (each[r * units + d] - mean[at]);
      }
    }
  }

  const auto n = static_cast<double>(draws);
  const double norm = std::sqrt(dot(found.exact, found.exact));
  found.mean = Tensor({1, units});
  double error = 0, size = norm * norm, worst = 0;
  for (size_t d = 0; d < mean.size(); ++d) {
    found.mean.data()[d] = static_cast<real>(mean[d]);
    error += std::pow(mean[d] - found.exact[static_cast<int64_t>(d)], 2);
    found.trace_variance += squares[d] / (n - 1);
    size += mean[d] * mean[d] + squares[d] / n;
  }
  // A difference within rounding is none, even where the variance is zero; nor is one as large as
  // the tail of counts that 'exact' leaves out, for Poisson 3e-7 of a linear cost's gradient at
  // rate 3500.
  const bool counts = std::ranges::any_of(
      layers_of(problem), [](const auto& layer) { return layer->support() == Support::counts; });
  const double tail = counts ? 1e-6 : 0;
  const double rounding =
      std::max(64 * double{std::numeric_limits<real>::epsilon()}, tail) * std::sqrt(size);
  for (size_t d = 0; d < mean.size(); ++d) {
    const double off = mean[d] - found.exact[static_cast<int64_t>(d)];
    const double z = std::abs(off) / std::hypot(std::sqrt(squares[d] / (n - 1) / n), rounding);
    worst = std::max(worst, std::isfinite(off) ? z : std::numeric_limits<double>::infinity());
  }
  found.relative_bias = std::sqrt(error) / norm;
  found.bias_error = std::sqrt(found.trace_variance / n) / norm;
  found.p_value = std::min(1.0, static_cast<double>(units) * std::erfc(worst / std::sqrt(2)));
  found.cosine = dot(found.mean, found.exact) / (norm * std::sqrt(dot(found.mean, found.mean)));
  found.microseconds = 1e6 * quantile(seconds, 0.5);
  return found;
}

}  // namespace stflow

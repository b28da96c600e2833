// diagnostics.cpp - means and variances by Welford's recursion, in double.
#include "stflow/estimators/lab/diagnostics.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "stflow/autodiff/grad.h"
#include "stflow/nn/optim.h"

namespace stflow {
namespace {

constexpr int64_t kRowsAtOnce = 4096;

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
  CHECK_ARG(problem.loss, "[estimates] problem '", problem.name, "' has no loss function");
  const Var loss = problem.loss(param, Scope{rng}, expectation);
  CHECK_ARG(loss.defined() && loss.shape() == Shape{rows}, "[estimates] the loss of problem '",
            problem.name, "' must have shape [", rows, "], it has ",
            loss.defined() ? loss.shape().str() : "an empty Var");
  return grad({sum(loss)}, {param})[0].value();
}

double dot(const Tensor& a, const Tensor& b) {
  double total = 0;
  for (int64_t i = 0; i < a.numel(); ++i) total += double{a[i]} * b[i];
  return total;
}

}  // namespace

std::vector<Rule> rules_for(const Problem& problem, const std::string& name, RuleOptions options) {
  const RuleInfo& info = rule_info(name);
  std::string laws;
  for (const std::string& law : info.laws) laws += (laws.empty() ? "" : ", ") + law;
  CHECK_ARG(info.fits(problem.law), "[rules_for] problem '", problem.name, "': rule '", name,
            "' fits ", laws, "; there is no law '", problem.law, "' among them");
  std::vector<Rule> rules;
  for (const int64_t width : problem.widths) {
    options.inputs = options.latents = width;
    rules.push_back(make_rule(name, options));
    ++options.seed;
  }
  return rules;
}

Tensor estimates(const Problem& problem, const std::vector<Rule>& rules, int64_t rows, Rng& rng) {
  int64_t ignored = 0;
  return counted_estimates(problem, rules, rows, rng, ignored);
}

void train_rules(const Problem& problem, const std::vector<Rule>& rules, int64_t steps, Rng& rng,
                 double lr) {
  Vars parameters;
  for (const Rule& rule : rules)
    parameters.insert(parameters.end(), rule.parameters.begin(), rule.parameters.end());
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
  // the Poisson tail that 'exact' leaves out, 3e-7 of a linear cost's gradient at rate 3500.
  const double tail = problem.law == "poisson" ? 1e-6 : 0;
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
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  found.microseconds = 1e6 * *middle;
  return found;
}

}  // namespace stflow

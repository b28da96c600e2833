// ops_likelihood.cpp - log-likelihoods from unbounded parameters (logits, log rates), summed over
// the last axis. Written with softplus and log-softmax, they stay finite wherever the result is.
#include <cmath>

#include "stflow/autodiff/ops.h"
#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/special.h"

namespace stflow {
namespace {

/// A function of one number in double, and its derivative.
struct Function {
  double (*value)(double);
  Var (*derivative)(const Var&);
};

constexpr Function kIdentity{[](double v) { return v; }, [](const Var&) { return Var(1.0); }};
constexpr Function kExp{[](double v) { return std::exp(v); }, [](const Var& v) { return exp(v); }};
constexpr Function kLog{[](double v) { return std::log(v); }, [](const Var& v) { return 1 / v; }};
/// d log Gamma(v + 1) / dv
constexpr Function kDigamma{[](double v) { return polygamma(0, v + 1); },
                            [](const Var& v) { return polygamma(1, v + 1); }};

/// f(a) - g(b), subtracted in double: in float nothing would be left of a small difference.
///     y = f(a) - g(b):  da = dy f'(a), db = -dy g'(b)
Var difference(const Var& a, const Var& b, const Function& f, const Function& g) {
  const auto each = [=](real a_i, real b_i) {
    return static_cast<real>(f.value(a_i) - g.value(b_i));
  };
  return make_node("difference", map(each, a.value(), b.value()), {a, b},
                   [=](const Var& out, const Var& up) {
                     return Vars{up * f.derivative(out.input(0)), -up * g.derivative(out.input(1))};
                   });
}

}  // namespace

// y = sum_j x_j a_j - softplus(a_j):  da = dy (x - sigmoid(a)), dx = dy a
//     [...,D] = [...,1] [...,D]
Var bernoulli_log_prob(const Var& logits, const Var& x) {
  Tensor residual;  // the derivative in the logits comes with the value
  const bool keep = grad_enabled() && logits.requires_grad();
  const Tensor value = bernoulli_log_prob(logits.value(), x.value(), keep ? &residual : nullptr);
  return make_node(
      "bernoulli_log_prob", value, {logits, x}, [residual](const Var& out, const Var& up) {
        const Var each = reshape(up, up.shape().inserted(up.rank(), 1));
        return Vars{out.wants(0)
                        ? bernoulli_log_prob_grad(each, out.input(0), out.input(1), residual)
                        : Var(),
                    out.wants(1) ? each * replace_inf(out.input(0), 0) : Var()};
      });
}

// y = sum_k x_k log pi_k, made of ops that have their rules
Var categorical_log_prob(const Var& logits, const Var& x) {
  Var log_pi = log_softmax(logits);
  if (!all_finite(log_pi.value())) log_pi = where(x.value(), log_pi, replace_inf(log_pi, 0));
  return sum(x * log_pi, {-1});
}

// y = x r - e^r - log Gamma(x + 1):  dr = dy (x - e^r), dx = dy (r - psi_0(x + 1))
Var poisson_log_prob(const Var& log_rate, const Var& x) {
  const Shape shape = broadcast_shapes(log_rate.shape(), x.shape(), "poisson_log_prob");
  const Var r = broadcast_to(log_rate, shape), counts = broadcast_to(x, shape);
  const auto log_pmf = [](real r_i, real k) {
    return static_cast<real>(poisson_log_pmf(k, std::exp(double{r_i}), r_i));
  };
  const auto backward = [](const Var& out, const Var& up) {
    const Var &a = out.input(0), &k = out.input(1);
    return Vars{out.wants(0) ? up * difference(k, a, kIdentity, kExp) : Var(),
                out.wants(1) ? up * difference(a, k, kIdentity, kDigamma) : Var()};
  };
  const Tensor value = map(log_pmf, r.value(), counts.value());
  return sum(make_node("poisson_log_prob", value, {r, counts}, backward), {-1});
}

// y = x log m - m - log Gamma(x + 1):  dm = dy (x - m) / m, dx = dy (log m - psi_0(x + 1))
Var poisson_log_pmf(const Var& rate, const Var& x) {
  const Shape shape = broadcast_shapes(rate.shape(), x.shape(), "poisson_log_pmf");
  const Var lambda = broadcast_to(rate, shape), counts = broadcast_to(x, shape);
  const auto log_pmf = [](real mean, real k) {
    return static_cast<real>(poisson_log_pmf(k, mean, std::log(double{mean})));
  };
  const auto backward = [](const Var& out, const Var& up) {
    const Var &mean = out.input(0), &k = out.input(1);
    return Vars{out.wants(0) ? up * ((k - mean) / mean) : Var(),
                out.wants(1) ? up * difference(mean, k, kLog, kDigamma) : Var()};
  };
  return make_node("poisson_log_pmf", map(log_pmf, lambda.value(), counts.value()),
                   {lambda, counts}, backward);
}

// y = -log pi_label, made of ops that have their rules
Var cross_entropy(const Var& logits, const Tensor& labels) {
  CHECK_ARG(logits.rank() > 0 && labels.shape() == logits.shape().without(-1),
            "[cross_entropy] logits ", logits.shape(), " need labels of their leading shape, got ",
            labels.shape());
  return -categorical_log_prob(logits, one_hot(labels, logits.dim(-1)));
}

}  // namespace stflow

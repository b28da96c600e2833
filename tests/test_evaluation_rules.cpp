// test_evaluation_rules.cpp - the rules that evaluate the cost again, on bernoulli4: unbiased, with
// the variances of an independent implementation.
#include <doctest/doctest.h>

#include "stflow/estimators/rules/control_variate.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

const Cost kBernoulli4 = ignoring_scope(bernoulli4_cost);

Moments sampled_moments(const Rule& rule, uint64_t seed, int64_t rows = 200'000) {
  Rng rng(seed);
  return moments(estimates(rule, copies(bernoulli4_logits(), rows), kBernoulli4, rng));
}

// Steps the rule's own parameters `steps` times, on 1,000 rows each.
void train(const Rule& rule, int steps, double rate, uint64_t seed) {
  Rng rng(seed);
  const Tensor logits = copies(bernoulli4_logits(), 1'000);
  for (int step = 0; step < steps; ++step) {
    for (Var parameter : rule.trained()) parameter.zero_grad();
    estimates(rule, logits, kBernoulli4, rng);
    for (Var parameter : rule.trained()) {
      if (parameter.grad().defined()) {
        add_scaled_(parameter.mutable_value(), parameter.grad(), static_cast<real>(-rate));
      }
    }
  }
}

}  // namespace

TEST_CASE("muprop: expectation over all states equals enumeration, variance is the known one") {
  const Moments all = enumerated_moments(muprop(), bernoulli4_logits(), kBernoulli4);
  check_close(all.mean, bernoulli4_exact(), 0, 3e-6);
  CHECK(all.trace_variance == doctest::Approx(1.305).epsilon(1e-3));
}

TEST_CASE("leave-one-out: unbiased, and more samples than two help more than averaging") {
  const Moments two = sampled_moments(leave_one_out(2), 21);
  check_unbiased(two, bernoulli4_exact());
  CHECK(two.trace_variance == doctest::Approx(2.87).epsilon(0.05));
  const Moments four = sampled_moments(leave_one_out(4), 22);
  check_unbiased(four, bernoulli4_exact());
  CHECK(four.trace_variance == doctest::Approx(0.947).epsilon(0.05));
}

TEST_CASE("leave-one-out: expectation over all pairs of states equals enumeration") {
  const Bernoulli q{Var(bernoulli4_logits())};
  const Tensor noise = noise_for_states(q);  // [16,4]
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < 256; ++i) {
    first.push_back(i / 16);
    second.push_back(i % 16);
  }
  const Tensor pairs =
      concat(std::vector<Tensor>{gather_rows(noise, first), gather_rows(noise, second)}, 0);
  Rng rng = Rng::replay({pairs.reshape({2, 256, 4})});
  const Tensor each =
      estimates(leave_one_out(2), copies(bernoulli4_logits(), 256), kBernoulli4, rng);
  const Tensor p = exp(q.log_prob(Var(q.states())).value()).reshape({16, 1});
  const Tensor weight = mul(gather_rows(p, first), gather_rows(p, second));
  check_close(sum(mul(each, weight), {0}, true), bernoulli4_exact(), 0, 3e-6);
}

TEST_CASE("disarm: unbiased with the known variance, below arm's on the same draws") {
  const Moments disarm_draws = sampled_moments(disarm(), 23);
  check_unbiased(disarm_draws, bernoulli4_exact());
  CHECK(disarm_draws.trace_variance == doctest::Approx(2.21).epsilon(0.05));
  CHECK(disarm_draws.trace_variance < sampled_moments(arm(), 23).trace_variance);
}

TEST_CASE("reinforce: baselines keep it unbiased and lower its variance") {
  const Rule running = reinforce_mean();
  train(running, 50, 0, 31);
  const Moments with_mean = sampled_moments(running, 32);
  check_unbiased(with_mean, bernoulli4_exact());
  CHECK(with_mean.trace_variance < 4.5);  // plain: 4.791

  const Rule learned = reinforce_net(control_network(4, 5));
  train(learned, 200, 0.002, 33);
  const Moments with_net = sampled_moments(learned, 34);
  check_unbiased(with_net, bernoulli4_exact());
  CHECK(with_net.trace_variance < 4.5);
}

TEST_CASE("relax: unbiased for any network, and training lowers its variance") {
  const Rule rule = relax(control_network(4, 6));
  const Moments before = sampled_moments(rule, 41, 50'000);
  check_unbiased(before, bernoulli4_exact());
  train(rule, 150, 0.01, 42);
  const Moments after = sampled_moments(rule, 43, 50'000);
  check_unbiased(after, bernoulli4_exact());
  CHECK(after.trace_variance < 0.95 * before.trace_variance);
}

TEST_CASE("rules with a network or a context say what is missing") {
  Rng rng(1);
  const Bernoulli q(Var::parameter(bernoulli4_logits()));
  check_contains(
      message_of([&] { expect(q, reinforce_net(control_network(4, 1)), Scope{rng}, kBernoulli4); }),
      "'reinforce-net'", "context");
  check_contains(message_of([&] { make_rule("relax"); }), "'relax'", "latents");
  check_contains(message_of([&] { make_rule("reinforce-net"); }), "'reinforce-net'", "inputs");
  check_contains(message_of([&] { leave_one_out(1); }), "'leave-one-out'", "two");
  check_contains(message_of([&] { expect(q, measure_valued(), Scope{rng}, kBernoulli4); }),
                 "'measure-valued'", "bernoulli");
  check_contains(message_of([&] { expect(q, from_local(fini2()), Scope{rng}, kBernoulli4); }),
                 "'fini2'", "bernoulli");
}

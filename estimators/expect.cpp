#include "estimators/expect.h"

namespace stflow {
namespace {

// The gradient as an end of differentiation: going on through it, to the upstream gradient or to
// the parameter, throws.
Var differentiable_once(const Var& gradient, const Var& up, const Var& param,
                        const std::string& label) {
  return make_node(
      "estimate", gradient.value(), {up, param},
      [label](const Var&, const Var&) -> std::vector<Var> {
        throw std::invalid_argument("[grad] the gradient of '" + label +
                                    "' is a sampled estimate and cannot be differentiated again");
      });
}

// The same value; notes the upstream gradient of each row when it passes on its way to the samples.
Var note_upstream(const Var& rows, const std::shared_ptr<Tensor>& noted) {
  return make_node("expect", rows.value(), {rows},
                   [noted](const Var&, const Var& up) -> std::vector<Var> {
                     *noted = up.value();
                     return {up};
                   });
}

}  // namespace

Var expect(const Distribution& q, const Rule& rule, const Scope& scope, const Cost& cost,
           const Var& context) {
  const Cost checked = [&](const Var& z, const Scope& inner) {
    const Var f = cost(z, inner);
    const Shape examples = z.shape().without(-1);
    // A layer whose parameter is the same for several samples around it has one sample for all of
    // them: without a rule (mean, relaxed) it may, a rule needs the cost of each.
    Shape last = f.shape();  // axes of f, as many as examples has
    while (last.rank() > examples.rank()) last = last.without(0);
    const bool shared = last == examples && f.shape() != examples && f.shape() != z.shape();
    CHECK_ARG(f.shape() == examples || (shared && scope.pass != Pass::sample),
              "[expect] the cost must give one number for each example, shape ", examples,
              "; it gave ", f.shape(), "; hint: ",
              shared ? "broadcast_to() this layer's parameter to the cost's leading axes"
                     : "sum over axis -1, not over the batch");
    return f;
  };
  if (scope.pass == Pass::mean) return checked(q.mean(), scope);
  if (scope.pass == Pass::relaxed) return checked(q.relaxed(scope.temperature, scope.rng), scope);
  if (!grad_enabled() && !rule.enumerates) return checked(q.sample(scope.rng), scope);
  return rule.apply(q, scope, checked, context);
}

Var expect(const Distribution& q, const LocalRule& rule, const Scope& scope, const Cost& cost) {
  return expect(q, from_local(rule), scope, cost);
}

Var draw(const Distribution& q, const LocalRule& rule, const Scope& scope,
         const std::shared_ptr<Tensor>& row_weight) {
  switch (scope.pass) {
    case Pass::mean:
      return q.mean();
    case Pass::relaxed:
      return q.relaxed(scope.temperature, scope.rng);
    case Pass::sample:
      break;
  }
  return rule.draw(q, scope, row_weight);
}

Var sample_node(const Distribution& q, const std::string& rule, const Tensor& z, const Var& input,
                const Backward& backward) {
  const std::string label = q.law() + "[" + rule + "]";
  return make_node(label, z, {input},
                   [label, backward](const Var& out, const Var& up) -> std::vector<Var> {
                     return {differentiable_once(backward(out, up).at(0), up, out.input(0), label)};
                   });
}

Rule from_local(const LocalRule& rule, int64_t samples) {
  CHECK_ARG(samples >= 1, "rule '", rule.name, "' needs at least one sample, got ", samples);
  const auto apply = [rule, samples](const Distribution& q, const Scope& scope, const Cost& cost,
                                     const Var&) {
    const auto weight = std::make_shared<Tensor>();
    if (samples == 1) return note_upstream(cost(draw(q, rule, scope, weight), scope), weight);
    const Var z = draw(*repeated(q, samples), rule, scope, weight);
    return mean(note_upstream(cost(z, scope), weight), {0});
  };
  return {rule.name, apply};
}

Var attach(const Var& param, const Tensor& ghat) {
  return make_node(
      "attach", Tensor::zeros(ghat.shape().without(-1)), {param},
      [ghat](const Var& out, const Var& up) -> std::vector<Var> {
        return {differentiable_once(per_row(up) * Var(ghat), up, out.input(0), "attach")};
      });
}

}  // namespace stflow

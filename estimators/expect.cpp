#include "stflow/estimators/expect.h"

#include <algorithm>

#include "stflow/estimators/distributions/checks.h"

namespace stflow {
namespace {

// The gradient as an end of differentiation: going on through it, to the upstream gradient or to
// the parameter, throws.
Var differentiable_once(const Var& gradient, const Var& up, const Var& param,
                        const std::string& label) {
  return make_node(
      "estimate", gradient.value(), {up, param}, [label](const Var&, const Var&) -> Vars {
        throw std::invalid_argument("[grad] the gradient of '" + label +
                                    "' is a sampled estimate and cannot be differentiated again");
      });
}

// The same value; notes the upstream gradient of each row when it passes on its way to the samples.
Var note_upstream(const Var& rows, const std::shared_ptr<Tensor>& noted) {
  return make_node("expect", rows.value(), {rows}, [noted](const Var&, const Var& up) {
    *noted = up.value();
    return Vars{up};
  });
}

std::string shape_of(const Var& x) { return x.defined() ? x.shape().str() : "an empty Var"; }

bool ends_with(const Shape& shape, const Shape& end) {
  return shape.rank() >= end.rank() && std::equal(end.begin(), end.end(), shape.end() - end.rank());
}

std::string words(Support support) {
  switch (support) {
    case Support::bits:
      return "bit";
    case Support::one_hot:
      return "one-hot";
    case Support::counts:
      break;
  }
  return "count";
}

std::string words(Trait trait) {
  switch (trait) {
    case Trait::states:
      return "states to enumerate";
    case Trait::relaxation:
      return "a continuous relaxation";
    case Trait::probabilities:
      return "known probabilities";
    case Trait::inverse:
      return "an inverse distribution function";
    case Trait::mean_parameter:
      return "a mean that tells the parameter";
    case Trait::measure_valued:
      break;
  }
  return "a measure-valued derivative";
}

std::string words(const std::string& name) { return name; }

/// "a", "a and b", "a, b and c"
template <typename T>
std::string listed(const std::vector<T>& all, const std::string& last) {
  std::string text;
  for (size_t i = 0; i < all.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == all.size() ? last : ", ") + words(all[i]);
  }
  return text;
}

template <typename T>
bool lists(const std::vector<T>& all, const T& one) {
  return all.empty() || std::count(all.begin(), all.end(), one) > 0;
}

void check_scope(const char* op, const Scope& scope) {
  CHECK_ARG(scope.paths >= 1, "[", op, "] paths of the Scope must be at least 1, got ",
            scope.paths);
}

void check_takes(const Takes& takes, const std::string& rule, const Distribution& q) {
  const std::string refusal = takes.refusal(rule, q);
  CHECK_ARG(refusal.empty(), refusal);
}

}  // namespace

std::string Takes::refusal(const std::string& rule, const Distribution& q) const {
  const bool has = traits.empty() || std::any_of(traits.begin(), traits.end(),
                                                 [&](Trait trait) { return q.has(trait); });
  if (lists(names, q.name()) && lists(supports, q.support()) && has) return "";
  std::string fits = !names.empty()      ? listed(names, " and ") + " layers"
                     : !supports.empty() ? listed(supports, " and ") + " layers"
                                         : "layers";
  if (!traits.empty()) fits += " with " + listed(traits, " or ");
  return "rule '" + rule + "' fits " + fits + " only, this one is " + q.name() + why;
}

Vars Rule::trained() const {
  Vars variables;
  for (const auto& [each, variable] : parameters) variables.push_back(variable);
  return variables;
}

Var expect(const Distribution& q, const Rule& rule, const Scope& scope, const Cost& cost,
           const Var& context) {
  check_scope("expect", scope);
  CHECK_ARG(cost && rule.apply, "[expect] ",
            cost ? "rule '" + rule.name + "' has no function" : "the cost is an empty function");
  const Cost checked = [&](const Var& z, const Scope& inner) {
    CHECK_ARG(z.defined() && ends_with(z.shape(), q.param().shape()), "[expect] samples of a ",
              q.name(), " layer with a parameter ", q.param().shape(),
              " must end with its axes; rule '", rule.name, "' took ", shape_of(z));
    const Var f = cost(z, inner);
    CHECK_ARG(f.defined(), "[expect] the cost must give one number for each example, shape ",
              z.shape().without(-1), "; it gave an empty Var");
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
  const bool applies = grad_enabled() || rule.enumerates || (rule.relaxes && scope.difference);
  if (!applies) return checked(q.sample(scope.rng), scope);
  check_takes(rule.takes, rule.name, q);
  const Var value = rule.apply({q, scope, checked, context});
  const Shape examples = q.param().shape().without(-1);
  CHECK_ARG(value.defined() && value.shape() == examples, "[expect] rule '", rule.name,
            "' must give one number for each example, shape ", examples, "; it gave ",
            shape_of(value));
  return value;
}

Var expect(const Distribution& q, const LocalRule& rule, const Scope& scope, const Cost& cost) {
  return expect(q, from_local(rule), scope, cost);
}

Var draw(const Distribution& q, const LocalRule& rule, const Scope& scope) {
  check_scope("draw", scope);
  CHECK_ARG(rule.draw, "[draw] rule '", rule.name, "' has no function");
  switch (scope.pass) {
    case Pass::mean:
      return q.mean();
    case Pass::relaxed:
      return q.relaxed(scope.temperature, scope.rng);
    case Pass::sample:
      break;
  }
  check_takes(rule.takes, rule.name, q);
  const Var z = rule.draw(q, scope);
  CHECK_ARG(z.defined() && z.shape() == q.param().shape(), "[draw] rule '", rule.name,
            "' must draw a sample of the parameter's shape ", q.param().shape(), "; it gave ",
            shape_of(z));
  return z;
}

Var sample_node(const Distribution& q, const std::string& rule, const Tensor& z, const Var& input,
                const Backward& backward) {
  const std::string label = q.name() + "[" + rule + "]";
  CHECK_ARG(backward, "[sample_node] rule '", rule, "' has no backward function");
  return make_node(label, z, {input}, [label, backward](const Var& out, const Var& up) {
    const Vars found = backward(out, up);
    CHECK_ARG(found.size() == 1, "[sample_node] the backward function of '", label,
              "' must give one gradient, it gave ", found.size());
    if (!found[0]) return Vars{Var()};
    return Vars{differentiable_once(found[0], up, out.input(0), label)};
  });
}

Rule from_local(const LocalRule& rule, int64_t samples) {
  require_samples(rule.name, samples);
  CHECK_ARG(rule.draw, "[from_local] rule '", rule.name, "' has no function");
  const auto apply = [rule, samples](const Expectation& e) {
    Scope weighted = e.scope;
    weighted.row_weight = std::make_shared<Tensor>();
    const Var z = draw(samples == 1 ? e.q : *repeated(e.q, samples), rule, weighted);
    const Var f = note_upstream(e.cost(z, e.scope), weighted.row_weight);
    if (z.requires_grad()) require_path(rule.name, f, z);
    return samples == 1 ? f : sum(f, {0}) / static_cast<double>(samples);
  };
  return {.name = rule.name, .apply = apply, .relaxes = rule.relaxes, .takes = rule.takes};
}

Var attach(const Var& param, const Tensor& ghat) {
  CHECK_ARG(param.defined() && ghat.defined() && ghat.shape() == param.shape(),
            "[attach] an estimate for a parameter ", shape_of(param),
            " must have its shape; it has ", ghat.defined() ? ghat.shape().str() : "none");
  return make_node(
      "attach", Tensor::zeros(ghat.shape().without(-1)), {param},
      [ghat](const Var& out, const Var& up) {
        return Vars{differentiable_once(per_row(up) * Var(ghat), up, out.input(0), "attach")};
      });
}

}  // namespace stflow

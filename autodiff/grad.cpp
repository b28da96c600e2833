// grad.cpp - the whole engine: order the graph, call each backward rule once, add up.
#include "stflow/autodiff/grad.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "stflow/autodiff/ops.h"

namespace stflow {
namespace {

using NodeSet = std::unordered_set<const Node*>;

// The nodes whose gradients the running call of grad() asks for; what Var::wants() looks at.
thread_local const NodeSet* asked_for = nullptr;

class AskedForGuard {
 public:
  explicit AskedForGuard(const NodeSet* nodes) : before_(std::exchange(asked_for, nodes)) {}
  ~AskedForGuard() { asked_for = before_; }
  AskedForGuard(const AskedForGuard&) = delete;
  AskedForGuard& operator=(const AskedForGuard&) = delete;

 private:
  const NodeSet* before_;
};

// All nodes behind the outputs that need a gradient, latest first. Ids grow with creation, so every
// use of a node comes before the node itself.
std::vector<const Var*> latest_first(const Vars& outputs) {
  std::vector<const Var*> found, pending;
  NodeSet seen;
  auto visit = [&](const Var& var) {
    if (var.requires_grad() && seen.insert(var.node()).second) pending.push_back(&var);
  };
  for (const Var& output : outputs) visit(output);
  while (!pending.empty()) {
    const Var* var = pending.back();
    pending.pop_back();
    found.push_back(var);
    for (const Var& input : var->inputs()) visit(input);
  }
  std::sort(found.begin(), found.end(),
            [](const Var* a, const Var* b) { return a->id() > b->id(); });
  return found;
}

bool has_input_in(const NodeSet& nodes, const Var& var) {
  return std::any_of(var.inputs().begin(), var.inputs().end(),
                     [&](const Var& input) { return nodes.count(input.node()) > 0; });
}

// Those of `nodes` from which some wrt can be reached.
NodeSet leading_to(const Vars& wrt, const std::vector<const Var*>& nodes) {
  NodeSet leading;
  for (const Var& var : wrt) leading.insert(var.node());
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    if (has_input_in(leading, **it)) leading.insert((*it)->node());
  }
  return leading;
}

}  // namespace

bool Var::wants(int i) const {
  const Var& wanted = inputs().at(i);
  return asked_for ? asked_for->count(wanted.node()) > 0 : wanted.requires_grad();
}

Vars grad(const Vars& outputs, const Vars& wrt, bool create_graph, const Vars& upstream) {
  CHECK_ARG(upstream.empty() || upstream.size() == outputs.size(), "[grad] ", outputs.size(),
            " outputs but ", upstream.size(), " upstream gradients");
  for (const Var& var : wrt) {
    CHECK_ARG(var.requires_grad(), "[grad] asked for the gradient of '",
              var.defined() ? var.op() : "an empty Var", "', which is a constant");
  }

  const GradMode mode(create_graph);
  const std::vector<const Var*> nodes = latest_first(outputs);
  const NodeSet leading = leading_to(wrt, nodes);
  const AskedForGuard asked(&leading);

  std::unordered_map<const Node*, Var> gradients;
  auto accumulate = [&](const Var& var, Var gradient) {
    if (gradient.shape() != var.shape()) gradient = sum_to(gradient, var.shape());
    Var& total = gradients[var.node()];
    total = total ? total + gradient : gradient;
  };

  for (size_t i = 0; i < outputs.size(); ++i) {
    const Shape& shape = outputs[i].shape();
    CHECK_ARG(upstream.empty() || upstream[i].shape() == shape, "[grad] upstream gradient ", i,
              " has shape ", upstream[i].shape(), ", output ", i, " has ", shape);
    accumulate(outputs[i], upstream.empty() ? Var(Tensor::ones(shape)) : upstream[i]);
  }
  NodeSet keep;
  for (const Var& var : wrt) keep.insert(var.node());

  for (const Var* var : nodes) {
    const auto entry = gradients.find(var->node());
    if (entry == gradients.end() || !has_input_in(leading, *var)) continue;
    const Var arrived = entry->second;
    if (!keep.count(var->node())) gradients.erase(entry);
    CHECK_ARG(!var->node()->changed_since(var->id()), "[grad] the result of '", var->op(),
              "', of shape ", var->shape(), ", was changed in place after it was made");
    const Vars results = var->node()->backward(*var, arrived);
    CHECK_ARG(results.size() == var->inputs().size(), "[grad] the rule of '", var->op(),
              "' returned ", results.size(), " gradients for ", var->inputs().size(), " inputs");
    for (size_t i = 0; i < results.size(); ++i) {
      const Var& input = var->inputs()[i];
      if (!results[i] || !leading.count(input.node())) continue;
      CHECK_ARG(broadcasts_to(input.shape(), results[i].shape()), "[grad] the rule of '", var->op(),
                "' returned a gradient of shape ", results[i].shape(), " for input ", i,
                " of shape ", input.shape());
      accumulate(input, results[i]);
    }
  }

  Vars result;
  for (const Var& var : wrt) {
    const auto entry = gradients.find(var.node());
    result.push_back(entry != gradients.end() ? entry->second : Var(Tensor::zeros(var.shape())));
  }
  return result;
}

bool depends_on(const Var& output, const Var& input) {
  std::vector<const Var*> pending{&output};
  NodeSet seen;
  while (!pending.empty()) {
    const Var& var = *pending.back();
    pending.pop_back();
    if (var.node() == input.node()) return true;
    // What was made before the input does not use it.
    if (var.id() < input.id() || !seen.insert(var.node()).second) continue;
    for (const Var& each : var.inputs()) pending.push_back(&each);
  }
  return false;
}

void backward(const Var& loss) {
  CHECK_ARG(loss.defined() && loss.value().numel() == 1, "backward() needs a scalar, got shape ",
            loss.defined() ? loss.shape().str() : "of an empty Var", "; use sum() or mean()");
  const Vars outputs{loss};
  Vars parameters;
  for (const Var* var : latest_first(outputs)) {
    if (var->inputs().empty()) parameters.push_back(*var);
  }
  CHECK_ARG(!parameters.empty(),
            "backward(): no parameter lies behind this value; was it made under NoGradGuard?");
  const Vars gradients = grad(outputs, parameters);
  for (size_t i = 0; i < parameters.size(); ++i) parameters[i].add_grad(gradients[i].value());
}

}  // namespace stflow

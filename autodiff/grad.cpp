// grad.cpp - the whole engine: reverse-mode differentiation, also called backpropagation.
//
// The chain rule says: the gradient of x is a sum over the uses y of x,
//     dL/dx = sum_y dL/dy dy/dx.
// The backward rule of y's op makes one of these terms, dL/dy dy/dx, from dL/dy. So grad() walks
// from the outputs back to the inputs, in four steps:
//     latest_first   the nodes behind the outputs, in the order in which their rules may run
//     leading_to     those of them that matter: a wrt lies behind them
//     seed           the gradient of each output: ones, or what the caller gives
//     propagate      runs each rule once and adds its terms to the gradients of the inputs
//
// Why latest first? A rule may run only when all uses of its node have contributed: otherwise it
// would pass on a part of the gradient and miss the rest. In this diamond, where L = z + w,
//
//            L  id 5
//           / \             dL/dy = dL/dz dz/dy + dL/dw dw/dy
//     id 4 w   z  id 3
//           \ /             The rules run in the order L, w, z, y: y waits for w and for z.
//            y  id 2        A depth-first walk L, w, y, ... would be wrong: y's rule would run
//            |              before the term of z is there.
//            x  id 1
//
// A node is made after its inputs, so it has a larger id than they have. From the largest id down,
// all uses of a node come before the node itself.
//
// Broadcasting. Where an op has repeated an input, each copy is a use of it, so their gradients are
// added: the engine sums every term down to the shape of its input, and no rule mentions
// broadcasting.
//
// What is left out. Rules of nodes behind which no wrt lies do not run. Inside a rule, Var::wants()
// says which inputs matter. A gradient is dropped as soon as the rule of its node has used it. No
// function here is recursive, since a graph may be a million nodes deep.
//
// Rules are made of differentiable ops. With create_graph they record a graph of their own, and so
// the gradient can be differentiated again.
#include "stflow/autodiff/grad.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "stflow/autodiff/ops.h"

namespace stflow {
namespace {

using NodeSet = std::unordered_set<const Node*>;
using Gradients = std::unordered_map<const Node*, Var>;

/// The nodes whose gradients somebody needs. While it lives, Var::wants() on this thread looks at
/// it: so a rule, which sees only its own node, can leave out work whose result nobody uses. A rule
/// may call grad() itself, hence `outer`.
struct Wanted {
  const NodeSet nodes;
  const Wanted* const outer;
  static inline thread_local const Wanted* current = nullptr;

  explicit Wanted(NodeSet set) : nodes(std::move(set)), outer(std::exchange(current, this)) {}
  ~Wanted() { current = outer; }
  Wanted(const Wanted&) = delete;
  Wanted& operator=(const Wanted&) = delete;

  bool has(const Var& var) const { return nodes.count(var.node()) > 0; }
};

/// All nodes behind the outputs that need a gradient, those made last first. Without constants: no
/// gradient flows into them.
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

/// The wrt, and those of `nodes` behind which some wrt lies. Read from the end, inputs come before
/// their uses, so one pass is enough.
NodeSet leading_to(const Vars& wrt, const std::vector<const Var*>& nodes) {
  NodeSet leading;
  for (const Var& var : wrt) leading.insert(var.node());
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    if (has_input_in(leading, **it)) leading.insert((*it)->node());
  }
  return leading;
}

/// Adds one term of the sum in the chain rule. An op may have broadcast `var`: the term is summed
/// down to its shape.
void accumulate(Gradients& gradients, const Var& var, Var term) {
  if (term.shape() != var.shape()) term = sum_to(term, var.shape());
  Var& total = gradients[var.node()];
  total = total ? total + term : term;
}

/// The gradients to start from: those of the outputs. One Var may be an output twice.
Gradients seed(const Vars& outputs, const Vars& upstream) {
  Gradients gradients;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Shape& shape = outputs[i].shape("grad");
    CHECK_ARG(upstream.empty() || upstream[i].shape("grad") == shape, "[grad] upstream gradient ",
              i, " has shape ", upstream[i].shape(), ", output ", i, " has ", shape);
    accumulate(gradients, outputs[i], upstream.empty() ? Var(Tensor::ones(shape)) : upstream[i]);
  }
  return gradients;
}

/// Runs the rule of `var` on its whole gradient: a term for each input, or an empty Var for zero.
Vars run_rule(const Var& var, const Var& upstream) {
  CHECK_ARG(!var.node()->changed_since(var.id()), "[grad] the result of '", var.op(),
            "', of shape ", var.shape(), ", was changed in place after it was made");
  Vars terms = var.node()->backward(var, upstream);
  CHECK_ARG(terms.size() == var.inputs().size(), "[grad] the rule of '", var.op(), "' returned ",
            terms.size(), " gradients for ", var.inputs().size(), " inputs");
  return terms;
}

/// Runs each rule that leads to a wrt, once, and adds up its terms. At the end `gradients` holds
/// those of the wrt.
void propagate(const std::vector<const Var*>& nodes, const Wanted& wanted, const Vars& wrt,
               Gradients& gradients) {
  NodeSet keep;  // what the caller asks for; a wrt may lie on the way to another
  for (const Var& var : wrt) keep.insert(var.node());

  for (const Var* var : nodes) {
    const auto entry = gradients.find(var->node());
    // No gradient has come here (every rule above said zero), or none is needed further down.
    if (entry == gradients.end() || !has_input_in(wanted.nodes, *var)) continue;
    const Var upstream = entry->second;  // complete: all uses of this node have come before it
    if (!keep.count(var->node())) gradients.erase(entry);

    const Vars terms = run_rule(*var, upstream);
    for (size_t i = 0; i < terms.size(); ++i) {
      const Var& input = var->inputs()[i];
      if (!terms[i] || !wanted.has(input)) continue;
      CHECK_ARG(broadcasts_to(input.shape(), terms[i].shape()), "[grad] the rule of '", var->op(),
                "' returned a gradient of shape ", terms[i].shape(), " for input ", i, " of shape ",
                input.shape());
      accumulate(gradients, input, terms[i]);
    }
  }
}

}  // namespace

bool Var::wants(int i) const {
  const Var& input = input_at(i);
  return Wanted::current ? Wanted::current->has(input) : input.requires_grad();
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
  const Wanted wanted(leading_to(wrt, nodes));
  Gradients gradients = seed(outputs, upstream);
  propagate(nodes, wanted, wrt, gradients);

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
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& before = parameters[i].grad();
    const Tensor& more = gradients[i].value();
    parameters[i].take_grad(before.defined() ? before + more : more);
  }
}

}  // namespace stflow

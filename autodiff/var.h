// var.h - a Var is a handle on one node of the graph: a value and how it came to be.
//
// Every differentiable function (ops.h) makes a node that remembers its inputs and a backward rule.
// The rule is written in the same differentiable functions, so a gradient can be differentiated
// again. grad.h walks the graph. A node lives as long as a handle or a later node needs it.
//
// A question to an empty Var throws with the name of the function that asks, as for Tensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "stflow/tensor/math.h"
#include "stflow/tensor/tensor.h"

namespace stflow {

class Var;
using Vars = std::vector<Var>;

/// Gradients of the inputs, in their order, from (this node's output, upstream gradient). An empty
/// Var means zero. A rule captures plain numbers, shapes and constant tensors, never a Var: that
/// would be a second owner, and a node whose rule holds a Var made from it is never freed.
///     [x](const Var&, const Var& up) { return Vars{up * x}; }                // wrong
///     [](const Var& out, const Var& up) { return Vars{up * out.input(0)}; }  // right
/// out.input_shape(i) is there where the shape is enough.
using Backward = std::function<Vars(const Var& out, const Var& upstream)>;

struct Node;

/// How files hold a parameter and the optimiser's averages of it: a linear layer's weight [in,out]
/// lies there transposed, as PyTorch's [out,in].
enum class Stored { as_it_is, transposed };

class Var {
 public:
  Var() = default;           // empty: no node
  Var(const Tensor& value);  // a constant: no gradient flows into it
  Var(double scalar);        // a constant of shape []
  /// A leaf that gradients flow into: what an optimiser trains.
  static Var parameter(const Tensor& value, Stored stored = Stored::as_it_is);

  bool defined() const { return node_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Tensor& value(const char* asking = __builtin_FUNCTION()) const;
  /// The value, to be changed in place (optimisers, loading weights). Leaves only; throws
  /// otherwise. From then on a gradient that needs the value as it was is an error: ask for the
  /// reference anew for each change.
  Tensor& mutable_value();
  const Shape& shape(const char* asking = __builtin_FUNCTION()) const {
    return value(asking).shape(asking);
  }
  int64_t dim(int axis, const char* asking = __builtin_FUNCTION()) const {
    return value(asking).dim(axis, asking);
  }
  int rank(const char* asking = __builtin_FUNCTION()) const { return value(asking).rank(asking); }
  real item() const { return value("item").item(); }

  /// Is there a parameter behind this value?
  bool requires_grad() const;
  /// What backward() has added up for this leaf; undefined before the first time.
  const Tensor& grad() const;
  /// Both keep a copy.
  void set_grad(const Tensor& grad);
  void add_grad(const Tensor& grad);
  void zero_grad();
  Stored stored() const;

  /// The same value as a constant.
  Var detach() const;
  /// Gradients of the sum of this scalar into .grad of all parameters behind it. Throws unless it
  /// has one element.
  void backward() const;

  // ---- the graph ----
  const std::string& op() const;  // "matmul", "parameter", "constant", "bernoulli[mmd]"
  const Vars& inputs() const;
  /// Inside a backward rule: input i. Throws when its value was changed in place after this node
  /// was made from it, for the gradient would be wrong.
  const Var& input(int i) const;
  const Shape& input_shape(int i) const { return input_at(i).shape(); }
  uint64_t id() const;  // grows with creation: an input's id is below its users'
  /// Inside a backward rule: is the gradient of input i asked for? (A constant's never is.)
  bool wants(int i) const;

  const Node* node() const { return node_.get(); }  // identity of the node
  long use_count() const { return node_.use_count(); }

 private:
  friend Var make_node(std::string, Tensor, Vars, Backward);
  friend struct Node;
  friend void backward(const Var& loss);
  const Node& node_or_throw(const char* asking) const;
  const Var& input_at(int i) const;
  void take_grad(const Tensor& grad);  // shares its memory
  std::shared_ptr<Node> node_;
};

/// The numbers, as of a Tensor, then the op and the shape: "[1, 2]  (mul, [2])".
std::ostream& operator<<(std::ostream& out, const Var& x);

struct Node {
  std::string op;
  Tensor value;
  Vars inputs;  // empty when no gradient is needed
  Backward backward;
  Tensor grad;          // leaves only
  uint64_t id;          // when it was made, by tick()
  uint64_t opened = 0;  // when mutable_value() was last asked for
  bool requires_grad = false;
  Stored stored = Stored::as_it_is;  // leaves only

  Node();
  ~Node();  // releases long chains without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  /// Was the value changed in place, or could it be, after that tick?
  bool changed_since(uint64_t tick) const { return std::max(opened, value.changed_at()) > tick; }
};

/// The result of an op. Remembers inputs and rule only when gradients are enabled and an input
/// needs one. Throws when the rule is empty.
Var make_node(std::string op, Tensor value, Vars inputs, Backward backward);

/// Nodes now alive in the whole program; a test that releases a graph sees it return to what it
/// was.
int64_t live_nodes();

/// Are graphs being recorded on this thread?
bool grad_enabled();

/// While it lives, graphs are recorded on this thread, or not.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

/// While it lives, nothing on this thread records a graph.
class NoGradGuard : public GradMode {
 public:
  NoGradGuard() : GradMode(false) {}
};

}  // namespace stflow

#include "stflow/autodiff/var.h"

#include <algorithm>
#include <atomic>
#include <ostream>
#include <utility>

#include "stflow/autodiff/grad.h"

namespace stflow {
namespace {

thread_local bool recording = true;
std::atomic<int64_t> alive{0};

const Tensor kNoTensor;

}  // namespace

Node::Node() : id(tick()) { ++alive; }

Node::~Node() {
  --alive;
  // Left to themselves, the inputs would be released one inside the other, as deep as the graph.
  Vars pending = std::move(inputs);
  while (!pending.empty()) {
    const Var last = std::move(pending.back());
    pending.pop_back();
    if (last.use_count() == 1) {
      Vars& deeper = last.node_->inputs;
      std::move(deeper.begin(), deeper.end(), std::back_inserter(pending));
      deeper.clear();
    }
  }
}

std::ostream& operator<<(std::ostream& out, const Var& x) {
  if (!x) return out << "empty Var";
  return out << x.value() << "  (" << x.op() << ", " << x.shape() << ")";
}

int64_t live_nodes() { return alive; }

Var::Var(const Tensor& value) : node_(std::make_shared<Node>()) {
  CHECK_ARG(value.defined(), "[Var] the tensor is undefined");
  node_->op = "constant";
  node_->value = value;
}

Var::Var(double scalar) : Var(Tensor::scalar(scalar)) {}

Var Var::parameter(const Tensor& value, Stored stored) {
  Var leaf(value);
  leaf.node_->stored = stored;
  leaf.node_->op = "parameter";
  leaf.node_->requires_grad = true;
  return leaf;
}

Stored Var::stored() const { return node_or_throw("stored").stored; }

const Tensor& Var::value(const char* asking) const { return node_or_throw(asking).value; }

Tensor& Var::mutable_value() {
  CHECK_ARG(defined() && node_->inputs.empty(),
            "[Var] only a leaf may be changed in place, this is '", defined() ? op() : "empty",
            "'");
  node_->opened = node_->value.mark_changed();
  return node_->value;
}

bool Var::requires_grad() const { return defined() && node_->requires_grad; }

const Tensor& Var::grad() const { return defined() ? node_->grad : kNoTensor; }

void Var::take_grad(const Tensor& grad) {
  CHECK_ARG(requires_grad(), "[Var] set_grad() on '", defined() ? op() : "empty",
            "', which needs no gradient");
  CHECK_ARG(!grad.defined() || grad.shape() == shape(), "[Var] gradient of shape ", grad.shape(),
            " for a value of shape ", shape());
  node_->grad = grad;
}

void Var::set_grad(const Tensor& grad) { take_grad(grad.defined() ? grad.clone() : grad); }

void Var::add_grad(const Tensor& grad) {
  grad.shape("add_grad");
  const Tensor before = this->grad();
  CHECK_ARG(!before.defined() || grad.shape() == shape(), "[Var] gradient of shape ", grad.shape(),
            " for a value of shape ", shape());
  take_grad(before.defined() ? before + grad : grad.clone());
}

void Var::zero_grad() { set_grad({}); }

Var Var::detach() const { return Var(value("detach")); }

void Var::backward() const { stflow::backward(*this); }

const std::string& Var::op() const { return node_or_throw("Var::op").op; }
const Vars& Var::inputs() const { return node_or_throw("Var::inputs").inputs; }
uint64_t Var::id() const { return node_or_throw("Var::id").id; }

const Var& Var::input_at(int i) const {
  CHECK_ARG(0 <= i && i < std::ssize(inputs()), "[Var] '", op(), "' has ", inputs().size(),
            " inputs; there is no input ", i);
  return inputs()[static_cast<size_t>(i)];
}

const Var& Var::input(int i) const {
  const Var& var = input_at(i);
  CHECK_ARG(!var.node_->changed_since(id()), "[grad] the rule of '", op(), "' needs its input ", i,
            ", '", var.op(), "' of shape ", var.shape(),
            ", which was changed in place since. Hint: take the gradient before the change");
  return var;
}

const Node& Var::node_or_throw(const char* asking) const {
  CHECK_ARG(defined(), "[Var] used while empty in ", asking);
  return *node_;
}

Var make_node(std::string op, Tensor value, Vars inputs, Backward backward) {
  CHECK_ARG(backward, "[make_node] '", op, "' has no backward rule");
  Var result(std::move(value));
  Node& node = *result.node_;
  node.op = std::move(op);
  const bool needed = std::any_of(inputs.begin(), inputs.end(),
                                  [](const Var& input) { return input.requires_grad(); });
  if (recording && needed) {
    node.requires_grad = true;
    node.inputs = std::move(inputs);
    node.backward = std::move(backward);
  }
  return result;
}

bool grad_enabled() { return recording; }

GradMode::GradMode(bool enabled) : before_(std::exchange(recording, enabled)) {}
GradMode::~GradMode() { recording = before_; }

}  // namespace stflow

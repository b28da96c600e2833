// test_misuse_autodiff.cpp - Vars, ops, gradients and modules under misuse.
#include <memory>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/gradcheck.h"
#include "stflow/autodiff/graph_print.h"
#include "stflow/nn/nn.h"
#include "tests/misuse.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

const Var empty;
const Tensor none;

/// A node whose rule gives what `rule` gives.
Var with_rule(const Var& x, const Backward& rule) {
  return make_node("custom", x.value(), {x}, rule);
}

Var unrecorded() {
  const NoGradGuard guard;
  return sum(leaf(2) * 2);
}

/// A module that may register anything.
struct Box : nn::Module {
  void add(const std::string& name, nn::Module& child) { register_module(name, child); }
  void add(const std::string& name, const Tensor& value) { register_parameter(name, value); }
};

}  // namespace

TEST_CASE("misuse: empty Vars are refused by the name of the function") {
  const std::string used = "[Var] used while empty in ";
  check_misuses({
      {"add", [] { add(empty, 1.0); }, used + "add"},
      {"+", [] { leaf(2) + empty; }, used + "add"},
      {"sub", [] { sub(1.0, empty); }, used + "sub"},
      {"mul", [] { mul(empty, empty); }, used + "mul"},
      {"div", [] { div(empty, 1.0); }, used + "div"},
      {"neg", [] { -empty; }, used + "neg"},
      {"pow", [] { pow(empty, 2); }, used + "pow"},
      {"where a", [] { where(zeros(1), empty, 0); }, used + "where"},
      {"where b", [] { where(zeros(1), 0, empty); }, used + "where"},
      {"where condition", [] { where(none, leaf(1), 0); }, "[where] the tensor is undefined"},
      {"exp", [] { exp(empty); }, used + "exp"},
      {"expm1", [] { expm1(empty); }, used + "expm1"},
      {"log", [] { log(empty); }, used + "log"},
      {"log1p", [] { log1p(empty); }, used + "log1p"},
      {"sqrt", [] { sqrt(empty); }, used + "sqrt"},
      {"square", [] { square(empty); }, used + "square"},
      {"abs", [] { abs(empty); }, used + "abs"},
      {"tanh", [] { tanh(empty); }, used + "tanh"},
      {"sigmoid", [] { sigmoid(empty); }, used + "sigmoid"},
      {"softplus", [] { softplus(empty); }, used + "softplus"},
      {"relu", [] { relu(empty); }, used + "relu"},
      {"leaky_relu", [] { leaky_relu(empty, .1); }, used + "leaky_relu"},
      {"clamp", [] { clamp(empty, 0, 1); }, used + "clamp"},
      {"polygamma", [] { polygamma(0, empty); }, used + "polygamma"},
      {"sum", [] { sum(empty); }, used + "sum"},
      {"mean", [] { mean(empty); }, used + "mean"},
      {"max", [] { max(empty); }, used + "max"},
      {"logsumexp", [] { logsumexp(empty); }, used + "logsumexp"},
      {"softmax", [] { softmax(empty); }, used + "softmax"},
      {"log_softmax", [] { log_softmax(empty); }, used + "log_softmax"},
      {"sum_to", [] { sum_to(empty, dims(1)); }, used + "sum_to"},
      {"broadcast_to", [] { broadcast_to(empty, dims(1)); }, used + "broadcast_to"},
      {"mul_to", [] { mul_to(empty, 1.0, dims(1)); }, used + "mul_to"},
      {"reshape", [] { reshape(empty, dims(1)); }, used + "reshape"},
      {"transpose", [] { transpose(empty); }, used + "transpose"},
      {"slice", [] { slice(empty, 0, 0, 1); }, used + "slice"},
      {"select", [] { select(empty, 0, 0); }, used + "select"},
      {"concat",
       [] {
         concat(Vars{leaf(1), empty}, 0);
       },
       used + "concat"},
      {"stack", [] { stack(Vars{empty}); }, used + "stack"},
      {"detach", [] { empty.detach(); }, used + "detach"},
      {"matmul a", [] { matmul(empty, leaf(1, 1)); }, used + "matmul"},
      {"matmul b", [] { matmul(leaf(1, 1), empty); }, used + "matmul"},
      {"linear", [] { linear(empty, leaf(1, 1)); }, used + "linear"},
      {"linear weight", [] { linear(leaf(1), empty); }, used + "linear"},
      {"linear bias", [] { linear(leaf(1), leaf(1, 1), empty); }, "valid: no bias"},
      {"bernoulli_log_prob", [] { bernoulli_log_prob(empty, 1.0); }, used + "bernoulli_log_prob"},
      {"categorical_log_prob", [] { categorical_log_prob(empty, leaf(2)); }, used},
      {"poisson_log_prob", [] { poisson_log_prob(empty, leaf(2)); }, used},
      {"cross_entropy", [] { cross_entropy(empty, zeros(1)); }, used + "cross_entropy"},
      {"labels", [] { cross_entropy(leaf(1, 2), none); }, "[cross_entropy] the tensor is"},
      {"Var of nothing", [] { Var{none}; }, "[Var] the tensor is undefined"},
      {"parameter of nothing", [] { Var::parameter(none); }, "[Var] the tensor is undefined"},
      {"value", [] { empty.value(); }, used},
      {"shape", [] { empty.shape(); }, used},
      {"item", [] { empty.item(); }, used + "item"},
      {"op", [] { empty.op(); }, used + "Var::op"},
      {"inputs", [] { empty.inputs(); }, used + "Var::inputs"},
      {"id", [] { empty.id(); }, used + "Var::id"},
      {"requires_grad", [] { empty.requires_grad(); }, "valid: false"},
      {"grad of empty", [] { empty.grad(); }, "valid: there is none"},
      {"set_grad", [] { Var(empty).set_grad(zeros(1)); }, "[Var] set_grad() on 'empty'"},
      {"set_grad shape", [] { leaf(2).set_grad(zeros(3)); }, "[Var] gradient of shape [3]"},
      {"set_grad nothing", [] { leaf(2).set_grad(none); }, "valid: as zero_grad()"},
      {"add_grad nothing", [] { leaf(2).add_grad(none); }, "[add_grad] the tensor is undefined"},
      {"zero_grad", [] { Var(1.0).zero_grad(); }, "[Var] set_grad() on 'constant'"},
      {"mutable_value", [] { Var(empty).mutable_value(); }, "[Var] only a leaf"},
      {"mutable_value of a sum", [] { sum(leaf(2)).mutable_value(); }, "this is 'sum'"},
      {"backward", [] { backward(empty); }, "backward() needs a scalar, got shape of an empty Var"},
      {"grad of an output", [] { grad({empty}, {leaf(1)}); }, used + "grad"},
      {"grad by empty", [] { grad({sum(leaf(1))}, {empty}); }, "[grad] asked for the gradient"},
      {"to_text", [] { to_text({empty}); }, used + "to_text"},
      {"to_dot", [] { to_dot({empty}); }, used + "to_dot"},
      {"to_text of none", [] { to_text({}); }, "valid: no lines"},
  });
}

TEST_CASE("misuse: ops and gradients refuse what does not fit") {
  check_misuses({
      {"sum twice", [] { sum(leaf(2, 2), axes(0, 0)); }, "[sum] axis 0 of [2,2] is given twice"},
      {"mean twice", [] { mean(leaf(2, 2), axes(1, -1)); }, "[mean] axis -1 of [2,2] is given"},
      {"max twice", [] { max(leaf(2), axes(0, 0)); }, "[max] axis 0 of [2] is given twice"},
      {"logsumexp twice", [] { logsumexp(leaf(2), axes(0, 0)); }, "[logsumexp] axis 0 of [2]"},
      {"sum axis", [] { sum(leaf(2), axes(1)); }, "[sum] axis 1 does not exist in [2]"},
      {"mean axis", [] { mean(leaf(2), axes(1)); }, "[mean] axis 1 does not exist in [2]"},
      {"max axis", [] { max(leaf(2), axes(-2)); }, "[max] axis -2 does not exist in [2]"},
      {"logsumexp axis", [] { logsumexp(leaf(2), axes(9)); }, "[logsumexp] axis 9 does not"},
      {"softmax axis", [] { softmax(leaf(2), 3); }, "[softmax] axis 3 does not exist in [2]"},
      {"log_softmax axis", [] { log_softmax(leaf(), 0); }, "[log_softmax] axis 0 does not"},
      {"mean of none", [] { mean(leaf(0, 3)); }, "[mean] of no numbers: shape [0,3]"},
      {"mean in no rows", [] { mean(leaf(0, 3), axes(-1)); }, "valid: a batch of 0"},
      {"max of none", [] { max(leaf(0)); }, "[max] of no numbers: shape [0]"},
      {"select axis", [] { select(leaf(2), 1, 0); }, "[select] axis 1 does not exist in [2]"},
      {"select -1", [] { select(leaf(2), 0, -1); }, "[select] index -1 does not fit axis 0"},
      {"slice axis", [] { slice(leaf(2), 2, 0, 0); }, "[slice] axis 2 does not exist in [2]"},
      {"transpose axis", [] { transpose(leaf(2, 2), 0, 2); }, "[transpose] axis 2 does not"},
      {"concat of none", [] { concat(Vars{}, 0); }, "[concat] needs at least one"},
      {"concat axis", [] { concat(Vars{leaf(2)}, 1); }, "[concat] axis 1 does not exist in [2]"},
      {"stack of none", [] { stack(Vars{}); }, "[concat] needs at least one"},
      {"stack of two shapes",
       [] {
         stack(Vars{leaf(2), leaf(3)});
       },
       "[concat] along axis 0"},
      {"reshape", [] { reshape(leaf(4), dims(kHuge, kHuge)); }, "[reshape] shape [46116860"},
      {"broadcast_to", [] { broadcast_to(leaf(1), dims(kHuge)); }, "[broadcast_to] shape [461"},
      {"sum_to", [] { sum_to(leaf(2), dims(kHuge)); }, "[sum_to] [2] cannot be summed to"},
      {"polygamma", [] { polygamma(INT32_MAX, leaf(1)); }, "[polygamma] order must be at most 20"},
      {"its last slope", [] { sum(polygamma(20, leaf(1) + 1)).backward(); }, "[polygamma] order"},
      {"clamp", [] { clamp(leaf(1), 1, 0); }, "[clamp] low 1 is above high 0"},
      {"matmul", [] { matmul(leaf(2, 3), leaf(2, 3)); }, "[matmul] inner sizes differ"},
      {"linear", [] { linear(leaf(2), leaf(3, 3)); }, "[linear] input has 2 features"},
      {"label 2 of 2", [] { cross_entropy(leaf(1, 2), numbers(2)); }, "[one_hot] label 2"},
      {"labels' shape", [] { cross_entropy(leaf(1, 2), zeros(2)); }, "[cross_entropy] logits"},
      {"log-probabilities", [] { bernoulli_log_prob(leaf(2), leaf(3)); }, "[bernoulli_log_prob]"},
      {"upstream count",
       [] {
         grad({sum(leaf(1))}, {leaf(1)}, false, {1.0, 1.0});
       },
       "[grad] 1 outputs but 2 upstream gradients"},
      {"upstream shape", [] { grad({leaf(3) * 2}, {leaf(3)}, false, {leaf(2, 3)}); },
       "[grad] upstream gradient 0 has shape [2,3], output 0 has [3]"},
      {"upstream empty", [] { grad({leaf(3) * 2}, {leaf(3)}, false, {Var()}); },
       "[Var] used while empty in grad"},
      {"grad by a constant", [] { grad({sum(leaf(1))}, {1.0}); }, "'constant', which is a"},
      {"grad of nothing", [] { grad({}, {leaf(1)}); }, "valid: zeros"},
      {"grad of a stranger", [] { grad({sum(leaf(1))}, {leaf(2)}); }, "valid: zeros"},
      {"backward of two", [] { backward(leaf(2) * 2); }, "backward() needs a scalar, got shape"},
      {"backward of a constant", [] { backward(1.0); }, "backward(): no parameter lies behind"},
      {"backward without a graph", [] { backward(unrecorded()); }, "made under NoGradGuard?"},
      {"no rule", [] { with_rule(leaf(1), nullptr); }, "[make_node] 'custom' has no backward rule"},
      {"rule of nothing",
       [] { with_rule(leaf(), [](const Var&, const Var&) { return Vars(); }).backward(); },
       "[grad] the rule of 'custom' returned 0 gradients for 1 inputs"},
      {"rule of another shape",
       [] { with_rule(leaf(), [](const Var&, const Var&) { return Vars{leaf(0)}; }).backward(); },
       "valid: summed down to its input's shape"},
      {"rule of a smaller shape",
       [] { grad({with_rule(leaf(2), [](const Var&, const Var&) { return Vars{leaf(3)}; })}, {}); },
       "valid: nothing is asked for, so it does not run"},
      {"gradcheck of nothing", [] { gradcheck(nullptr, {zeros(1)}); }, "[gradcheck] the function"},
      {"gradcheck, undefined", [] { gradcheck([](const Vars& x) { return x[0]; }, {none}); },
       "[gradcheck] the tensor is undefined"},
      {"input 5", [] { (leaf(1) + leaf(1)).input(5); },
       "[Var] 'add' has 2 inputs; there is no input 5"},
      {"input -1", [] { (leaf(1) + leaf(1)).input(-1); }, "[Var] 'add' has 2 inputs; there is no"},
      {"shape of input 2", [] { (leaf(1) + leaf(1)).input_shape(2); }, "there is no input 2"},
      {"input of a leaf", [] { leaf(1).wants(0); }, "[Var] 'parameter' has 0 inputs"},
      {"epsilon 0",
       [] { gradcheck([](const Vars& x) { return x[0]; }, {zeros(1)}, {.epsilon = 0}); },
       "[gradcheck] epsilon must be above 0 and finite, got 0"},
      {"epsilon NaN",
       [] { gradcheck([](const Vars& x) { return x[0]; }, {zeros(1)}, {.epsilon = kNotANumber}); },
       "[gradcheck] epsilon must be above 0 and finite, got nan"},
      {"rtol -1", [] { gradcheck([](const Vars& x) { return x[0]; }, {zeros(1)}, {.rtol = -1}); },
       "[gradcheck] rtol and atol must be at least 0, got -1 and"},
      {"gradcheck of order 3",
       [] { gradcheck([](const Vars& x) { return x[0]; }, {zeros(1)}, {.order = 3}); },
       "[gradcheck] order must be 1 or 2, got 3"},
      {"gradcheck, empty result", [] { gradcheck([](const Vars&) { return Var(); }, {zeros(1)}); },
       "[Var] used while empty in"},
  });
}

TEST_CASE("misuse: modules, losses and optimisers refuse what does not fit") {
  Rng rng(1);
  nn::Linear layer(2, 3, rng);
  Box box, inner, last;
  box.add("inner", inner);
  inner.add("last", last);
  const auto row = std::make_shared<nn::Sequential>(), within = std::make_shared<nn::Sequential>();
  row->push_back(within);
  Var w = leaf(2);
  const auto missing = std::shared_ptr<nn::Module>();
  check_misuses({
      {"module of itself", [&] { box.add("me", box); }, "[register_module] 'me' is the module"},
      {"a parent as child", [&] { inner.add("up", box); }, "[register_module] 'up' contains"},
      {"a grandparent", [&] { last.add("up", box); }, "[register_module] 'up' contains Module"},
      {"a row in itself", [&] { row->push_back(row); }, "[register_module] '1' is the module"},
      {"a row in its part", [&] { within->push_back(row); }, "[register_module] '0' contains"},
      {"twice the same", [&] { box.add("again", last); }, "valid: shared parameters"},
      {"name in use", [&] { box.add("inner", last); }, "[register_module] 'inner' is already"},
      {"no name", [&] { box.add("", last); }, "[register_module] name '': expected one or more"},
      {"dotted name", [&] { box.add("a.b", zeros(1)); }, "[register_parameter] name 'a.b'"},
      {"undefined", [&] { box.add("p", none); }, "[register_parameter] 'p' is an undefined tensor"},
      {"no forward", [&] { box(1.0); }, "forward(x) is not defined"},
      {"null element", [&] { row->push_back(nullptr); }, "[Sequential] element 1 is a null"},
      {"null activation",
       [&] {
         nn::MLP({2, 3, 1}, rng, missing);
       },
       "[Sequential] element 1"},
      {"one size", [&] { nn::MLP({2}, rng); }, "[MLP] expected at least an input and an output"},
      {"size 0",
       [&] {
         nn::MLP({2, 0}, rng);
       },
       "[Linear] sizes must be at least 1"},
      {"size 2^62", [&] { nn::Linear(kHuge, kHuge, rng); }, "[glorot_uniform] shape [46116"},
      {"input of 3", [&] { layer(zeros(3)); }, "Linear: input has 3 features, weight expects 2"},
      {"input of no axes", [&] { layer(1.0); }, "Linear: input is a scalar"},
      {"empty input", [&] { layer(empty); }, "[Var] used while empty in Linear"},
      {"element 9", [&] { (*row)[9]; }, "[Sequential] there is no element 9, but 1 elements"},
      {"Sequential of none", [] { nn::Sequential()(empty); }, "valid: it returns its input"},
      {"dropout 1", [&] { nn::Dropout(1, rng); }, "[Dropout] p must be in [0, 1), got 1"},
      {"dropout NaN", [&] { nn::Dropout(kNotANumber, rng); }, "[Dropout] p must be in [0, 1)"},
      {"dropout of nothing", [&] { nn::Dropout(.5, rng)(empty); },
       "[Var] used while empty in Drop"},
      {"no key", [&] { layer.load_state_dict({}); }, "missing: bias [3]"},
      {"undefined key",
       [&] {
         layer.load_state_dict({{"bias", none}});
       },
       "undefined: bias"},
      {"other key",
       [&] {
         layer.load_state_dict({{"b", none}});
       },
       "unexpected: b undefined"},
      {"he_normal of a row", [&] { nn::he_normal(dims(2), rng); }, "[he_normal] expected a weight"},
      {"he_uniform of 0", [&] { nn::he_uniform(dims(0, 2), rng); }, "[he_uniform] expected a"},
      {"glorot_normal", [&] { nn::glorot_normal(dims(), rng); }, "[glorot_normal] expected a"},
      {"mse_loss", [] { nn::mse_loss(leaf(2), leaf(2, 1)); }, "[mse_loss] expected two equal"},
      {"mse_loss of none", [] { nn::mse_loss(leaf(2, 0), leaf(2, 0)); },
       "[mse_loss] of no numbers"},
      {"mse_loss of no rows", [] { nn::mse_loss(leaf(0, 2), leaf(0, 2)); }, "valid: no losses"},
      {"mse_loss, empty", [] { nn::mse_loss(leaf(2), empty); }, "used while empty in mse_loss"},
      {"bce", [] { nn::bce_with_logits(leaf(2), leaf(3)); }, "[bce_with_logits] expected two"},
      {"bce of none", [] { nn::bce_with_logits(leaf(2, 0), leaf(2, 0)); }, "[bce_with_logits] of"},
      {"bce of no rows", [] { nn::bce_with_logits(leaf(0, 2), leaf(0, 2)); }, "valid: no losses"},
      {"no logits", [] { cross_entropy(leaf(0, 2), zeros(0)); }, "valid: no losses"},
      {"accuracy", [] { nn::accuracy(zeros(2), zeros(2)); }, "[accuracy] expected logits [B,K]"},
      {"label 7 of 2", [] { nn::accuracy(zeros(1, 2), numbers(7)); },
       "[one_hot] label 7 at position 0"},
      {"label -1", [] { nn::accuracy(zeros(1, 2), numbers(-1)); },
       "[one_hot] label -1 at position 0"},
      {"label 0.5", [] { nn::accuracy(zeros(1, 2), numbers(.5)); },
       "[one_hot] label 0.5 at position"},
      {"accuracy of none", [] { nn::accuracy(zeros(0, 2), zeros(0)); }, "[accuracy] of no numbers"},
      {"accuracy, undefined", [] { nn::accuracy(none, none); }, "[accuracy] the tensor is"},
      {"optimiser of none", [] { optim::SGD({}); }, "[SGD] the list of parameters is empty"},
      {"of an empty Var", [] { optim::Adam({empty}); }, "[Adam] entry 0 is not a parameter"},
      {"of a constant", [] { optim::AdamW({1.0}); }, "[AdamW] entry 0 is not a parameter"},
      {"of one twice",
       [&] {
         optim::SGD({w, w});
       },
       "[SGD] entry 1, of shape [2], is in the list"},
      {"rate -1", [&] { optim::SGD({w}, {.lr = -1}); }, "[SGD] lr must be at least 0, got -1"},
      {"rate NaN", [&] { optim::Adam({w}, {.lr = kNotANumber}); }, "[Adam] lr must be at least 0"},
      {"rate inf", [&] { optim::SGD({w}, {.lr = kInfinity}); }, "[SGD] lr, momentum and weight"},
      {"eps inf", [&] { optim::Adam({w}, {.eps = kInfinity}); }, "[Adam] lr, eps and weight"},
      {"decay inf", [&] { optim::AdamW({w}, {.weight_decay = kInfinity}); }, "[AdamW] lr, eps"},
      {"beta1 1", [&] { optim::Adam({w}, {.beta1 = 1}); }, "[Adam] beta1 must be in [0, 1)"},
      {"nesterov", [&] { optim::SGD({w}, {.nesterov = true}); }, "[SGD] nesterov needs momentum"},
      {"clip -1", [&] { optim::clip_grad_norm({w}, -1); }, "[clip_grad_norm] max_norm must be"},
      {"clip NaN", [&] { optim::clip_grad_norm({w}, kNotANumber); }, "[clip_grad_norm] max_norm"},
      {"clip empty", [] { optim::clip_grad_norm({empty}, 1); }, "used while empty in clip_grad_n"},
      {"clip none", [] { optim::clip_grad_norm({}, 1); }, "valid: the norm is 0"},
      {"state of another", [&] { optim::SGD({w}).load_state_dict({}); }, "missing: 0.momentum_b"},
  });
}

TEST_CASE("misuse: files of tensors refuse what cannot be written or read") {
  const TempDir folder;
  check_misuses({
      {"npy of nothing", [&] { nn::save_npy(folder / "a.npy", none); }, "[save_npy] the tensor"},
      {"npy nowhere", [] { nn::save_npy("/nowhere/a.npy", zeros(1)); }, "/nowhere/a.npy"},
      {"no file", [&] { nn::load_npy(folder / "b.npy"); }, "b.npy"},
      {"a folder", [&] { nn::load_npy(folder.path().string()); }, folder.path().string()},
      {"undefined",
       [&] {
         nn::save_safetensors(folder / "a", {{"w", none}});
       },
       "[save_safetensors] tensor 'w' is undefined"},
      {"reserved name",
       [&] {
         nn::save_safetensors(folder / "a", {{"__metadata__", zeros(1)}});
       },
       "[save_safetensors] a tensor cannot be named __metadata__"},
      {"not UTF-8",
       [&] {
         nn::save_safetensors(folder / "a", {{"\xff", zeros(1)}});
       },
       "[save_safetensors] a name or a metadata text is not UTF-8"},
      {"nothing", [&] { nn::save_safetensors(folder / "c", {}); }, "valid: a file without tensors"},
      {"no model", [&] { nn::load_safetensors(folder / "d"); }, "/d"},
  });
}

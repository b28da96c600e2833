// test_misuse_tensor.cpp - tensors and their kernels under misuse.
#include <limits>

#include "stflow/tensor/blas.h"
#include "stflow/tensor/kernels/optim_kernels.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/rng.h"
#include "tests/misuse.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

using Tensors = std::vector<Tensor>;

const Tensor none;  // undefined

void replay_past_the_end() {
  Rng rng = Rng::replay({numbers(1)});
  rng.uniform(dims(1));
  rng.uniform(dims(1));
}

}  // namespace

TEST_CASE("misuse: undefined tensors are refused by the name of the function") {
  Tensor changed = zeros(2), undefined;
  check_misuses({
      {"add", [] { add(none, zeros(2)); }, "[add] the tensor is undefined"},
      {"add, second", [] { add(zeros(2), none); }, "[add] the tensor is undefined"},
      {"sub", [] { sub(none, none); }, "[sub] the tensor is undefined"},
      {"mul", [] { mul(zeros(2), none); }, "[mul] the tensor is undefined"},
      {"div", [] { div(none, zeros(2)); }, "[div] the tensor is undefined"},
      {"greater", [] { greater(none, zeros(2)); }, "[greater] the tensor is undefined"},
      {"equal", [] { equal(zeros(2), none); }, "[equal] the tensor is undefined"},
      {"where, condition", [] { where(none, zeros(2), zeros(2)); }, "[where] the tensor is"},
      {"where, a", [] { where(zeros(2), none, zeros(2)); }, "[where] the tensor is undefined"},
      {"where, b", [] { where(zeros(2), zeros(2), none); }, "[where] the tensor is undefined"},
      {"neg", [] { neg(none); }, "[neg] the tensor is undefined"},
      {"exp", [] { exp(none); }, "[exp] the tensor is undefined"},
      {"expm1", [] { expm1(none); }, "[expm1] the tensor is undefined"},
      {"log", [] { log(none); }, "[log] the tensor is undefined"},
      {"log1p", [] { log1p(none); }, "[log1p] the tensor is undefined"},
      {"sqrt", [] { sqrt(none); }, "[sqrt] the tensor is undefined"},
      {"square", [] { square(none); }, "[square] the tensor is undefined"},
      {"abs", [] { abs(none); }, "[abs] the tensor is undefined"},
      {"sign", [] { sign(none); }, "[sign] the tensor is undefined"},
      {"tanh", [] { tanh(none); }, "[tanh] the tensor is undefined"},
      {"sigmoid", [] { sigmoid(none); }, "[sigmoid] the tensor is undefined"},
      {"softplus", [] { softplus(none); }, "[softplus] the tensor is undefined"},
      {"relu", [] { relu(none); }, "[relu] the tensor is undefined"},
      {"leaky_relu", [] { leaky_relu(none, 1); }, "[leaky_relu] the tensor is undefined"},
      {"pow", [] { pow(none, 2); }, "[pow] the tensor is undefined"},
      {"clamp", [] { clamp(none, 0, 1); }, "[clamp] the tensor is undefined"},
      {"polygamma", [] { polygamma(0, none); }, "[polygamma] the tensor is undefined"},
      {"sum", [] { sum(none); }, "[sum] the tensor is undefined"},
      {"mean", [] { mean(none); }, "[mean] the tensor is undefined"},
      {"max", [] { max(none, axes(0)); }, "[max] the tensor is undefined"},
      {"logsumexp", [] { logsumexp(none); }, "[logsumexp] the tensor is undefined"},
      {"softmax", [] { softmax(none); }, "[softmax] the tensor is undefined"},
      {"log_softmax", [] { log_softmax(none); }, "[log_softmax] the tensor is undefined"},
      {"argmax", [] { argmax(none); }, "[argmax] the tensor is undefined"},
      {"sum_to", [] { sum_to(none, dims(1)); }, "[sum_to] the tensor is undefined"},
      {"mul_sum_to", [] { mul_sum_to(none, none, dims()); }, "[mul_sum_to] the tensor is"},
      {"bernoulli_log_prob, logits", [] { bernoulli_log_prob(none, zeros(1)); },
       "[bernoulli_log_prob] the tensor is undefined"},
      {"bernoulli_log_prob, x", [] { bernoulli_log_prob(zeros(1), none); },
       "[bernoulli_log_prob] the tensor is undefined"},
      {"bernoulli_residual_backward",
       [] { bernoulli_residual_backward(none, none, none, none, nullptr); },
       "[bernoulli_residual_backward] the tensor is undefined"},
      {"broadcast_to", [] { broadcast_to(none, dims(2)); }, "[broadcast_to] the tensor is"},
      {"broadcast_to, scalar", [] { broadcast_to(none, dims()); }, "[broadcast_to] the tensor is"},
      {"transpose", [] { transpose(none); }, "[transpose] the tensor is undefined"},
      {"slice", [] { slice(none, 0, 0, 0); }, "[slice] the tensor is undefined"},
      {"concat", [] { concat(Tensors{none}, 0); }, "[concat] the tensor is undefined"},
      {"concat, second",
       [] {
         concat(Tensors{zeros(2), none}, 0);
       },
       "[concat] the tensor is undefined"},
      {"gather_rows", [] { gather_rows(none, {}); }, "[gather_rows] the tensor is undefined"},
      {"one_hot", [] { one_hot(none, 3); }, "[one_hot] the tensor is undefined"},
      {"add_scaled_, y", [=]() mutable { add_scaled_(undefined, zeros(2), 1); },
       "[add_scaled_] the tensor is undefined"},
      {"add_scaled_, x", [=]() mutable { add_scaled_(changed, none, 1); },
       "[add_scaled_] the tensor is undefined"},
      {"fill_", [=]() mutable { fill_(undefined, 1); }, "[fill_] the tensor is undefined"},
      {"sgd_update_", [=]() mutable { sgd_update_(undefined, changed, changed, {}); },
       "[sgd_update_] the tensor is undefined"},
      {"adam_update_",
       [=]() mutable {
         adam_update_({{.value = &changed, .mean = &changed, .square = &undefined, .grad = &none}});
       },
       "[adam_update_] the tensor is undefined"},
      {"all_finite", [] { all_finite(none); }, "[all_finite] the tensor is undefined"},
      {"allclose", [] { allclose(none, none, 0, 0); }, "[allclose] the tensor is undefined"},
      {"matmul, a", [] { matmul(none, zeros(2, 2)); }, "[matmul] the tensor is undefined"},
      {"matmul, b", [] { matmul(zeros(2, 2), none); }, "[matmul] the tensor is undefined"},
      {"linear, x", [] { linear(none, zeros(2, 2), {}); }, "[linear] the tensor is undefined"},
      {"linear, weight", [] { linear(zeros(2), none, {}); }, "[linear] the tensor is undefined"},
      {"linear, bias", [] { linear(zeros(2), zeros(2, 2), none); }, "valid: a layer without bias"},
      {"Rng::bernoulli", [] { Rng(1).bernoulli(none); }, "[Rng::bernoulli] the tensor is"},
      {"Rng::replay", [] { Rng::replay({none}).uniform(dims(1)); }, "[Rng::replay] tensor 0 is"},
      {"reshape", [] { none.reshape(dims(1)); }, "[reshape] the tensor is undefined"},
      {"reshape to nothing", [] { none.reshape(dims(0)); }, "[reshape] the tensor is undefined"},
      {"rows", [] { none.rows(0, 0); }, "[rows] the tensor is undefined"},
      {"item", [] { none.item(); }, "[Tensor::item] needs exactly one element, got an undefined"},
      {"to_vector", [] { none.to_vector(); }, "[to_vector] the tensor is undefined"},
      {"shape", [] { none.shape(); }, "the tensor is undefined"},
      {"dim", [] { none.dim(0); }, "the tensor is undefined"},
      {"numel", [] { none.numel(); }, "valid: it has no numbers"},
      {"clone", [] { none.clone(); }, "valid: the copy is undefined too"},
      {"str", [] { none.str(); }, "valid: it says that it is undefined"},
      {"shares_storage", [] { none.shares_storage(none); }, "valid: a question about handles"},
  });
}

TEST_CASE("misuse: sizes that no memory holds are refused with the shape and its bytes") {
  const int64_t many = int64_t{1} << 32;
  check_misuses({
      {"Tensor", [] { Tensor(dims(kHuge)); }, "[Tensor] shape [4611686018427387904] needs"},
      {"zeros", [] { Tensor::zeros(dims(kHuge)); }, "[zeros] shape [4611686018427387904] needs"},
      {"zeros of 2^64", [=] { Tensor::zeros(dims(many, many)).rows(0, 1); },
       "[zeros] shape [4294967296,4294967296] needs"},
      {"its bytes", [=] { Tensor::ones(dims(kHuge / 4)); },
       sizeof(real) == 4 ? "needs 4.611686e+18 bytes" : "needs 9.223372e+18 bytes"},
      {"ones", [=] { Tensor::ones(dims(many, many)); }, "a tensor has at most 1099511627776"},
      {"full", [] { Tensor::full(dims(2, kHuge), 3); }, "[full] shape [2,4611686018427387904]"},
      {"no rows of too much", [] { Tensor(dims(0, kHuge, kHuge)); }, "[Tensor] shape [0,"},
      {"too much, then none", [] { Tensor(dims(kHuge, kHuge, 0)); }, "[Tensor] shape [46"},
      {"one byte more", [] { Tensor(dims(Shape::kMaxBytes / sizeof(real) + 1)); }, "[Tensor]"},
      {"Shape::numel", [] { dims(kHuge, kHuge).numel(); }, "[Shape] shape [46"},
      {"arange", [] { arange(kHuge); }, "[arange] shape [4611686018427387904] needs"},
      {"arange of all", [] { arange(INT64_MAX); }, "[arange] shape [9223372036854775807] needs"},
      {"one_hot", [] { one_hot(zeros(2), kHuge); }, "[one_hot] shape [2,4611686018427387904]"},
      {"broadcast_to", [] { broadcast_to(zeros(1), dims(kHuge, 1)); }, "[broadcast_to] shape [46"},
      {"broadcast_to 2^64", [=] { broadcast_to(zeros(1), dims(many, many)); }, "[broadcast_to]"},
      {"reshape", [=] { Tensor::scalar(1).reshape(dims(many, many, 1)); }, "[reshape] shape [42"},
      {"reshape of none", [=] { zeros(0).reshape(dims(many, many)); }, "[reshape] shape [42"},
      {"reshape -1", [=] { zeros(0).reshape(dims(many, many, -1)); }, "[reshape] shape [42"},
      {"Tensor::from", [=] { Tensor::from({}, dims(many, many)); }, "[Tensor::from] shape [42"},
      {"add", [] { add(zeros(1, 1 << 20), zeros(1 << 20, 1)); }, "[add] shape [1048576,1048576]"},
      {"matmul", [] { matmul(zeros(1 << 20, 1), zeros(1, 1 << 20)); }, "[matmul] shape [1048576,"},
      {"linear", [] { linear(zeros(1 << 20, 1), zeros(1, 1 << 20), {}); }, "[linear] shape [1048"},
      {"uniform", [] { Rng(1).uniform(dims(kHuge)); }, "[Rng::uniform] shape [4611686018427"},
      {"normal", [] { Rng(1).normal(dims(kHuge)); }, "[Rng::normal] shape [4611686018427387904]"},
      {"permutation", [] { Rng(1).permutation(kHuge); }, "[Rng::permutation] shape [46116860184"},
      {"concat", [] { concat(Tensors(3, zeros(0, 1 << 20)), 1); }, "valid: no rows"},
      {"polygamma", [] { polygamma(INT32_MAX, zeros(1)); }, "[polygamma] order must be"},
      {"polygamma 21", [] { polygamma(21, zeros(1)); }, "at most 20, got 21"},
      {"polygamma -2", [] { polygamma(-2, zeros(1)); }, "at least -1"},
      {"polygamma 20", [] { polygamma(20, numbers(.5)); }, "valid: the last order"},
  });
}

TEST_CASE("misuse: shapes, axes and ranges that do not fit are refused") {
  Tensor changed = zeros(2);
  check_misuses({
      {"seven axes", [] { dims(1, 1, 1, 1, 1, 1, 1); }, "[Shape] at most 6 axes, got 7"},
      {"negative", [] { Tensor(dims(2, -1)); }, "[Tensor] negative extent in shape [2,-1]"},
      {"zeros, negative", [] { Tensor::zeros(dims(-3)); }, "[zeros] negative extent in shape [-3]"},
      {"from, negative",
       [] {
         Tensor::from({1, 2}, dims(2, -1));
       },
       "[Tensor::from] negative"},
      {"from, too few",
       [] {
         Tensor::from({1, 2}, dims(3));
       },
       "[3] holds 3 numbers, got 2"},
      {"from nothing", [] { Tensor::from(std::vector<real>()); }, "valid: shape [0]"},
      {"item of two", [] { zeros(2).item(); }, "[Tensor::item] needs exactly one element"},
      {"reshape, two unknown", [] { zeros(4).reshape(dims(-1, -1)); },
       "[reshape] [4] cannot become [-1,-1]"},
      {"reshape, -2", [] { zeros(4).reshape(dims(-2, -2)); },
       "[reshape] [4] cannot become [-2,-2]"},
      {"reshape, -1 of 0", [] { zeros(4).reshape(dims(-1, 0)); }, "[reshape] [4] cannot become"},
      {"reshape, not whole", [] { zeros(4).reshape(dims(-1, 3)); }, "[reshape] [4] cannot"},
      {"rows of a scalar", [] { Tensor::scalar(1).rows(0, 1); }, "[rows] range 0..1"},
      {"rows backwards", [] { zeros(4).rows(3, 2); }, "[rows] range 3..2 does not fit shape [4]"},
      {"rows beyond", [] { zeros(4).rows(0, INT64_MAX); }, "[rows] range 0..9223372036854775807"},
      {"dim 2 of two", [] { zeros(2, 2).dim(2); }, "axis 2 does not exist in [2,2]"},
      {"shape[-3]", [] { zeros(2, 2).shape()[-3]; }, "[Shape] axis -3 does not exist in [2,2]"},
      {"axis INT_MIN", [] { zeros(2).shape()[INT32_MIN]; }, "[Shape] axis -2147483648"},
      {"without", [] { dims(2).without(1); }, "[Shape] axis 1 does not exist in [2]"},
      {"inserted", [] { dims(2).inserted(3, 1); }, "[Shape] cannot insert an axis at 3"},
      {"add", [] { add(zeros(2), zeros(3)); }, "[add] shapes [2] and [3] do not broadcast"},
      {"add 0 and 2", [] { add(zeros(0), zeros(2)); }, "[add] shapes [0] and [2] do not"},
      {"add 0 and 1", [] { add(zeros(0), zeros(1)); }, "valid: 1 repeats 0 times"},
      {"where", [] { where(zeros(4), zeros(2), zeros(2)); }, "[where] shapes [4] and [2]"},
      {"clamp", [] { clamp(zeros(1), 2, 1); }, "[clamp] low 2 is above high 1"},
      {"clamp NaN", [] { clamp(zeros(1), kNotANumber, 1); }, "[clamp] low nan is above high 1"},
      {"sum axis", [] { sum(zeros(2), axes(1)); }, "[sum] axis 1 does not exist in [2]"},
      {"sum twice", [] { sum(zeros(2), axes(0, 0)); }, "[sum] axis 0 of [2] is given twice"},
      {"sum 0 and -1", [] { sum(zeros(2), axes(0, -1)); }, "[sum] axis -1 of [2] is given twice"},
      {"mean twice", [] { mean(zeros(2, 2), axes(1, 1)); }, "[mean] axis 1 of [2,2] is given"},
      {"max twice", [] { max(zeros(2, 2), axes(0, -2)); }, "[max] axis -2 of [2,2] is given"},
      {"logsumexp twice", [] { logsumexp(zeros(2), axes(0, 0)); }, "[logsumexp] axis 0 of [2]"},
      {"mean axis", [] { mean(zeros(2), axes(-2)); }, "[mean] axis -2 does not exist in [2]"},
      {"max axis", [] { max(zeros(2), axes(7)); }, "[max] axis 7 does not exist in [2]"},
      {"logsumexp axis", [] { logsumexp(zeros(2), axes(7)); }, "[logsumexp] axis 7 does not"},
      {"softmax axis", [] { softmax(zeros(2), 1); }, "[softmax] axis 1 does not exist in [2]"},
      {"log_softmax axis", [] { log_softmax(zeros(2), -2); }, "[log_softmax] axis -2 does not"},
      {"sum of none", [] { sum(zeros(0)); }, "valid: 0"},
      {"sum of no rows", [] { sum(zeros(0, 3), axes(0)); }, "valid: three zeros"},
      {"mean of none", [] { mean(zeros(0)); }, "[mean] of no numbers: shape [0]"},
      {"mean of no rows", [] { mean(zeros(0, 3), axes(0)); }, "[mean] of no numbers"},
      {"mean in no rows", [] { mean(zeros(0, 3), axes(1)); }, "valid: a batch of 0"},
      {"max of none", [] { max(zeros(2, 0), axes(1)); }, "[max] of no numbers: shape [2,0]"},
      {"max in no rows", [] { max(zeros(0, 3), axes(1)); }, "valid: a batch of 0"},
      {"logsumexp of none", [] { logsumexp(zeros(0)); }, "[logsumexp] of no numbers"},
      {"softmax of none", [] { softmax(zeros(2, 0)); }, "[softmax] of no numbers"},
      {"softmax in no rows", [] { softmax(zeros(0, 3)); }, "valid: a batch of 0"},
      {"log_softmax of none", [] { log_softmax(zeros(2, 0)); }, "[log_softmax] of no numbers"},
      {"argmax of none", [] { argmax(zeros(2, 0)); }, "[argmax] of no numbers: shape [2,0]"},
      {"argmax in no rows", [] { argmax(zeros(0, 3)); }, "valid: a batch of 0"},
      {"argmax of a scalar", [] { argmax(Tensor::scalar(1)); }, "[argmax] axis -1 does not exist"},
      {"sum_to", [] { sum_to(zeros(2), dims(3)); }, "[sum_to] [2] cannot be summed to [3]"},
      {"sum_to more", [] { sum_to(zeros(2), dims(1, 2)); }, "[sum_to] [2] cannot be summed"},
      {"mul_sum_to", [] { mul_sum_to(zeros(2), zeros(3), dims()); }, "[mul_sum_to] shapes [2]"},
      {"broadcast_to", [] { broadcast_to(zeros(2), dims(3)); }, "[broadcast_to] [2] cannot be"},
      {"broadcast_to -1", [] { broadcast_to(zeros(1), dims(-1)); }, "[broadcast_to] negative"},
      {"transpose of a row", [] { transpose(zeros(3)); }, "[transpose] axis -2 does not exist"},
      {"slice axis", [] { slice(zeros(3), 1, 0, 1); }, "[slice] axis 1 does not exist in [3]"},
      {"slice -1", [] { slice(zeros(3), 0, -1, 1); }, "[slice] range -1..1 does not fit axis 0"},
      {"concat of none", [] { concat(Tensors{}, 0); }, "[concat] needs at least one tensor"},
      {"concat axis", [] { concat(Tensors{zeros(3)}, 1); },
       "[concat] axis 1 does not exist in [3]"},
      {"gather_rows", [] { gather_rows(zeros(3), {3}); }, "[gather_rows] index 3 is out of range"},
      {"gather_rows -1", [] { gather_rows(zeros(3), {-1}); }, "[gather_rows] index -1 is out"},
      {"one_hot 3 of 3", [] { one_hot(numbers(3), 3); }, "[one_hot] label 3 at position 0"},
      {"one_hot NaN", [] { one_hot(numbers(kNotANumber), 3); }, "[one_hot] label nan"},
      {"one_hot, no classes", [] { one_hot(numbers(0), 0); }, "[one_hot] label 0 at position 0"},
      {"one_hot, -1", [] { one_hot(zeros(0), -1); }, "[one_hot] negative extent in shape [0,-1]"},
      {"arange -1", [] { arange(-1); }, "[arange] needs n >= 0, got -1"},
      {"add_scaled_", [=]() mutable { add_scaled_(changed, zeros(3), 1); }, "[add_scaled_] shapes"},
      {"sgd_update_", [=]() mutable { sgd_update_(changed, changed, zeros(3), {}); },
       "[sgd_update_] shapes differ"},
      {"matmul", [] { matmul(zeros(2, 3), zeros(2, 3)); }, "[matmul] inner sizes differ"},
      {"matmul of vectors", [] { matmul(zeros(2), zeros(2)); }, "[matmul] expected two axes"},
      {"linear", [] { linear(zeros(4), zeros(2, 3), {}); }, "[linear] input has 4 features"},
      {"linear bias", [] { linear(zeros(2), zeros(2, 3), zeros(2)); }, "[linear] bias should be"},
      {"bernoulli 2", [] { Rng(1).bernoulli(numbers(2)); }, "[Rng::bernoulli] expected prob"},
      {"bernoulli NaN", [] { Rng(1).bernoulli(numbers(kNotANumber)); }, "[Rng::bernoulli]"},
      {"below 0", [] { Rng(1).below(0); }, "[Rng::below] expected n >= 1, got 0"},
      {"permutation -1", [] { Rng(1).permutation(-1); }, "[Rng::permutation] expected n >= 0"},
      {"replay", replay_past_the_end, "[Rng::uniform] replay: asked for shape [1]"},
      {"no threads", [] { set_num_threads(0); }, "[set_num_threads] expected at least 1"},
      {"parallel_for -1", [] { parallel_for(-1, 1, {}); }, "[parallel_for] expected n >= 0"},
      {"parallel_for 0", [] { parallel_for(1, 0, {}); }, "[parallel_for] expected grain >= 1"},
      {"parallel_for, empty", [] { parallel_for(1, 1, nullptr); }, "[parallel_for] the body is"},
  });
}

// test_misuse_estimators.cpp - distributions, rules, projections and data sets under misuse.
#include <memory>

#include "stflow/autodiff/grad.h"
#include "stflow/datasets/binarize.h"
#include "stflow/datasets/data_loader.h"
#include "stflow/datasets/digits.h"
#include "stflow/datasets/idx.h"
#include "stflow/datasets/images.h"
#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/estimators/flow/projection.h"
#include "stflow/estimators/lab/diagnostics.h"
#include "stflow/estimators/lab/problems.h"
#include "stflow/estimators/registry.h"
#include "tests/misuse.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

const Var empty;
const Tensor undefined;

Var cost_of(const Var& z, const Scope&) { return sum(square(z), axes(-1)); }
Var scalar_cost(const Var& z, const Scope&) { return sum(z); }

/// One expectation of a cost of two Bernoulli units.
Var expected(const Rule& rule, const Cost& cost = cost_of) {
  Rng rng(1);
  return expect(Bernoulli(leaf(3, 2)), rule, Scope{rng}, cost);
}

Var poisson_expected(const Rule& rule) {
  Rng rng(1);
  return expect(Poisson(Var::parameter(Tensor::ones(dims(3, 2)))), rule, Scope{rng}, cost_of);
}

/// A drawn layer of two Bernoulli units.
Var drawn(const LocalRule& rule) {
  Rng rng(1);
  return draw(Bernoulli(leaf(3, 2)), rule, Scope{rng});
}

Dataset two_by_two() {
  Dataset description;
  description.height = description.width = 2;
  return description;
}

Dataset digits() { return generate_digits(10, 1, Split::train); }

}  // namespace

TEST_CASE("misuse: distributions refuse parameters that are none") {
  Rng rng(1);
  check_misuses({
      {"empty logits", [] { Bernoulli{empty}; }, "[Distribution] the parameter needs a last axis"},
      {"scalar logits", [] { Bernoulli{1.0}; }, "[Distribution] the parameter needs a last axis"},
      {"probability 0", [] { Bernoulli::from_probs(zeros(1)); }, "[Bernoulli::from_probs]"},
      {"probability NaN", [] { Bernoulli::from_probs(numbers(kNotANumber)); }, "[Bernoulli::from"},
      {"no probability", [] { Bernoulli::from_probs(empty); }, "[Var] used while empty in"},
      {"one category", [] { Categorical(leaf(2), 1); }, "[Categorical] the last axis of logits"},
      {"not a multiple", [] { Categorical(leaf(5), 2); }, "[Categorical] the last axis of logits"},
      {"categories 0", [] { Categorical(leaf(5), 0); }, "[Categorical] the last axis of logits"},
      {"empty choice", [] { Categorical(empty, 2); }, "[Distribution] the parameter needs a last"},
      {"rate 0", [] { Poisson{zeros(1)}; }, "[Poisson] rate 0 at position 0"},
      {"rate -1", [] { Poisson{numbers(-1)}; }, "[Poisson] rate -1 at position 0"},
      {"rate NaN", [] { Poisson{numbers(kNotANumber)}; }, "[Poisson] rate nan at position 0"},
      {"rate beyond 1e6", [] { Poisson{numbers(1000001)}; },
       "[Poisson] rate 1000001 at position 0 is not between 0 and 1e+06"},
      {"rate inf", [] { Poisson{numbers(kInfinity)}; }, "[Poisson] rate inf at position 0"},
      {"log_prob of 3 of 2", [] { Bernoulli(leaf(2)).log_prob(leaf(3)); }, "[bernoulli_log_prob]"},
      {"log_prob of empty", [] { Bernoulli(leaf(2)).log_prob(empty); }, "[Var] used while empty"},
      {"score of undefined", [] { Bernoulli(leaf(2)).score(undefined); },
       "the tensor is undefined"},
      {"perturbed by nothing", [] { Bernoulli(leaf(2)).perturbed(undefined); },
       "the tensor is undef"},
      {"harden nothing", [] { Bernoulli(leaf(2)).harden(undefined); }, "the tensor is undefined"},
      {"2^17 states", [] { Bernoulli(leaf(17)).states(); }, "'exact' enumerates 2^D states"},
      {"repeated 0", [] { repeated(Bernoulli(leaf(2)), 0); },
       "[repeated] needs 1 to 1048576 samples, got 0"},
      {"repeated 2^62", [] { repeated(Bernoulli(leaf(2)), kHuge); },
       "[repeated] needs 1 to 1048576 samples, got"},
      {"relaxed at 0", [&] { Bernoulli(leaf(2)).relaxed(0.0, rng); }, "[relaxed] temperature must"},
      {"relaxed at NaN", [&] { Bernoulli(leaf(2)).relaxed(kNotANumber, rng); }, "[relaxed] temp"},
      {"kl of 2 and 3", [] { kl(Categorical(leaf(6), 2), Categorical(leaf(6), 3)); },
       "[kl] categories differ: 2 and 3"},
      {"kl of shapes", [] { kl(Bernoulli(leaf(2)), Bernoulli(leaf(3))); }, "do not broadcast"},
      {"no units", [] { Bernoulli(leaf(3, 0)).entropy(); }, "valid: zero nats"},
      {"no rows", [] { Bernoulli(leaf(0, 3)).entropy(); }, "valid: a batch of 0"},
  });
}

TEST_CASE("misuse: rules refuse options, costs and distributions that do not fit") {
  const auto missing = std::shared_ptr<nn::Module>();
  check_misuses({
      {"no such rule", [] { make_rule("reinfroce"); }, "reinfroce"},
      {"rule without name", [] { make_rule(""); }, "rule"},
      {"baseline of no width", [] { make_rule("reinforce-net"); }, "'reinforce-net' needs the"},
      {"network of no width", [] { make_rule("relax"); }, "'relax' needs the number of latents"},
      {"reinforce_net", [=] { reinforce_net(missing); }, "rule 'reinforce-net' needs a network"},
      {"relax", [=] { relax(missing); }, "rule 'relax' needs a network"},
      {"decay 1", [] { reinforce_mean(1); }, "rule 'reinforce-mean': decay must lie in [0, 1)"},
      {"decay NaN", [] { reinforce_mean(kNotANumber); }, "rule 'reinforce-mean': decay must"},
      {"one sample", [] { leave_one_out(1); }, "rule 'leave-one-out' needs at least two samples"},
      {"draws 0", [] { gumbel_rao(.5, 0); }, "rule 'gumbel-rao' needs at least one sample"},
      {"gumbel at 0", [] { gumbel_softmax(0); }, "rule 'gumbel-softmax': temperature must lie"},
      {"gumbel at NaN", [] { gumbel_softmax(kNotANumber); }, "rule 'gumbel-softmax': temperature"},
      {"st at -1", [] { st_gumbel_softmax(-1); }, "rule 'st-gumbel-softmax': temperature must"},
      {"reinmax at 0", [] { reinmax(0); }, "rule 'reinmax': temperature must lie in"},
      {"rebar at 0", [] { rebar({.temperature = 0}); }, "rule 'rebar': temperature must lie in"},
      {"rebar every 0", [] { rebar({.tune_every = 0}); }, "rule 'rebar': tune_every must be"},
      {"mmd epsilon", [] { mmd({.epsilon = 0}); }, "rule 'mmd': epsilon must lie in [1e-10,"},
      {"mmd bandwidth", [] { mmd({.bandwidth = -1}); },
       "rule 'mmd': bandwidth must lie in [1e-06,"},
      {"mmd scale", [] { mmd({.loss_scale = 0}); }, "rule 'mmd': loss_scale must lie in [1e-10,"},
      {"no samples", [] { from_local(st(), 0); }, "rule 'st' needs at least one sample and"},
      {"arm on counts", [] { poisson_expected(arm()); }, "rule 'arm' fits bernoulli layers only"},
      {"disarm on counts", [] { poisson_expected(disarm()); }, "rule 'disarm' fits bernoulli"},
      {"gumbel on counts", [] { poisson_expected(from_local(gumbel_softmax())); },
       "rule 'gumbel-softmax'"},
      {"reinmax on counts", [] { poisson_expected(from_local(reinmax())); }, "rule 'reinmax'"},
      {"fini2 on bits", [] { drawn(fini2()); }, "rule 'fini2' fits count layers only"},
      {"one more bit", [] { expected(measure_valued()); },
       "rule 'measure-valued' fits layers with a"},
      {"paths -1",
       [] {
         Rng rng(1);
         expect(Bernoulli(leaf(3, 2)), reinforce(), {.rng = rng, .paths = -1}, cost_of);
       },
       "[expect] paths of the Scope must be at least 1, got -1"},
      {"paths 0",
       [] {
         Rng rng(1);
         draw(Bernoulli(leaf(3, 2)), st(), {.rng = rng, .paths = 0});
       },
       "[draw] paths of the Scope must be at least 1, got 0"},
      {"no context", [] { expected(make_rule("reinforce-net", {.inputs = 2})); },
       "rule 'reinforce-net' needs a context"},
      {"scalar cost", [] { expected(reinforce(), scalar_cost); }, "[expect] the cost must give"},
      {"scalar cost, st", [] { expected(from_local(st()), scalar_cost); }, "[expect] the cost"},
      {"cost of nothing",
       [] { expected(reinforce(), [](const Var&, const Scope&) { return Var(); }); },
       "[expect] the cost must give one number for"},
      {"exact of 17 bits",
       [] {
         Rng rng(1);
         expect(Bernoulli(leaf(1, 17)), exact(), Scope{rng}, cost_of);
       },
       "'exact' enumerates 2^D states"},
      {"attach nothing", [] { attach(leaf(2), undefined); },
       "[attach] an estimate for a parameter [2]"},
      {"no problem", [] { problem("none"); }, "none"},
      {"one draw",
       [] {
         Rng rng(1);
         diagnose(problems()[0], {}, 1, rng);
       },
       "[diagnose] a variance needs at least 2"},
      {"moments of one draw", [] { gradient_moments([] { return Var(1.0); }, {}, {}, 1); },
       "[gradient_moments] a variance needs at least 2 draws"},
  });
}

TEST_CASE("misuse: atoms and projections refuse what is none") {
  Rng rng(1);
  const auto cost = [](const Var& z) { return sum(z, axes(-1)); };
  const Atoms coin({0, 1});
  check_misuses({
      {"no points", [] { Atoms({}); }, "[Atoms] needs at least one point"},
      {"point NaN", [] { Atoms({kNotANumber}); }, "[Atoms] points must be finite"},
      {"two weights",
       [] {
         Atoms({1}, {1, 2});
       },
       "[Atoms] 1 points have 2 weights"},
      {"weight -1",
       [] {
         Atoms({1, 2}, {1, -1});
       },
       "[Atoms] weights must be finite and not"},
      {"weights 0", [] { Atoms({1}, {0}); }, "[Atoms] at least one weight must be positive"},
      {"p = 2", [] { atoms_of(Bernoulli(zeros(1)), 2); },
       "[projection] the mean of 'bernoulli' must be at least 0 and at most 1, got 2"},
      {"mmd at 0", [=] { project(coin, {.distance = Distance::mmd, .bandwidth = 0}); },
       "[projection] the bandwidth must lie in"},
      {"least mean 0", [=] { project(coin, {.min_mean = 0}); },
       "[projection] min_mean must be positive and below 1, got 0"},
      {"no family", [=] { project(coin, {.family = nullptr}); },
       "[projection] needs a distribution to project onto"},
      {"one-hot on the line",
       [=] { project(coin, {.family = std::make_shared<Categorical>(zeros(2), 2)}); },
       "[projection] one-hot units are not on the line"},
      {"undefined particles", [] { project(undefined, {}); }, "the tensor is undefined"},
      {"no particles", [] { project(zeros(0, 2), {}); }, "[projection] particles are [N, D]"},
      {"particles NaN", [] { project(numbers(kNotANumber).reshape(dims(1, 1)), {}); },
       "[projection] particles [1,1] must be finite"},
      {"no simplex", [] { project_to_simplex({}); }, "[project_to_simplex] needs at least one"},
      {"theta of 3", [] { distance_gradient(zeros(3), undefined, zeros(4, 2), {}); },
       "[distance_gradient] parameters are [D], got [3]"},
      {"no theta", [] { distance_gradient(undefined, undefined, zeros(4, 2), {}); },
       "the tensor is undef"},
      {"flow of no particles", [&] { flow_step(numbers(.5), cost, {.particles = 0}, rng); },
       "[flow_step] needs at least one particle and"},
      {"flow of step 0", [&] { flow_step(numbers(.5), cost, {.epsilon = 0}, rng); },
       "[flow_step] epsilon must be positive and"},
      {"flow of a matrix", [&] { flow_step(zeros(1, 1), cost, {}, rng); }, "[flow_step] param"},
      {"flow of undefined", [&] { flow_step(undefined, cost, {}, rng); },
       "the tensor is undefined"},
      {"flow of no steps", [&] { projected_flow(numbers(.5), cost, 0, {}, rng); },
       "[projected_flow] needs at least one step"},
  });
}

TEST_CASE("misuse: data sets and loaders refuse what they do not have") {
  const Dataset ten = digits();
  const DataLoader loader(ten, {.batch_size = 3});
  check_misuses({
      {"no digits", [] { generate_digits(-1, 1, Split::train); }, "[generate_digits]"},
      {"take -1", [=] { ten.take(-1); }, "[take] count must not be negative, got -1"},
      {"take 11", [=] { ten.take(11); }, "valid: all ten"},
      {"subset 5..11", [=] { ten.subset(5, 11); }, "[subset] images [5, 11) of a dataset of 10"},
      {"subset -1..1", [=] { ten.subset(-1, 1); }, "[subset] images [-1, 1)"},
      {"split all", [=] { split_last(ten, 1); }, "[split_last] a fraction of 1 of 10 images"},
      {"split none", [=] { split_last(ten, 0); }, "[split_last] a fraction of 0 of 10 images"},
      {"binarise twice", [=] { binarize(binarize(ten, Binarize::static_), Binarize::static_); },
       "[binarize] 'digits' is binarised already"},
      {"binarise how", [] { binarize_from_name("half"); }, "[binarize] 'half' is not one of"},
      {"batch 0", [=] { DataLoader(ten, {.batch_size = 0}); }, "[DataLoader] batch size must be"},
      {"batch of 11 only", [=] { DataLoader(ten, {.batch_size = 11, .drop_last = true}); },
       "[DataLoader] no batch: dataset 'digits' has 10 images"},
      {"of nothing", [=] { DataLoader(ten.take(0)); }, "[DataLoader] no batch"},
      {"epoch -1", [&] { loader.epoch(-1); }, "[epoch] the number of an epoch must be in"},
      {"epoch 2^32", [&] { loader.epoch(int64_t{1} << 32); }, "[epoch] the number of an epoch"},
      {"from batch 5", [&] { loader.epoch(0, 5); }, "[epoch] the first batch must be in [0, 4]"},
      {"batch 4", [&] { loader.epoch(0)[4]; }, "[epoch] batch 4 of 4"},
      {"image 10", [&] { loader.gather({10}); }, "[gather] image 10 of a dataset of 10"},
      {"wrong bytes", [] { make_dataset(two_by_two(), {1}, {0}); }, "[make_dataset]"},
      {"no file", [] { read_idx("/nowhere/labels", IdxKind::labels); }, "/nowhere/labels"},
      {"no folder", [] { load_image_folder("/nowhere"); }, "/nowhere"},
      {"two channels", [] { load_image_folder("tests", {.channels = 2}); }, "channels"},
  });
}

// test_vae.cpp - the networks of Table 2: what a training step costs by each rule.
#include "examples/models/vae.h"
#include "stflow/train/rule_trainer.h"
#include "tests/testing.h"

using namespace stflow;

TEST_CASE("vae: evaluations of the cost for each image, by rule and number of layers") {
  struct Case {
    const char *arch, *rule;
    int64_t evaluations;
  };
  const Case cases[] = {
      {"linear", "st", 1},     {"linear", "arm", 2},      {"linear", "rebar", 3},
      {"linear", "relax", 3},  {"linear", "muprop", 2},   {"two-layer", "st", 1},
      {"two-layer", "arm", 3}, {"two-layer", "rebar", 5}, {"linear", "leave-one-out", 4}};
  for (const Case& c : cases) {
    CAPTURE(c.arch);
    CAPTURE(c.rule);
    Rng rng(1);
    const VaeOptions model = table2_vae(c.arch, 12);
    Vae vae(model, rng);
    RuleChoice rule;
    rule.name = c.rule;
    vae.rules = make_rules(rule, model.sizes);
    const Tensor x = rng.bernoulli(Tensor::full({3, 12}, real(.5)));
    mean(vae.neg_elbo(x, {rng})).backward();
    CHECK(vae.evaluations() == c.evaluations);
    const NoGradGuard no_grad;
    vae.neg_elbo(x, {rng});
    CHECK(vae.evaluations() == 1);
  }
}

// small_run.h - a run small enough for tests, that can be killed after any step and resumed.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "examples/models/vae.h"
#include "stflow/datasets/data_loader.h"
#include "stflow/datasets/digits.h"
#include "stflow/tensor/parallel.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/rule_trainer.h"
#include "stflow/train/run.h"
#include "stflow/train/variance.h"
#include "tests/capture.h"
#include "tests/testing.h"

namespace stflow::testing {

struct Killed {};

/// The Bernoulli VAE in small, on nine images in batches of two.
struct Small {
  CommonOptions common;
  RuleChoice rule;
  VarianceOptions variance{.every = 3, .draws = 2};
  std::function<void()> on_cost = [] {};
  Options options{"small", "Trains a small model."};
  Dataset data = generate_digits(9, 1, Split::train);
  std::vector<std::vector<int64_t>> sizes{{data.features(), 5}, {5, 4}};

  explicit Small(std::vector<const char*> words) {
    common.batch_size = 2;
    common.lr = 0.01;
    common.epochs = 2;
    add_rule_options(options, rule, "bernoulli");
    options.add_common(common);
    words.insert(words.begin(), "small");
    const int threads = num_threads();
    options.parse(static_cast<int>(words.size()), words.data());
    set_num_threads(threads);
    data.binarization = Binarize::dynamic;
  }

  /// Trains, and calls `watch` after each step, before a checkpoint could be written.
  void train(const std::function<void(int64_t)>& watch = [](int64_t) {}) {
    Rng init(7, 0), rng(7, 1);
    Vae vae({.sizes = sizes, .learned_prior = true}, init);
    vae.rules = make_rules(rule, sizes);
    optim::Adam adam(vae.weights(), {.lr = common.lr});
    optim::SGD prior({vae.prior_logits}, {.lr = 0.01, .momentum = 0.9});
    RuleTrainer trainer(vae.rules, common.lr);
    const ImageCost cost = [&](const Tensor& x, Rng& from) {
      on_cost();
      return vae.neg_elbo(x, {from});
    };
    Run run(options, common, {data});
    run.state.add("model", vae);
    run.state.add("adam", adam);
    run.state.add("prior", prior);
    run.state.add("rng", rng);
    trainer.add_to(run.state);
    VarianceLog log(variance, common, run, {{"encoder", Vae::weights(vae.encoders)}}, vae.rules,
                    cost, data);
    const DataLoader loader(data, {.batch_size = common.batch_size, .seed = 7});
    run.start(loader.batches(), {"loss"}, trainer.log());
    log.step();
    for (int64_t epoch = run.first_epoch(); epoch <= common.epochs && !interrupted(); ++epoch) {
      for (const Batch& batch : loader.epoch(epoch, run.steps_in_epoch())) {
        const Var loss = mean(cost(batch.x, rng));
        vae.zero_grad();
        loss.backward();
        adam.step();
        prior.step();
        trainer.step();
        run.step(loss.item(), batch.size(), vae.evaluations());
        log.step();
        watch(run.steps());
        if (!run.go_on()) break;
      }
      const double validation = std::abs(static_cast<double>(epoch) - 1.5);
      run.epoch({{"epoch", epoch}, {"loss", run.train_loss()}}, validation, trainer.log());
    }
    run.finish({{"loss", run.last("loss")}});
  }
};

inline std::string message_of_resume(const std::string& out, std::vector<const char*> words = {}) {
  words.insert(words.begin(), {"--resume", out.c_str(), "--quiet"});
  std::string message;
  printed_by([&] { message = message_of<std::runtime_error>([&] { Small(words).train(); }); });
  return message;
}

/// A run with these options, or what is left of one: to its end, or until it is killed.
inline Printed run_small(std::vector<const char*> words, int64_t kill_after = -1) {
  words.push_back("--no-plots");
  return printed_by([&] {
    try {
      Small(words).train([&](int64_t step) {
        if (step == kill_after) throw Killed();
      });
    } catch (const Killed&) {
    }
  });
}

inline Printed run_small(const std::string& out, std::vector<const char*> words,
                         int64_t kill_after = -1) {
  words.insert(words.end(), {"--out", out.c_str()});
  return run_small(words, kill_after);
}

inline Printed resume(const std::string& out, std::vector<const char*> words = {},
                      int64_t kill_after = -1) {
  words.insert(words.end(), {"--resume", out.c_str()});
  return run_small(words, kill_after);
}

/// The metrics but for their last column, which is seconds.
inline std::string metrics_of(const std::string& out) {
  std::string rows;
  std::istringstream lines(read_file(out + "/metrics.csv"));
  for (std::string line; std::getline(lines, line);) rows += line.substr(0, line.rfind(',')) + "\n";
  return rows;
}

inline void check_same_run(const std::string& a, const std::string& b) {
  CHECK(read_file(a + "/model.safetensors") == read_file(b + "/model.safetensors"));
  CHECK(read_file(a + "/variance.csv") == read_file(b + "/variance.csv"));
  CHECK(metrics_of(a) == metrics_of(b));
}

inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    names.push_back(file.path().filename().string());
  std::ranges::sort(names);
  return names;
}

inline std::string newest_checkpoint(const std::string& out) {
  std::vector<std::string> names = names_in(out + "/checkpoints");
  return out + "/checkpoints/" + names.back();
}

}  // namespace stflow::testing

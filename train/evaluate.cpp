#include "stflow/train/evaluate.h"

#include <cmath>

#include "stflow/datasets/data_loader.h"
#include "stflow/estimators/distributions/distribution.h"
#include "stflow/train/console/program.h"

namespace stflow {

double mean_cost(const ImageCost& cost, const Dataset& data, Rng& rng) {
  const NoGradGuard no_grad;
  double total = 0;
  const DataLoader loader(data, {.batch_size = 500, .shuffle = false});
  for (const Batch& batch : loader.epoch(0)) total += sum(cost(batch.x, rng)).item();
  return total / static_cast<double>(data.size());
}

double mean_nll(const ImageCost& cost, const Dataset& data, int64_t samples, Rng& rng) {
  if (samples == 0) return std::nan("");
  const NoGradGuard no_grad;
  double total = 0;
  const DataLoader loader(data, {.batch_size = 500, .shuffle = false});
  for (const Batch& batch : loader.epoch(0)) {
    std::vector<Tensor> log_weights;
    for (int64_t s = 0; s < samples; ++s) {
      if (interrupted()) return std::nan("");
      log_weights.push_back(per_row(-cost(batch.x, rng).value()));
    }
    const double log_sum = sum(logsumexp(concat(log_weights, -1), {-1})).item();
    total -= log_sum - static_cast<double>(batch.size()) * std::log(samples);
  }
  return total / static_cast<double>(data.size());
}

ImageGrid grid_of(const Dataset& images) {
  return {.height = images.height, .width = images.width, .channels = images.channels};
}

void save_reconstructions(Run& run, const std::string& name, const Dataset& images,
                          const std::function<Tensor(const Tensor& x)>& reconstruct,
                          int64_t draws) {
  const int64_t count = 100 / (1 + draws);
  const Tensor shown = DataLoader(images, {.batch_size = count, .shuffle = false}).epoch(0)[0].x;
  std::vector<Tensor> rows;
  for (int64_t row = 0; row + 10 <= shown.dim(0); row += 10) {
    const Tensor originals = shown.rows(row, row + 10);
    rows.push_back(originals);
    for (int64_t draw = 0; draw < draws; ++draw) rows.push_back(reconstruct(originals));
  }
  if (!rows.empty()) run.save_images(name, concat(rows, 0), grid_of(images));
}

}  // namespace stflow

// data_loader.cpp - the order of an epoch, and bytes to numbers.
#include "stflow/datasets/data_loader.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "stflow/datasets/binarize.h"
#include "stflow/datasets/noise.h"
#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

uint32_t checked_epoch(int64_t number) {
  CHECK_ARG(0 <= number && number <= std::numeric_limits<uint32_t>::max(),
            "[epoch] the number of an epoch must be in [0, 2^32), got ", number);
  return static_cast<uint32_t>(number);
}

/// Numbers a thread assembles at least: a usual batch of bytes is too small to wake a second one,
/// but drawing takes ten times as long.
constexpr int64_t kGrain = 4 * kElementwiseGrain, kDrawGrain = kElementwiseGrain / 2;

/// byte / 255 for every byte.
STFLOW_CLONES void to_unit_interval(const uint8_t* bytes, int64_t n, real* values) {
  for (int64_t i = 0; i < n; ++i) values[i] = static_cast<real>(bytes[i]) / 255;
}

}  // namespace

DataLoader::DataLoader(Dataset dataset, const DataLoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  CHECK_ARG(options_.batch_size >= 1, "[DataLoader] batch size must be at least 1, got ",
            options_.batch_size);
  if (!dataset_.rows.empty()) check_dataset(dataset_, "DataLoader");
  CHECK_ARG(batches() >= 1, "[DataLoader] no batch: dataset '", dataset_.name, "' has ",
            dataset_.size(), " images, batch size is ", options_.batch_size,
            options_.drop_last ? " and the last partial batch is dropped" : "");
}

int64_t DataLoader::batches() const {
  const int64_t full = dataset_.size() / options_.batch_size;
  const bool partial = dataset_.size() % options_.batch_size != 0;
  return full + (partial && !options_.drop_last ? 1 : 0);
}

DataLoader::Epoch DataLoader::epoch(int64_t number, int64_t first) const {
  CHECK_ARG(0 <= first && first <= batches(), "[epoch] the first batch must be in [0, ", batches(),
            "], got ", first);
  const uint64_t stream = noise_stream(NoiseUse::shuffle, dataset_.split, checked_epoch(number));
  std::vector<int64_t> order;
  if (options_.shuffle) {
    order = Rng(options_.seed, stream).permutation(dataset_.size());
  } else {
    order.resize(static_cast<size_t>(dataset_.size()));
    std::iota(order.begin(), order.end(), 0);
  }
  return {this, number, first, std::move(order)};
}

Batch DataLoader::gather(std::vector<int64_t> indices, int64_t epoch) const {
  for (int64_t index : indices) {
    CHECK_ARG(0 <= index && index < dataset_.size(), "[gather] image ", index, " of a dataset of ",
              dataset_.size());
  }
  const int64_t features = dataset_.features();
  const int64_t count = std::ssize(indices);
  Batch batch{Tensor({count, features}), Tensor({count}), std::move(indices)};
  real* x = batch.x.data();  // once, outside the parallel loop
  real* labels = batch.labels.data();
  const bool draw = dataset_.binarization == Binarize::dynamic;
  const uint64_t stream = noise_stream(NoiseUse::binarize, dataset_.split, checked_epoch(epoch));

  const int64_t grain = std::max<int64_t>(1, (draw ? kDrawGrain : kGrain) / features);
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> drawn(draw ? static_cast<size_t>(features) : 0);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = batch.indices[static_cast<size_t>(i)];
      const uint8_t* bytes = dataset_.image(index);
      if (draw) {
        const int64_t row = dataset_.rows[static_cast<size_t>(index)];
        draw_pixels(bytes, features, options_.seed, stream, row, drawn.data());
        bytes = drawn.data();
      }
      to_unit_interval(bytes, features, x + i * features);
      labels[i] = static_cast<real>(dataset_.label(index));
    }
  });
  return batch;
}

Batch DataLoader::Epoch::operator[](int64_t i) const {
  CHECK_ARG(0 <= i && i < size(), "[epoch] batch ", i, " of ", size());
  const int64_t begin = i * loader_->options_.batch_size;
  const int64_t end = std::min(begin + loader_->options_.batch_size, std::ssize(order_));
  return loader_->gather({order_.begin() + begin, order_.begin() + end}, number_);
}

}  // namespace stflow

// dataset.cpp - subsets, splits and orders of a dataset: all of them work on `rows` alone.
#include "datasets/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "datasets/noise.h"
#include "tensor/check.h"
#include "tensor/rng.h"

namespace stflow {

Dataset make_dataset(Dataset description, std::vector<uint8_t> pixels, std::vector<int> labels) {
  const int64_t count = static_cast<int64_t>(labels.size());
  CHECK_ARG(static_cast<int64_t>(pixels.size()) == count * description.features(),
            "[make_dataset] ", count, " labels and images of ", description.features(),
            " bytes need ", count * description.features(), " bytes, got ", pixels.size());
  description.rows.resize(labels.size());
  std::iota(description.rows.begin(), description.rows.end(), 0);
  description.pixels = std::make_shared<const std::vector<uint8_t>>(std::move(pixels));
  description.labels = std::make_shared<const std::vector<int>>(std::move(labels));
  return description;
}

Dataset Dataset::subset(int64_t begin, int64_t end) const {
  CHECK_ARG(0 <= begin && begin <= end && end <= size(), "[subset] images [", begin, ", ", end,
            ") of a dataset of ", size());
  Dataset part = *this;
  part.rows.assign(rows.begin() + begin, rows.begin() + end);
  return part;
}

Dataset Dataset::take(int64_t count) const {
  CHECK_ARG(count >= 0, "[take] count must not be negative, got ", count);
  return subset(0, std::min(count, size()));
}

Dataset Dataset::shuffled(uint64_t seed) const {
  const std::vector<int64_t> order =
      Rng(seed, noise_stream(NoiseUse::shuffle, split, 0)).permutation(size());
  Dataset result = *this;
  for (size_t i = 0; i < order.size(); ++i) result.rows[i] = rows[static_cast<size_t>(order[i])];
  return result;
}

std::pair<Dataset, Dataset> split_last(const Dataset& dataset, double fraction) {
  const int64_t last = std::llround(fraction * static_cast<double>(dataset.size()));
  CHECK_ARG(0 < last && last < dataset.size(), "[split_last] a fraction of ", fraction, " of ",
            dataset.size(), " images leaves ", dataset.size() - last, " and ", last,
            "; both parts need at least one");
  const int64_t cut = dataset.size() - last;
  return {dataset.subset(0, cut), dataset.subset(cut, dataset.size())};
}

std::string to_string(Split split) { return split == Split::train ? "train" : "test"; }

}  // namespace stflow

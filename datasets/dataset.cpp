// dataset.cpp - subsets, splits and orders of a dataset: all of them work on `rows` alone.
#include "stflow/datasets/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "stflow/datasets/noise.h"
#include "stflow/tensor/check.h"
#include "stflow/tensor/rng.h"

namespace stflow {

void check_dataset(const Dataset& dataset, const char* op) {
  CHECK_ARG(dataset.pixels && dataset.labels, "[", op, "] dataset '", dataset.name,
            "' has no pixels or no labels");
  int64_t features = 1;
  for (int64_t extent : {dataset.height, dataset.width, dataset.channels}) {
    CHECK_ARG(extent >= 1 && !__builtin_mul_overflow(features, extent, &features), "[", op,
              "] the extents of an image must be at least 1, and fit memory, got ", dataset.height,
              "x", dataset.width, "x", dataset.channels);
  }
  const int64_t count = std::ssize(*dataset.labels), bytes = std::ssize(*dataset.pixels);
  int64_t needed = 0;
  CHECK_ARG(!__builtin_mul_overflow(features, count, &needed) && bytes == needed, "[", op, "] ",
            count, " labels and images of ", features, " bytes need ", needed, " bytes, got ",
            bytes);
  std::set<std::string> names;
  for (const std::string& name : dataset.class_names) {
    CHECK_ARG(names.insert(name).second, "[", op, "] two classes are called '", name, "'");
  }
  for (int label : *dataset.labels) {
    CHECK_ARG(0 <= label && label < dataset.classes(), "[", op, "] label ", label,
              ", expected 0 to ", dataset.classes() - 1, ", one for each class name");
  }
  for (int64_t row : dataset.rows) {
    CHECK_ARG(0 <= row && row < count, "[", op, "] image ", row, " of ", count);
  }
}

Dataset make_dataset(Dataset description, std::vector<uint8_t> pixels, std::vector<int> labels) {
  description.rows.resize(labels.size());
  std::iota(description.rows.begin(), description.rows.end(), 0);
  description.pixels = std::make_shared<const std::vector<uint8_t>>(std::move(pixels));
  description.labels = std::make_shared<const std::vector<int>>(std::move(labels));
  check_dataset(description, "make_dataset");
  return description;
}

namespace {

/// The row of image i among the bytes.
int64_t row_of(const Dataset& dataset, int64_t i, const char* op) {
  CHECK_ARG(0 <= i && i < dataset.size() && dataset.pixels && dataset.labels, "[", op, "] image ",
            i, " of a dataset of ", dataset.size());
  return dataset.rows[static_cast<size_t>(i)];
}

}  // namespace

const uint8_t* Dataset::image(int64_t i) const {
  const int64_t row = row_of(*this, i, "image");  // before pixels is looked at
  return pixels->data() + row * features();
}

int Dataset::label(int64_t i) const {
  const int64_t row = row_of(*this, i, "label");
  return (*labels)[static_cast<size_t>(row)];
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
  const bool part = 0 < fraction && fraction < 1;  // not a NaN either
  const int64_t last = part ? std::llround(fraction * static_cast<double>(dataset.size())) : 0;
  CHECK_ARG(0 < last && last < dataset.size(), "[split_last] a fraction of ", fraction, " of ",
            dataset.size(), " images leaves ", dataset.size() - last, " and ", last,
            "; both parts need at least one");
  const int64_t cut = dataset.size() - last;
  return {dataset.subset(0, cut), dataset.subset(cut, dataset.size())};
}

std::string to_string(Split split) { return split == Split::train ? "train" : "test"; }

}  // namespace stflow

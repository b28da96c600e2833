// data_loader.h - cuts a dataset into batches of numbers, in an order that depends on (seed, epoch)
// alone.
//
//     DataLoader loader(train, {.batch_size = 50, .seed = 1});
//     for (const Batch& batch : loader.epoch(e)) { ... batch.x, batch.labels ... }
//
// Nothing is remembered between epochs: a resumed run asks for epoch e and gets what an unbroken
// run would have got. All functions are const and may be called from several threads.
#pragma once

#include <cstdint>
#include <vector>

#include "stflow/datasets/dataset.h"
#include "stflow/tensor/tensor.h"

namespace stflow {

/// B images of D = height * width * channels numbers in [0, 1].
struct Batch {
  Tensor x;                      // [B,D]
  Tensor labels;                 // [B], class numbers
  std::vector<int64_t> indices;  // [B], positions in the loader's dataset
  int64_t size() const { return static_cast<int64_t>(indices.size()); }
};

struct DataLoaderOptions {
  int64_t batch_size = 100;
  bool shuffle = true;
  bool drop_last = false;  // leave out a last batch that is not full
  uint64_t seed = 0;       // of the order, and of dynamic binarisation
};

class DataLoader {
 public:
  /// Throws unless batch_size >= 1 and there is at least one batch, and like check_dataset.
  explicit DataLoader(Dataset dataset, const DataLoaderOptions& options = {});

  const Dataset& dataset() const { return dataset_; }
  /// Batches in an epoch.
  int64_t batches() const;

  class Epoch;
  /// The batches of one epoch, or those from batch `first` on; the loader must outlive it. Throws
  /// when `number` is negative, or `first` not one of 0 ... batches().
  Epoch epoch(int64_t number, int64_t first = 0) const;
  /// The given images (positions in the dataset) as they are in an epoch: dynamic binarisation
  /// draws anew for each. Throws when a position is out of range.
  Batch gather(std::vector<int64_t> indices, int64_t epoch = 0) const;

 private:
  Dataset dataset_;
  DataLoaderOptions options_;
};

class DataLoader::Epoch {
 public:
  int64_t size() const { return loader_->batches(); }
  Batch operator[](int64_t i) const;

  class Iterator {
   public:
    Batch operator*() const { return (*epoch_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return i_ != other.i_; }

   private:
    friend class Epoch;
    Iterator(const Epoch* epoch, int64_t i) : epoch_(epoch), i_(i) {}
    const Epoch* epoch_;
    int64_t i_;
  };
  Iterator begin() const { return {this, first_}; }
  Iterator end() const { return {this, size()}; }

 private:
  friend class DataLoader;
  Epoch(const DataLoader* loader, int64_t number, int64_t first, std::vector<int64_t> order)
      : loader_(loader), number_(number), first_(first), order_(std::move(order)) {}
  const DataLoader* loader_;
  int64_t number_, first_;
  std::vector<int64_t> order_;
};

}  // namespace stflow

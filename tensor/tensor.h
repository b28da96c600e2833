// tensor.h - a dense, row-major array of `real` numbers: a value handle on shared storage.
//
// Copying a Tensor copies the handle, as in PyTorch; clone() copies the numbers. Views exist where
// they cost nothing in a row-major layout: reshape and a range of leading rows. There are no
// strides, dtypes or devices. Arithmetic is in math.h, products of matrices in blas.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/check.h"
#include "tensor/shape.h"

#ifndef STFLOW_REAL
#define STFLOW_REAL float
#endif

namespace stflow {

/// The one scalar type of a build: float, or double with `make REAL=double`.
using real = STFLOW_REAL;

class Tensor {
 public:
  Tensor() = default;                   // undefined: no storage; see defined()
  explicit Tensor(const Shape& shape);  // numbers are not initialised

  static Tensor zeros(const Shape& shape) { return full(shape, 0); }
  static Tensor ones(const Shape& shape) { return full(shape, 1); }
  static Tensor full(const Shape& shape, real value);
  static Tensor scalar(real value) { return full({}, value); }
  /// Copies the numbers; throws unless there are exactly shape.numel() of them.
  static Tensor from(const std::vector<real>& values, const Shape& shape);
  static Tensor from(const std::vector<real>& values);  // shape [values.size()]

  bool defined() const { return data_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t numel() const { return numel_; }
  real* data() { return data_.get(); }
  const real* data() const { return data_.get(); }
  /// The one number of a tensor with one element; throws otherwise.
  real item() const;
  /// The number at flat position i (row-major). Not checked.
  real operator[](int64_t i) const { return data_.get()[i]; }
  std::vector<real> to_vector() const { return {data(), data() + numel()}; }

  /// View with another shape; one extent may be -1 and is then inferred.
  Tensor reshape(const Shape& shape) const;
  /// View of rows [begin, end) of the first axis.
  Tensor rows(int64_t begin, int64_t end) const;
  Tensor clone() const;
  /// True when both handles see the same storage from the same first element.
  bool shares_storage(const Tensor& other) const { return data_ == other.data_; }

  std::string str() const;  // shape and the first numbers, for messages and debugging

 private:
  std::shared_ptr<real> data_;  // first element; owns (or aliases) a block of the storage cache
  Shape shape_;
  int64_t numel_ = 0;
};

/// Bytes now held by live tensors, and by freed blocks kept for reuse (see storage.cpp).
struct StorageStats {
  int64_t live_bytes;
  int64_t cached_bytes;
};
StorageStats storage_stats();
/// Gives all freed blocks back to the system.
void release_storage_cache();

}  // namespace stflow

// tensor.h - a dense, row-major array of `real` numbers: a value handle on shared storage.
//
// Copying a Tensor copies the handle, as in PyTorch; clone() copies the numbers. Views exist where
// they cost nothing in a row-major layout: reshape and a range of leading rows. There are no
// strides, dtypes or devices. Arithmetic is in math.h, products of matrices in blas.h.
//
// Questions about the shape of an undefined tensor throw, with the name of the function that asks
// (`asking`, filled in by the compiler): so every function that is given one refuses it by name.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "stflow/tensor/check.h"
#include "stflow/tensor/real.h"
#include "stflow/tensor/shape.h"

namespace stflow {

class Tensor {
 public:
  Tensor() = default;  // undefined: no storage; see defined()
  /// Numbers are not initialised. Throws, with `op`, when the shape is negative or too large
  /// (Shape::numel), and std::runtime_error when there is no memory for it.
  explicit Tensor(const Shape& shape, const char* op = "Tensor");

  static Tensor zeros(const Shape& shape) { return full(shape, 0, "zeros"); }
  static Tensor ones(const Shape& shape) { return full(shape, 1, "ones"); }
  static Tensor full(const Shape& shape, real value, const char* op = "full");
  static Tensor scalar(double value) { return full({}, static_cast<real>(value)); }
  /// Copies the numbers; throws unless there are exactly shape.numel() of them.
  static Tensor from(const std::vector<real>& values, const Shape& shape);
  static Tensor from(const std::vector<real>& values);  // shape [values.size()]

  bool defined() const { return data_ != nullptr; }
  const Shape& shape(const char* asking = __builtin_FUNCTION()) const {
    if (!defined()) refuse_undefined(asking);
    return shape_;
  }
  int rank(const char* asking = __builtin_FUNCTION()) const { return shape(asking).rank(); }
  int64_t dim(int axis, const char* asking = __builtin_FUNCTION()) const {
    return shape(asking).dim(axis, asking);
  }
  int64_t numel() const { return numel_; }  // 0 when undefined
  real* data() { return data_.get(); }
  const real* data() const { return data_.get(); }
  /// The one number of a tensor with one element; throws otherwise.
  real item() const;
  /// The number at flat position i (row-major). Not checked.
  real operator[](int64_t i) const { return data_.get()[i]; }
  std::vector<real> to_vector() const { return {data(), data() + shape().numel()}; }

  /// View with another shape; one extent may be -1 and is then inferred.
  Tensor reshape(const Shape& shape) const;
  /// View of rows [begin, end) of the first axis.
  Tensor rows(int64_t begin, int64_t end) const;
  Tensor clone() const;
  /// True when both handles see the same storage from the same first element.
  bool shares_storage(const Tensor& other) const { return data_ == other.data_; }

  std::string str() const;  // shape and the first numbers, for messages and debugging

  /// When the numbers were last changed in place, by tick(); 0: never. Kernels that change a tensor
  /// in place say so; what is written through data() is not seen.
  uint64_t changed_at() const;
  /// Says that the numbers change, and returns when: now.
  uint64_t mark_changed();

 private:
  [[noreturn]] static void refuse_undefined(const char* asking);

  std::shared_ptr<real> data_;  // first element; owns (or aliases) a block of the storage cache
  Shape shape_;
  int64_t numel_ = 0;
};

/// The numbers in rows, as NumPy prints them, in the precision of the stream. Of more than 1000
/// numbers only the first and last three of an axis are shown.
std::ostream& operator<<(std::ostream& out, const Tensor& x);

/// A clock of events: every call returns a larger number. Thread-safe.
uint64_t tick();

/// Bytes now held by live tensors, and by freed blocks kept for reuse (see storage.cpp).
struct StorageStats {
  int64_t live_bytes;
  int64_t cached_bytes;
};
StorageStats storage_stats();
/// Gives all freed blocks back to the system.
void release_storage_cache();

}  // namespace stflow

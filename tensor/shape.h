// shape.h - the extents of a tensor, outermost first, kept in place (no heap), at most six of them.
//
// Shapes are compared, printed and passed by value everywhere; NumPy's broadcasting rule lives here
// too, because it is a rule about shapes alone.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <vector>

#include "stflow/tensor/real.h"

namespace stflow {

class Shape {
 public:
  static constexpr int kMaxRank = 6;
  static constexpr int64_t kMaxBytes = int64_t{1} << 40;  // of a tensor

  Shape() = default;  // rank 0: a scalar
  Shape(std::initializer_list<int64_t> dims);
  explicit Shape(const std::vector<int64_t>& dims);

  int rank() const { return rank_; }
  /// Number of elements: the product of the extents, 1 for a scalar. Throws, with `op`, when an
  /// extent is negative or when that many numbers are more than kMaxBytes; so does a shape without
  /// elements whose other extents are too large, so that the product of any axes fits too.
  int64_t numel(const char* op = "Shape") const;
  /// Extent of an axis; a negative axis counts from the last. Throws, with `op`, when out of range.
  int64_t operator[](int axis) const { return dim(axis, "Shape"); }
  int64_t dim(int axis, const char* op) const { return dims_[normalize(axis, op)]; }
  /// The axis as a number in [0, rank). Throws, with `op`, when out of range.
  int normalize(int axis, const char* op = "Shape") const;

  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  bool operator==(const Shape& other) const = default;

  /// The same shape with one axis changed, removed, or a new one put before `axis` (0..rank).
  Shape with(int axis, int64_t extent) const;
  Shape without(int axis) const;
  Shape inserted(int axis, int64_t extent) const;

  std::string str() const;  // "[64,784]"

 private:
  std::array<int64_t, kMaxRank> dims_{};  // unused entries stay 0, so that == may compare all
  int rank_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// NumPy's rule: align at the last axis; extents must be equal or one of them 1. Throws with `op`
/// and both shapes when they do not fit.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op);

/// True when a tensor of shape `from` can be repeated to shape `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

}  // namespace stflow

#include "stflow/tensor/shape.h"

#include <algorithm>

#include "stflow/tensor/check.h"

namespace stflow {

namespace {

double bytes_needed(const Shape& shape) {
  double bytes = sizeof(real);
  for (int64_t extent : shape) bytes *= std::max(1.0, static_cast<double>(extent));
  return bytes;
}

}  // namespace

Shape::Shape(std::initializer_list<int64_t> dims) : Shape(std::vector<int64_t>(dims)) {}

Shape::Shape(const std::vector<int64_t>& dims) : rank_(static_cast<int>(dims.size())) {
  CHECK_ARG(dims.size() <= kMaxRank, "[Shape] at most ", kMaxRank, " axes, got ", dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

int64_t Shape::numel(const char* op) const {
  constexpr int64_t kMost = kMaxBytes / static_cast<int64_t>(sizeof(real));
  int64_t product = 1;  // of the extents that are not 0
  bool empty = false;
  for (int64_t extent : *this) {
    CHECK_ARG(extent >= 0, "[", op, "] negative extent in shape ", str());
    empty = empty || extent == 0;
    if (extent == 0) continue;
    CHECK_ARG(extent <= kMost / product, "[", op, "] shape ", str(), " needs ", bytes_needed(*this),
              " bytes, a tensor has at most ", kMaxBytes);
    product *= extent;
  }
  return empty ? 0 : product;
}

int Shape::normalize(int axis, const char* op) const {
  const int positive = axis < 0 ? axis + rank_ : axis;
  CHECK_ARG(positive >= 0 && positive < rank_, "[", op, "] axis ", axis, " does not exist in ",
            str());
  return positive;
}

Shape Shape::with(int axis, int64_t extent) const {
  Shape result = *this;
  result.dims_[normalize(axis)] = extent;
  return result;
}

Shape Shape::without(int axis) const {
  std::vector<int64_t> dims(begin(), end());
  dims.erase(dims.begin() + normalize(axis));
  return Shape(dims);
}

Shape Shape::inserted(int axis, int64_t extent) const {
  CHECK_ARG(axis >= 0 && axis <= rank_, "[Shape] cannot insert an axis at ", axis, " in ", str());
  std::vector<int64_t> dims(begin(), end());
  dims.insert(dims.begin() + axis, extent);
  return Shape(dims);
}

std::string Shape::str() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) text += ",";
    text += std::to_string(dims_[axis]);
  }
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape result = longer;
  for (int axis = 1; axis <= shorter.rank(); ++axis) {
    const int64_t m = longer[-axis], n = shorter[-axis];
    CHECK_ARG(m == n || m == 1 || n == 1, "[", op, "] shapes ", a, " and ", b,
              " do not broadcast: extents must be equal or 1, aligned at the last axis");
    result = result.with(-axis, m == 1 ? n : m);
  }
  return result;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  for (int axis = 1; axis <= from.rank(); ++axis) {
    if (from[-axis] != to[-axis] && from[-axis] != 1) return false;
  }
  return true;
}

}  // namespace stflow

#include "tensor/tensor.h"

#include <algorithm>
#include <sstream>

#include "tensor/storage.h"

namespace stflow {

Tensor::Tensor(const Shape& shape) : shape_(shape), numel_(shape.numel()) {
  for (int64_t extent : shape) CHECK_ARG(extent >= 0, "[Tensor] negative extent in shape ", shape);
  data_ = allocate_storage(numel_);
}

Tensor Tensor::full(const Shape& shape, real value) {
  Tensor result(shape);
  std::fill_n(result.data(), result.numel(), value);
  return result;
}

Tensor Tensor::from(const std::vector<real>& values, const Shape& shape) {
  CHECK_ARG(static_cast<int64_t>(values.size()) == shape.numel(), "[Tensor::from] shape ", shape,
            " holds ", shape.numel(), " numbers, got ", values.size());
  Tensor result(shape);
  std::copy(values.begin(), values.end(), result.data());
  return result;
}

Tensor Tensor::from(const std::vector<real>& values) {
  return from(values, {static_cast<int64_t>(values.size())});
}

real Tensor::item() const {
  CHECK_ARG(defined() && numel() == 1, "[Tensor::item] needs exactly one element, got shape ",
            shape_);
  return data()[0];
}

Tensor Tensor::reshape(const Shape& shape) const {
  std::vector<int64_t> dims(shape.begin(), shape.end());
  auto unknown = std::find(dims.begin(), dims.end(), -1);
  if (unknown != dims.end()) {
    *unknown = 1;
    const int64_t known = Shape(dims).numel();
    *unknown = known > 0 ? numel() / known : 0;
  }
  Tensor view = *this;
  view.shape_ = Shape(dims);
  const bool negative = std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; });
  CHECK_ARG(!negative && view.shape_.numel() == numel(), "[reshape] ", shape_, " cannot become ",
            shape);
  return view;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  CHECK_ARG(rank() > 0 && 0 <= begin && begin <= end && end <= dim(0), "[rows] range ", begin, "..",
            end, " does not fit shape ", shape_);
  Tensor view;
  view.shape_ = shape_.with(0, end - begin);
  view.numel_ = view.shape_.numel();
  const int64_t row = dim(0) > 0 ? numel() / dim(0) : 0;
  view.data_ = std::shared_ptr<real>(data_, data_.get() + begin * row);
  return view;
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  Tensor copy(shape_);
  std::copy_n(data(), numel(), copy.data());
  return copy;
}

std::string Tensor::str() const {
  if (!defined()) return "undefined tensor";
  constexpr int64_t kShown = 8;
  std::ostringstream text;
  text << shape_ << " {";
  for (int64_t i = 0; i < std::min(numel(), kShown); ++i) text << (i > 0 ? ", " : "") << (*this)[i];
  text << (numel() > kShown ? ", ...}" : "}");
  return text.str();
}

}  // namespace stflow

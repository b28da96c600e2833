#include "stflow/tensor/tensor.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <sstream>

#include "stflow/tensor/kernels/storage.h"

namespace stflow {

Tensor::Tensor(const Shape& shape, const char* op) : shape_(shape), numel_(shape.numel(op)) {
  try {
    data_ = allocate_storage(numel_);
  } catch (const std::bad_alloc&) {
    throw std::runtime_error(concat_message("[", op, "] no memory for shape ", shape, ", ",
                                            numel_ * static_cast<int64_t>(sizeof(real)), " bytes"));
  }
}

Tensor Tensor::full(const Shape& shape, real value, const char* op) {
  Tensor result(shape, op);
  std::fill_n(result.data(), result.numel(), value);
  return result;
}

Tensor Tensor::from(const std::vector<real>& values, const Shape& shape) {
  const int64_t count = shape.numel("Tensor::from");
  CHECK_ARG(std::ssize(values) == count, "[Tensor::from] shape ", shape, " holds ", count,
            " numbers, got ", values.size());
  Tensor result(shape);
  std::copy(values.begin(), values.end(), result.data());
  return result;
}

Tensor Tensor::from(const std::vector<real>& values) {
  return from(values, {static_cast<int64_t>(values.size())});
}

real Tensor::item() const {
  CHECK_ARG(defined() && numel() == 1, "[Tensor::item] needs exactly one element, got ",
            defined() ? concat_message("shape ", shape_) : "an undefined tensor");
  return data()[0];
}

Tensor Tensor::reshape(const Shape& shape) const {
  const Shape& from = this->shape();
  std::vector<int64_t> dims(shape.begin(), shape.end());
  const auto unknown = std::find(dims.begin(), dims.end(), -1);
  if (unknown != dims.end()) *unknown = 1;
  const bool negative = std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; });
  if (unknown != dims.end() && !negative) {
    const int64_t known = Shape(dims).numel("reshape");
    *unknown = known > 0 ? numel() / known : 0;
  }
  CHECK_ARG(!negative && Shape(dims).numel("reshape") == numel(), "[reshape] ", from,
            " cannot become ", shape);
  Tensor view = *this;
  view.shape_ = Shape(dims);
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
  Tensor copy(shape_, "clone");
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

namespace {

/// Prints nested rows, each number as wide as the widest that was printed so far: the second time,
/// all are in columns.
struct Rows {
  static constexpr int64_t kWhole = 1000, kEdge = 3;
  const Tensor& x;
  const std::streamsize precision;
  size_t width = 0;

  void number(std::ostream& out, int64_t i) {
    std::ostringstream text;
    text.precision(precision);
    text << x[i];
    const size_t size = text.str().size();
    width = std::max(width, size);
    out << std::string(width - size, ' ') << text.str();
  }

  /// The `count` numbers from `begin` on, which axes `axis`, axis + 1, ... order.
  void print(std::ostream& out, int axis, int64_t begin, int64_t count) {
    if (axis == x.rank()) return number(out, begin);
    const int inner = x.rank() - axis - 1;
    const std::string next =
        inner == 0 ? ", " : "," + std::string(inner, '\n') + std::string(axis + 1, ' ');
    const int64_t extent = x.dim(axis), each = extent > 0 ? count / extent : 0;
    const bool cut = x.numel() > kWhole && extent > 2 * kEdge;
    out << '[';
    for (int64_t i = 0; i < extent; ++i) {
      if (i > 0) out << next;
      if (cut && i == kEdge) {
        out << "..." << next;
        i = extent - kEdge;
      }
      print(out, axis + 1, begin + i * each, each);
    }
    out << ']';
  }
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& x) {
  if (!x.defined()) return out << "undefined tensor";
  Rows rows{x, out.precision()};
  std::ostringstream draft;  // to learn the width
  rows.print(draft, 0, 0, x.numel());
  rows.print(out, 0, 0, x.numel());
  return out;
}

uint64_t Tensor::changed_at() const { return defined() ? last_change(data_).load() : 0; }

uint64_t Tensor::mark_changed() {
  if (!defined()) refuse_undefined("mark_changed");
  return last_change(data_) = tick();
}

void Tensor::refuse_undefined(const char* asking) {
  throw std::invalid_argument(concat_message("[", asking, "] the tensor is undefined"));
}

uint64_t tick() {
  static std::atomic<uint64_t> events = 0;
  return ++events;
}

}  // namespace stflow

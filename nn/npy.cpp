// npy.cpp - see npy.h. A file is the magic "\x93NUMPY", version, header length (2 bytes), a header
// that looks like a Python dictionary, and the numbers.
#include "stflow/nn/npy.h"

#include <charconv>
#include <cstring>
#include <vector>

#include "stflow/nn/binary_file.h"
#include "stflow/tensor/text.h"

namespace stflow::nn {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::string_view kVersion("\1\0", 2);
constexpr size_t kPrefix = 10;     // magic, version, header length
constexpr size_t kAlignment = 64;  // of the numbers, in bytes
constexpr const char* kRealType = sizeof(real) == 4 ? "<f4" : "<f8";

/// Reads the header from its beginning. NumPy always writes the keys in this order.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& path)
      : text_(text), rest_(text), path_(path) {}

  bool try_take(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  void take(std::string_view expected) {
    if (!try_take(expected)) {
      bad_file(path_, "expected ", expected, " in the header at character ",
               text_.size() - rest_.size(), ", found ", text_);
    }
  }
  std::string_view take_until(char end) {
    const std::string_view taken = rest_.substr(0, rest_.find(end));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  /// Blanks and line ends, which align the numbers.
  void take_end() {
    if (rest_.find_first_not_of(" \n") != std::string_view::npos) {
      bad_file(path_, "expected the end of the header at character ", text_.size() - rest_.size(),
               ", found ", text_);
    }
  }
  /// "()", "(3,)", "(3, 4)"
  std::vector<int64_t> take_tuple() {
    std::vector<int64_t> numbers;
    take("(");
    while (!try_take(")")) {
      int64_t number = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
      if (error != std::errc()) bad_file(path_, "expected a shape, found ", text_);
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      numbers.push_back(number);
      if (try_take(",")) try_take(" ");
    }
    return numbers;
  }

 private:
  std::string_view text_, rest_;
  const std::string& path_;
};

}  // namespace

void save_npy(const std::string& path, const Tensor& tensor) {
  CHECK_ARG(tensor.defined(), "[save_npy] the tensor is undefined");
  std::string shape = joined(tensor.shape(), ", ");
  if (tensor.rank() == 1) shape += ",";
  std::string header = concat_message("{'descr': '", kRealType,
                                      "', 'fortran_order': False, 'shape': (", shape, "), }");
  const size_t total = (kPrefix + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  header.resize(total - kPrefix - 1, ' ');
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  const std::string_view length_bytes(reinterpret_cast<const char*>(&length), sizeof length);
  write_file(path, {kMagic, kVersion, length_bytes, header, bytes_of(tensor)});
}

Tensor load_npy(const std::string& path) {
  const std::string file = read_file(path);
  const std::string_view bytes = file;
  if (!bytes.starts_with(kMagic) || bytes.size() < kPrefix) bad_file(path, "not a .npy file");
  if (bytes.substr(kMagic.size(), 2) != kVersion) {
    bad_file(path, "expected .npy version 1.0, found ", int{bytes[6]}, ".", int{bytes[7]});
  }
  uint16_t length = 0;
  std::memcpy(&length, bytes.data() + kPrefix - sizeof length, sizeof length);
  if (bytes.size() - kPrefix < length) {
    bad_file(path, "truncated: the header has ", length, " bytes, ", bytes.size() - kPrefix,
             " follow");
  }

  HeaderReader header(bytes.substr(kPrefix, length), path);
  header.take("{'descr': '");
  const std::string_view type = header.take_until('\'');
  if (type != "<f4" && type != "<f8") bad_file(path, "expected '<f4' or '<f8', found '", type, "'");
  header.take("', 'fortran_order': ");
  if (header.try_take("True")) bad_file(path, "expected row-major order, found fortran_order True");
  header.take("False, 'shape': ");
  const std::vector<int64_t> extents = header.take_tuple();
  if (!header.try_take(", }")) header.take("}");
  header.take_end();

  if (extents.size() > Shape::kMaxRank) {
    bad_file(path, "expected at most ", Shape::kMaxRank, " axes, found ", extents.size());
  }
  const size_t bytes_per_number = type == "<f4" ? 4 : 8;
  const std::string_view data = bytes.substr(kPrefix + length);
  const int64_t size = byte_size(extents, bytes_per_number);
  if (size < 0 || static_cast<size_t>(size) != data.size()) {
    bad_file(path, "shape ", Shape(extents), " of '", type, "' needs ",
             size < 0 ? "too many" : std::to_string(size), " bytes, the file has ", data.size());
  }
  return tensor_from_bytes(data, Shape(extents), bytes_per_number);
}

}  // namespace stflow::nn

// idx.cpp - one pass over a stream of zlib: header, body, and proof that nothing follows.
//
// The body is read in pieces and the buffer grows with what arrives, so a header that lies about
// the size costs no memory, and a gzip file that unpacks to more than files of images do is refused
// before it is read.
#include "stflow/datasets/idx.h"

#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "stflow/datasets/sha256.h"
#include "stflow/tensor/check.h"
#include "stflow/tensor/text.h"

namespace stflow {
namespace {

constexpr size_t kPiece = size_t{1} << 20;
constexpr int64_t kMostReserved = int64_t{1} << 26;  // before a byte has arrived; MNIST needs 47 MB
constexpr int64_t kDeflate = 1032;                   // bytes that one of gzip's becomes, at most
constexpr int64_t kMostExpansion = 100;              // by gzip, of more than that; MNIST: 5
constexpr int64_t kMostBytes = int64_t{1} << 40;     // far above any dataset

/// A file opened by zlib, which passes raw files through unchanged.
class Stream {
 public:
  explicit Stream(const std::filesystem::path& path)
      : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) bad_file(path_, "cannot be opened: ", std::strerror(errno));
    gzbuffer(file_.get(), 1 << 17);
  }

  /// Reads up to `count` bytes and returns how many there were. Throws when the file is corrupt.
  size_t read(uint8_t* to, size_t count) {
    const int got = gzread(file_.get(), to, static_cast<unsigned>(count));
    int error = Z_OK;
    const std::string reason = gzerror(file_.get(), &error);  // begins with the path
    ended_early_ = error == Z_BUF_ERROR;
    if (got < 0) throw std::runtime_error(reason + " (unreadable or corrupt)");
    return static_cast<size_t>(got);
  }

  /// True when what has been read was packed; zlib knows after the first read.
  bool is_gzip() { return gzdirect(file_.get()) == 0; }
  /// True when the gzip stream broke off before its end mark.
  bool ended_early() const { return ended_early_; }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose_r(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, Close> file_;
  bool ended_early_ = false;
};

uint32_t big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

/// Says what the first four bytes are, and what probably happened.
std::string describe_magic(const uint8_t* bytes) {
  char hex[16];
  std::snprintf(hex, sizeof hex, "0x%08x", big_endian(bytes));
  std::string text = std::string("magic ") + hex;
  if (std::all_of(bytes, bytes + 4, [](uint8_t c) { return std::isprint(c) != 0; })) {
    text += "; starts with \"" + std::string(bytes, bytes + 4) + "\"";
    if (bytes[0] == '<') text += ": an HTML error page was saved?";
  }
  return text;
}

}  // namespace

IdxFile read_idx(const std::filesystem::path& path, IdxKind kind) {
  const size_t rank = static_cast<size_t>(kind);
  const char* kind_name = kind == IdxKind::images ? "image" : "label";
  Stream stream(path);

  std::vector<uint8_t> header(4 + 4 * rank);
  const size_t header_bytes = stream.read(header.data(), header.size());
  if (header_bytes >= 4 && big_endian(header.data()) != (0x00000800 | rank)) {
    bad_file(path, "not an IDX ", kind_name, " file (", describe_magic(header.data()),
             "); expected magic 0x0000080", rank);
  }
  if (header_bytes < header.size()) {
    bad_file(path, "truncated: the header of an IDX ", kind_name, " file has ", header.size(),
             " bytes, file has ", header_bytes);
  }

  IdxFile file;
  int64_t expected = 1;
  for (size_t i = 0; i < rank; ++i) file.dims.push_back(big_endian(header.data() + 4 + 4 * i));
  for (int64_t dim : file.dims) {
    if (dim == 0) bad_file(path, "holds no data: header says " + joined(file.dims, "x"));
    if (dim > kMostBytes / expected)
      bad_file(path, "not believable: header says " + joined(file.dims, "x"));
    expected *= dim;
  }

  std::error_code unknown;
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, unknown));
  if (!unknown && stream.is_gzip() && expected > kMostReserved &&
      expected / kMostExpansion > size) {
    bad_file(path, "not believable: header says ", joined(file.dims, "x"), " = ", expected,
             " bytes, in a gzip file of ", size);
  }
  const int64_t most = unknown ? 0 : kDeflate * size;
  file.bytes.reserve(static_cast<size_t>(std::min({expected, kMostReserved, most})));
  Sha256 hash;
  hash.update(header.data(), header.size());
  while (static_cast<int64_t>(file.bytes.size()) < expected) {
    const size_t have = file.bytes.size();
    file.bytes.resize(have + std::min(kPiece, static_cast<size_t>(expected) - have));
    const size_t got = stream.read(file.bytes.data() + have, file.bytes.size() - have);
    hash.update(file.bytes.data() + have, got);
    file.bytes.resize(have + got);
    if (got == 0) {
      bad_file(path, "truncated: header says ", joined(file.dims, "x"), " = ", expected,
               " bytes, file has ", have);
    }
  }
  uint8_t extra;
  if (stream.read(&extra, 1) > 0) {
    bad_file(path, "too long: header says ", joined(file.dims, "x"), " = ", expected,
             " bytes, more follow");
  }
  if (stream.ended_early()) bad_file(path, "truncated: the gzip checksum at the end is missing");
  file.sha256 = hash.hex();
  return file;
}

Dataset load_idx(const std::filesystem::path& images_path, const std::filesystem::path& labels_path,
                 Dataset description) {
  IdxFile images = read_idx(images_path, IdxKind::images);
  const IdxFile labels = read_idx(labels_path, IdxKind::labels);
  if (images.dims[0] != labels.dims[0]) {
    bad_file(images_path, "holds ", images.dims[0], " images, but ", labels_path.string(),
             " holds ", labels.dims[0], " labels");
  }
  CHECK_ARG(description.classes() > 0, "[load_idx] expected a dataset with class names");
  for (size_t i = 0; i < labels.bytes.size(); ++i) {
    if (labels.bytes[i] >= description.classes()) {
      bad_file(labels_path, "label ", int{labels.bytes[i]}, " at position ", i,
               " is out of range; expected 0 to ", description.classes() - 1);
    }
  }
  description.height = images.dims[1];
  description.width = images.dims[2];
  description.channels = 1;
  description.sources = {{images_path.string(), images.sha256},
                         {labels_path.string(), labels.sha256}};
  return make_dataset(std::move(description), std::move(images.bytes),
                      {labels.bytes.begin(), labels.bytes.end()});
}

}  // namespace stflow

// idx.h - reads the IDX format of MNIST (LeCun): a magic number, the extents, then bytes.
//
// One path serves raw and gzip files (zlib tells them apart), and nothing is believed before it is
// checked: the extents of the header are compared with what the file really holds. Only unsigned
// bytes are read, as labels (rank 1) or grey images (rank 3).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "stflow/datasets/dataset.h"

namespace stflow {

enum class IdxKind { labels = 1, images = 3 };  // the value is the rank

struct IdxFile {
  std::vector<int64_t> dims;   // [count] or [count, height, width]
  std::vector<uint8_t> bytes;  // row-major
  std::string sha256;          // of the decompressed file, header included
};

/// Reads a whole file, raw or gzip. Throws std::runtime_error when it can't be opened, is no IDX
/// file of this kind, is truncated, corrupt, or longer than its header says.
IdxFile read_idx(const std::filesystem::path& path, IdxKind kind);

/// Reads images and their labels into `description` (whose name, split and class names are kept).
/// Throws std::runtime_error also when the counts differ or a label has no class name.
Dataset load_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                 Dataset description);

}  // namespace stflow

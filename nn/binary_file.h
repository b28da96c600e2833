// binary_file.h - what the file formats of nn/ share: whole files in and out, numbers as bytes.
//
// Writing goes to a temporary name in the same folder, which is synced and then renamed: after a
// crash there is the old file or the new one, never half of one. Numbers are little-endian on disk
// and in memory, which is checked when this is compiled.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace stflow::nn {

/// All bytes of a file. Throws std::runtime_error with the path and the system's reason.
std::string read_file(const std::string& path);
/// Writes the parts one after another, replacing what was there. Throws std::runtime_error with the
/// path and the system's reason, and then leaves what was there untouched.
void write_file(const std::string& path, const std::vector<std::string_view>& parts);

/// The numbers of a tensor as they are in memory; valid as long as the tensor.
std::string_view bytes_of(const Tensor& tensor);
/// A tensor from 4-byte or 8-byte floats, converted to `real`.
Tensor tensor_from_bytes(std::string_view bytes, const Shape& shape, size_t bytes_per_number);
/// Bytes of that many numbers for the extents, or -1 when an extent is negative or the product
/// overflows.
int64_t byte_size(const std::vector<int64_t>& extents, size_t bytes_per_number);

}  // namespace stflow::nn

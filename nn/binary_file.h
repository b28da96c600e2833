// binary_file.h - what the file formats of nn/ share: whole files in and out, numbers as bytes.
//
// Writing goes to a temporary name in the same folder, which is synced and then renamed: after a
// crash there is the old file or the new one, never half of one. That name is random and always a
// new file, so that nobody who may write in the folder can lead the bytes elsewhere. Numbers are
// little-endian on disk and in memory, which is checked when this is compiled.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stflow/tensor/tensor.h"

namespace stflow::nn {

/// What to do with a symbolic link where a file is to be written: write what it leads to, or throw.
enum class Links { follow, refuse };

/// Writes all bytes to an open file. Returns errno, 0 if that went well.
int write_all(int descriptor, std::string_view bytes);
/// All bytes of a file. Throws std::runtime_error with the path and the system's reason, or when
/// there are more than `limit`.
std::string read_file(const std::string& path, size_t limit = ~size_t{0});
/// Writes the parts one after another, replacing what was there and keeping its permissions. Throws
/// std::runtime_error with the path and the system's reason, and then leaves what was there
/// untouched. It does so too if the path is no regular file, but a folder, pipe or device.
void write_file(const std::string& path, const std::vector<std::string_view>& parts,
                Links links = Links::follow);
/// Removes what a write_file that was killed has left in the folder: our own regular files under
/// its temporary names, nothing else. No write_file may be at work there.
void remove_leftovers(const std::string& folder);

/// The numbers of a tensor as they are in memory; valid as long as the tensor.
std::string_view bytes_of(const Tensor& tensor);
/// A tensor from 4-byte or 8-byte floats, converted to `real`.
Tensor tensor_from_bytes(std::string_view bytes, const Shape& shape, size_t bytes_per_number);
/// Bytes of that many numbers for the extents, or -1 for a shape that no tensor has: see
/// Shape::numel.
int64_t byte_size(const std::vector<int64_t>& extents, size_t bytes_per_number);

}  // namespace stflow::nn

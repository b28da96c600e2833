// npy.h - single tensors for NumPy: numpy.load reads what save_npy writes, and the other way round.
//
// Format version 1.0, row-major, '<f4' or '<f8'; anything else is refused by name.
#pragma once

#include <string>

#include "stflow/tensor/tensor.h"

namespace stflow::nn {

/// Replaces `path`, or what it links to, in one step. Throws std::runtime_error when the file
/// cannot be written.
void save_npy(const std::string& path, const Tensor& tensor);
/// Throws std::runtime_error with the path, what was expected and what was found.
Tensor load_npy(const std::string& path);

}  // namespace stflow::nn

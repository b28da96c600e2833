// safetensors.h - models on disk, in the safetensors format, which Python reads without this
// library.
//
// A file is 8 bytes of header length (little-endian), a JSON header that gives type, shape and
// place of each tensor, then the numbers. The same tensors and metadata always give the same bytes.
// Written as F32 (F64 in a double build); F32 and F64 are read, and every claim of the header is
// checked.
//
//   nn::save_safetensors("model.safetensors", model.state_dict());
//   model.load_state_dict(nn::load_safetensors("model.safetensors").tensors, "model.safetensors");
#pragma once

#include <map>
#include <string>

#include "stflow/nn/binary_file.h"
#include "stflow/nn/named_tensors.h"

namespace stflow::nn {

using Metadata = std::map<std::string, std::string>;

/// Replaces `path`, or what it links to, in one step: a crash leaves the old file or the new one.
/// Throws std::invalid_argument for an undefined tensor, the name "__metadata__" or text that is
/// not UTF-8, std::runtime_error when the file cannot be written.
void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const Metadata& metadata = {}, Links links = Links::follow);

struct SafetensorsFile {
  NamedTensors tensors;
  Metadata metadata;
};
/// Throws std::runtime_error with the path, what was expected and what was found.
SafetensorsFile load_safetensors(const std::string& path);

}  // namespace stflow::nn

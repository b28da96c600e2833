// safetensors.cpp - a safetensors file; what begins with its header gets the length before it.
#include "stflow/nn/safetensors.h"

#include "stflow/nn/binary_file.h"
#include "tests/fuzz/fuzz.h"

using namespace stflow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with('{')) bytes = fuzz::with_header_length(bytes);
  const std::string path = fuzz::write("file", bytes);
  fuzz::attempt((1 << 20) + 64 * static_cast<int64_t>(size), [&] {
    const nn::SafetensorsFile file = nn::load_safetensors(path);
    nn::save_safetensors(path, file.tensors, file.metadata);
    const nn::SafetensorsFile again = nn::load_safetensors(path);
    if (again.metadata != file.metadata || again.tensors.size() != file.tensors.size()) {
      fuzz::finding("what was read is not what is written");
    }
    for (const auto& [name, tensor] : file.tensors) {
      const Tensor& same = again.tensors.at(name);
      if (same.shape() != tensor.shape() || nn::bytes_of(same) != nn::bytes_of(tensor)) {
        fuzz::finding("tensor '" + name + "' is written as another one");
      }
    }
  });
  return 0;
}

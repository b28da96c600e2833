// text.h - texts that are put together in more than one place.
#pragma once

#include <filesystem>
#include <stdexcept>

#include "stflow/tensor/check.h"

namespace stflow {

/// Throws "path: ..." about a file or folder that is not as expected.
template <typename... Parts>
[[noreturn]] void bad_file(const std::filesystem::path& path, const Parts&... parts) {
  throw std::runtime_error(concat_message(path.string(), ": ", parts...));
}

}  // namespace stflow

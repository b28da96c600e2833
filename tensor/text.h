// text.h - texts that are put together in more than one place.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include "stflow/tensor/check.h"

namespace stflow {

/// Throws "path: ..." about a file or folder that is not as expected.
template <typename... Parts>
[[noreturn]] void bad_file(const std::filesystem::path& path, const Parts&... parts) {
  throw std::runtime_error(concat_message(path.string(), ": ", parts...));
}

/// What `part` gives of each item, the item itself unless told, with `separator` between them.
template <typename Items, typename Part = std::identity>
std::string joined(const Items& items, const std::string& separator = " ", Part part = {}) {
  std::ostringstream text;
  std::string before;
  for (const auto& item : items) {
    text << std::exchange(before, separator) << std::invoke(part, item);
  }
  return text.str();
}

/// The item of that name. Throws when there is none, listing those there are.
template <typename Items>
const auto& find_named(const char* kind, const Items& items, const std::string& name) {
  const auto name_of = [](const auto& item) -> const std::string& { return item.name; };
  const auto found = std::ranges::find(items, name, name_of);
  CHECK_ARG(found != items.end(), kind, " '", name, "' is not one of ",
            joined(items, ", ", name_of));
  return *found;
}

}  // namespace stflow

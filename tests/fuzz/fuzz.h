// fuzz.h - what the harnesses share: a folder for their files, and what a reader may do with them.
//
// libFuzzer calls LLVMFuzzerTestOneInput() with bytes of its own making. A reader may refuse them
// by std::runtime_error or std::invalid_argument with a message that names the file. A crash, a
// report of a sanitizer, another exception, or memory out of proportion to the bytes is a finding.
#pragma once

#include <sanitizer/allocator_interface.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace stflow::fuzz {

[[noreturn]] inline void finding(const std::string& what) {
  std::fprintf(stderr, "FINDING: %s\n", what.c_str());
  std::abort();
}

/// A folder of this process, removed at its end. Text that programs print for users is dropped.
inline const std::string& folder() {
  struct Folder {
    std::string path = std::filesystem::temp_directory_path() / "stflow-fuzz-XXXXXX";
    Folder() {
      std::cerr.rdbuf(nullptr);
      std::cout.rdbuf(nullptr);
      if (!mkdtemp(path.data())) finding("cannot make " + path);
    }
    ~Folder() { std::filesystem::remove_all(path); }
  };
  static const Folder made;
  return made.path;
}

/// Writes a file below folder() and returns its path.
inline std::string write(const std::string& name, std::string_view bytes) {
  const std::string path = folder() + "/" + name;
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) finding("cannot write " + path);
  return path;
}

/// A safetensors file from its header and data: the length of the header comes first.
inline std::string with_header_length(std::string_view bytes) {
  // The header ends with the line, so that the length need not be guessed.
  const uint64_t length = std::min(bytes.find('\n'), bytes.size());
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  file += bytes.substr(0, length);
  if (length < bytes.size()) file += bytes.substr(length + 1);
  return file;
}

/// The texts between lines "====", so that one input holds several files.
inline std::vector<std::string_view> parts_of(std::string_view text) {
  constexpr std::string_view kMark = "====\n";
  std::vector<std::string_view> parts;
  for (size_t end; (end = text.find(kMark)) != text.npos; text.remove_prefix(end + kMark.size())) {
    parts.push_back(text.substr(0, end));
  }
  parts.push_back(text);
  return parts;
}

/// Bytes that are allocated now, and the most there have been.
struct Heap {
  inline static int64_t used = 0, most = 0;
  static void watch() {
    static const int hooks = __sanitizer_install_malloc_and_free_hooks(allocated, freed);
    if (hooks == 0) finding("no hooks for malloc");
  }

 private:
  static void allocated(const volatile void*, size_t size) {
    used += static_cast<int64_t>(size);
    most = std::max(most, used);
  }
  static void freed(const volatile void* block) {
    const void* const known = const_cast<const void*>(block);
    if (known) used -= static_cast<int64_t>(__sanitizer_get_allocated_size(known));
  }
};

/// Calls read(), which may refuse what it finds and may allocate `most_bytes` at a time.
template <typename Read>
void attempt(int64_t most_bytes, Read read) {
  Heap::watch();
  const int64_t before = Heap::most = Heap::used;
  std::string refusal;
  try {
    read();
  } catch (const std::runtime_error& error) {
    refusal = error.what();
  } catch (const std::invalid_argument& error) {
    refusal = error.what();
  }
  if (!refusal.empty() && refusal.find(folder()) == refusal.npos) {
    finding("a message that names no file: " + refusal);
  }
  if (Heap::most - before > most_bytes) {
    finding(std::to_string(Heap::most - before) + " bytes allocated, expected at most " +
            std::to_string(most_bytes));
  }
}

}  // namespace stflow::fuzz

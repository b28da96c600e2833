// sha256.h - SHA-256 (FIPS 180-4), to say in a manifest exactly which data a result came from.
//
// Bytes may arrive in several pieces, so that a file's header and body need not lie together.
// Nothing here is meant for secrets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace stflow {

class Sha256 {
 public:
  void update(const void* bytes, size_t count);
  /// The digest of all bytes so far, as 64 lower-case hexadecimal digits. More may follow.
  std::string hex() const;

 private:
  void compress(const uint8_t* block);

  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending_{};  // bytes that do not fill a block yet
  uint64_t count_ = 0;                 // bytes so far
};

}  // namespace stflow

#pragma once
// The only owner of secret bytes outside the wiping arena. Fixed size at birth, move-only, wiped
// before its memory is given back, locked and kept out of core dumps where the system allows it.

#include <concepts>
#include <cstddef>

#include "common/base/bytes.h"

namespace ephemeralml {

/// Overwrites memory with zeros in a way that the compiler can't drop.
void Wipe(MutableByteSpan bytes);

/// Secrets: wiped on destruction and before assignment; a moved-from object is empty.
/// Threads: as a plain container: one writer or many readers.
class SecretBytes {
 public:
  /// An empty secret.
  SecretBytes() = default;
  /// `size` zero bytes, to be filled in place through Fill().
  explicit SecretBytes(size_t size);
  /// A copy of bytes that the caller keeps, and wipes.
  static SecretBytes CopyOf(ByteSpan bytes);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Read access. Every use is listed in docs/reveals.txt; a test compares.
  ByteSpan Reveal() const& { return {data_, size_}; }
  ByteSpan Reveal() && = delete;
  /// Write access, to draw or derive the secret in place.
  MutableByteSpan Fill() & { return {data_, size_}; }

  /// A second owner of the same secret. Spelled out, so that it can be searched for.
  SecretBytes Duplicate() const { return CopyOf({data_, size_}); }

 private:
  void Release();

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t mapped_bytes_ = 0;
};

static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::equality_comparable<SecretBytes>);

}  // namespace ephemeralml

#pragma once
// SHA-384 over bytes that come in pieces. Used for measurements and key derivation.
// Source: FIPS 180-4.

#include <memory>

#include "common/base/bytes.h"
#include "common/base/strong.h"

namespace ephemeralml::crypto {

struct Sha384Digest : FixedBytes<struct Sha384DigestTag, 48> {};

class Sha384 {
 public:
  Sha384();
  ~Sha384();
  Sha384(const Sha384&) = delete;
  Sha384& operator=(const Sha384&) = delete;

  void Update(ByteSpan bytes);
  /// The digest of all bytes so far. A bug to call anything after it.
  Sha384Digest Finish();

  /// The digest of one run of bytes.
  static Sha384Digest Of(ByteSpan bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ephemeralml::crypto

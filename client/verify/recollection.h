#pragma once
// What of a chain can be found out before anyone asks: its keys and the signatures on its
// certificates cost most of a verification, and each is a question of its own. Private to this
// module.

#include <thread>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::verify {

/// From its construction on, a thread of its own parses the upper half of a chain and checks the
/// signatures in it, so that CertificateMemory knows the answers. It judges nothing: what fails is
/// asked again where it is judged. Without another thread or processor nothing is lost but time.
/// Threads: one.
class Recollection {
 public:
  /// `bundle` and `leaf` must live as long as this, and may be hostile.
  Recollection(const std::vector<Bytes>& bundle, ByteSpan leaf);
  Recollection(const Recollection&) = delete;
  Recollection& operator=(const Recollection&) = delete;
  ~Recollection();

  /// Does the same for the lower half on this thread, and waits for the other.
  void Finish();

 private:
  std::vector<ByteSpan> chain_;
  std::thread upper_;
};

}  // namespace ephemeralml::verify

#pragma once
// The sealed blob that a session works on: asked for through the supervisor, mapped read-only. The
// memory file is sealed against changes before the worker gets it.

#include "enclave/serve/control.h"

namespace ephemeralml::serve {

/// Threads: one.
class SealedBlob {
 public:
  explicit SealedBlob(int control) : control_(control) {}
  ~SealedBlob() { Unmap(); }
  SealedBlob(const SealedBlob&) = delete;
  SealedBlob& operator=(const SealedBlob&) = delete;

  /// The whole blob; kept until another is asked for. Errors: kUnauthentic `blob_incomplete`,
  /// kOverLimit `blob_too_large`, kIo `blob_store_unreachable`, `control_lost`.
  Result<ByteSpan> Get(const FetchOrder& order);

  /// True until MarkAuthentic is called: every tag of a blob is checked once before the first use.
  bool IsUnchecked() const { return !authentic_; }
  void MarkAuthentic() { authentic_ = true; }

  /// After a failed tag: forgets the blob here and in the enclave's cache, so that one bad fetch
  /// doesn't stick.
  void Drop();

 private:
  void Unmap();

  int control_;
  FetchOrder order_;
  ByteSpan mapped_;
  bool authentic_ = false;
};

}  // namespace ephemeralml::serve

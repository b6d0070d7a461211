#pragma once
// What a worker may ask of the supervisor, and when. A worker may be in its client's hands, so this
// is what stands between an exploited worker and evidence for an attacker's key: at most one
// document, before anything but the nonce was read from the client (see introduction.h), then never
// again.

#include "enclave/serve/control.h"

namespace ephemeralml::serve {

enum class WorkerState { kStarting, kSpare, kServing };

/// One worker's conduct so far.
class WorkerConduct {
 public:
  WorkerState state() const { return state_; }
  bool waits_for_blob() const { return waits_for_blob_; }

  /// Takes note of what the worker sent. Errors: kUntrusted `worker_broke_protocol` if it may not
  /// send that now; the worker is to be killed.
  Done Take(ControlKind kind);

  /// The supervisor gave it a client's connection. Only for a spare worker.
  void GaveConnection();
  /// The supervisor answered its order for a blob.
  void GaveBlob() { waits_for_blob_ = false; }

 private:
  WorkerState state_ = WorkerState::kStarting;
  bool may_attest_ = true;
  bool has_ordered_ = false;
  bool waits_for_blob_ = false;
};

}  // namespace ephemeralml::serve

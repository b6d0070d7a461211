#include "enclave/serve/worker_conduct.h"

namespace ephemeralml::serve {

Done WorkerConduct::Take(ControlKind kind) {
  const bool serving = state_ == WorkerState::kServing;
  if (kind == ControlKind::kReady && state_ == WorkerState::kStarting) {
    state_ = WorkerState::kSpare;
    return {};
  }
  if (kind == ControlKind::kAttest && serving && may_attest_) {
    may_attest_ = false;
    return {};
  }
  if (kind == ControlKind::kFetch && serving && !waits_for_blob_) {
    may_attest_ = false;  // it has read a request
    has_ordered_ = true;
    waits_for_blob_ = true;
    return {};
  }
  if (kind == ControlKind::kDropBlob && has_ordered_ && !waits_for_blob_) return {};
  return Error{Code::kUntrusted, "worker_broke_protocol",
               "a worker asked for what it may not have, or not now"};
}

void WorkerConduct::GaveConnection() {
  CHECK(state_ == WorkerState::kSpare);
  state_ = WorkerState::kServing;
}

}  // namespace ephemeralml::serve

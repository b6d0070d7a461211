#pragma once
// Clients for whom there is no session yet, in the order in which they came. Nothing is read from
// them. Beyond the line's length a client is told at once that the enclave is busy.

#include <deque>

#include "common/base/file.h"

namespace ephemeralml::serve {

/// Threads: one.
class WaitingLine {
 public:
  explicit WaitingLine(size_t limit) : limit_(limit) {}

  /// False if it was told to come back instead.
  bool Join(UniqueFd connection);
  /// The next that is still there; closed if nobody waits.
  UniqueFd Next();
  /// Tells all to come back.
  void Dismiss();

  size_t size() const { return waiting_.size(); }

 private:
  void SayBusy(UniqueFd connection);

  size_t limit_;
  std::deque<UniqueFd> waiting_;
  // The last that were told to come back. Closed when others follow: to close a connection whose
  // client sent something unread would cut it, perhaps before the alert arrives.
  std::deque<UniqueFd> told_;
};

}  // namespace ephemeralml::serve

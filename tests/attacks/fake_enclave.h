#pragma once
// An attacker where the enclave should be: it ends the client's TLS itself, under a key of its own,
// and shows whatever evidence it can get.

#include <functional>
#include <memory>
#include <mutex>

#include "common/channel/channel.h"
#include "tests/support/proxy.h"

namespace ephemeralml::attacks {

/// What an enclave answers to somebody who connects to it and sends `nonce`.
Bytes AskEnclave(uint16_t enclave_port, const channel::Nonce& nonce);

class FakeEnclave {
 public:
  /// The evidence to show to a client that sent `nonce`.
  using Evidence = std::function<Bytes(const channel::Nonce& nonce)>;

  explicit FakeEnclave(Evidence evidence);

  uint16_t port() const { return listener_.port(); }
  /// Clients that were shown evidence. Waits for the one that is being served to hang up.
  int shown() const;
  /// Clients that sent anything after they had seen it. Waits as well.
  int trusted() const;

 private:
  void Serve(UniqueFd client);

  Evidence evidence_;
  channel::ServerIdentity identity_;
  mutable std::mutex serving_;  // held for as long as a client is served
  int shown_ = 0;
  int trusted_ = 0;
  testing_support::Listener listener_;  // the last: its threads use what stands above
};

}  // namespace ephemeralml::attacks

#pragma once
// Hands on loopback connections: what somebody does who owns the host or the network between two
// processes.

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/file.h"

namespace ephemeralml::testing_support {

/// Accepts connections at a loopback port of its own and serves each on its own thread.
class Listener {
 public:
  /// Returns when the connection is over, and soon after `stopped` was set.
  using Serve = std::function<void(UniqueFd connection, const std::atomic<bool>& stopped)>;

  explicit Listener(Serve serve);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const { return port_; }

 private:
  void Accept();

  Serve serve_;
  UniqueFd socket_;
  uint16_t port_ = 0;
  std::atomic<bool> stopped_ = false;
  std::vector<std::thread> connections_;  // of the accepting thread, until that has ended
  std::thread thread_;
};

enum class Direction { kToTarget, kFromTarget };

/// What goes on in place of what arrived; the connection may then be cut.
struct Passed {
  Bytes bytes;
  bool then_cut = false;
};

/// Sees what arrived from one end.
using Meddle = std::function<Passed(Direction, Bytes)>;

/// Moves bytes both ways, through `meddle` if there is one, until both ends are done or it is
/// stopped.
void Pump(UniqueFd client, UniqueFd target, const Meddle& meddle, const std::atomic<bool>& stopped);

/// A connection to a loopback port; a failed CHECK if nobody listens there.
UniqueFd Dial(uint16_t port);

/// Stands between whoever dials it and a target.
class Proxy {
 public:
  /// Called for every connection: what to do to its bytes, empty for nothing.
  using Attack = std::function<Meddle()>;

  Proxy();
  uint16_t port() const { return listener_.port(); }
  /// Both hold for connections that are made from now on.
  void SetTarget(uint16_t port);
  void SetAttack(Attack attack);

 private:
  std::mutex mutex_;
  uint16_t target_ = 0;
  Attack attack_;
  Listener listener_;  // the last: its threads use what stands above
};

}  // namespace ephemeralml::testing_support

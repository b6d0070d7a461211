#pragma once
// What a host sees: proxies on every link to and from it write down each byte, and a transcript
// tells what is left when fresh random values are renamed.

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/net/socket.h"

namespace ephemeralml::properties {

/// Bytes that went one way before any went the other.
struct Turn {
  bool up = true;  ///< from who connected
  std::string bytes;
};

struct Recording {
  std::string link;
  std::vector<Turn> turns;
};

/// Connections in the order in which they were opened. Threads: any.
class Recorder {
 public:
  size_t Open(const std::string& link);
  void Add(size_t connection, bool up, ByteSpan bytes);
  void Close();
  /// Waits until all connections have ended; what was recorded since the last call.
  std::vector<Recording> Take();

 private:
  std::mutex mutex_;
  std::vector<Recording> recordings_;
  int open_ = 0;
};

/// One link: forwards every connection to a loopback port, unchanged.
class RecordingProxy {
 public:
  RecordingProxy(Recorder& recorder, std::string link);
  ~RecordingProxy();
  RecordingProxy(const RecordingProxy&) = delete;
  RecordingProxy& operator=(const RecordingProxy&) = delete;

  uint16_t port() const { return port_; }
  /// To be called before anybody connects.
  void ForwardTo(uint16_t port) { target_ = port; }

 private:
  void Accept();
  void Forward(const UniqueFd& from, const UniqueFd& to, size_t connection);

  Recorder& recorder_;
  const std::string link_;
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::atomic<uint16_t> target_ = 0;
  std::atomic<bool> stopping_ = false;
  std::list<std::thread> connections_;
  std::thread acceptor_;
};

/// One line for each connection and each turn: HTTP heads in full, sizes of bodies, kind and size
/// of each TLS record. Renamed: blob ids, tokens, addresses and dates. Left out: the size of the
/// enclave's handshake, which varies with its fresh certificate and comes before any request.
std::string Transcript(const std::vector<Recording>& recordings);

}  // namespace ephemeralml::properties

#pragma once
// ONNX Runtime in a process of its own, started once and fed through pipes.

#include <sys/types.h>

#include <memory>
#include <span>

#include "tests/differential/tensors.h"

namespace ephemeralml::differential {

class Peer {
 public:
  /// Null if ONNX Runtime isn't installed.
  static std::unique_ptr<Peer> Start();
  /// Ends the process by closing its input, and waits for it.
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Ends the program if the peer is gone.
  Outcome Run(ByteSpan model, std::span<const NamedTensor> inputs);

 private:
  Peer() = default;
  void Write(ByteSpan bytes) const;
  Bytes Read(size_t length) const;

  pid_t process_ = -1;
  int requests_ = -1;
  int replies_ = -1;
};

}  // namespace ephemeralml::differential

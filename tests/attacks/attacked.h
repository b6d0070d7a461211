#pragma once
// What every attack starts from and must leave behind: a system that answers right, with the same
// processes as before.

#include <gtest/gtest.h>

#include "client/session/lasting_session.h"
#include "common/wire/session.pb.h"
#include "tests/support/proxy.h"
#include "tests/support/system.h"

namespace ephemeralml::attacks {

using testing_support::SplitModel;
using testing_support::System;

/// A vector times a matrix: its weights fill the first few chunks of a blob of the smallest size,
/// the others are padding.
struct SmallModel {
  SplitModel split;
  int variant = 0;  ///< of the matrix
  Bytes sealed;     ///< the blob as it was uploaded

  size_t chunk_count() const;
  /// The chunk's sealed bytes, tag included.
  ByteSpan Chunk(size_t index) const;
};

inline constexpr size_t kWeightChunks = 8;
size_t SealedChunkBytes();

/// System::Options for a host whose way to the enclave, or whose answers to it, pass a proxy.
System::Options ThroughTunnel(const testing_support::Proxy& proxy);
System::Options ThroughFetch(const testing_support::Proxy& proxy);

class Attacked {
 public:
  explicit Attacked(const System::Options& options = {}) : system_(options) {}

  System& system() { return system_; }
  const System& system() const { return system_; }

  /// Decomposes the model anew (another id, another secret, the same length) and uploads it.
  SmallModel Make(int variant);

  /// The host's file of a model's blob, which a malicious host edits as it likes.
  std::filesystem::path FileOf(const SmallModel& model) const;
  /// From now on the host serves these bytes as the model's blob.
  void Serve(const SmallModel& model, ByteSpan bytes) const;

  session::Session Connect() const;
  /// The reason for which a request failed; empty if the answer came, and then it is right.
  static std::string Ask(session::Session& session, const SmallModel& model);
  static std::string Ask(session::LastingSession& session, const SmallModel& model);

  /// The processes of the start still run, none of theirs died, and a new session gets the right
  /// answer.
  void ExpectHealthy(const SmallModel& honest);

 private:
  System system_;
};

/// A session of which the enclave's whole reply is seen, not only what the client makes of it.
class BareSession {
 public:
  explicit BareSession(const System& system);

  /// The reply to one request for `model`.
  wire::Reply Ask(const SmallModel& model);
  /// The reply to these bytes; a failure is said as a reply too: `connection_lost` if there is
  /// none.
  wire::Reply Send(ByteSpan request);

 private:
  channel::Channel channel_;
};

/// The reply is this failure and nothing else: no outputs, and no time spent computing.
void ExpectNothingComputed(const wire::Reply& reply, const std::string& reason);

}  // namespace ephemeralml::attacks

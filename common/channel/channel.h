#pragma once
// A TLS 1.3 channel over a connected, non-blocking socket. The bytes between the ends pass through
// an untrusted host: whatever it does to them, a call fails with `channel_broken`. The channel by
// itself proves nothing about the other end; binding.h and client/verify do.

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "common/base/file.h"
#include "common/base/secret_bytes.h"
#include "common/channel/binding.h"
#include "common/net/socket.h"

namespace ephemeralml::channel {

/// Makes the TLS library set up all that it otherwise sets up on first use, so that later no file
/// is opened. Call before anything else uses OpenSSL, on every thread that will use a channel. From
/// then on a channel needs: recvfrom, sendto, poll, getrandom, getpid, the clock, memory, close.
Done Initialize();

/// An enclave's TLS key and self-signed certificate: born in memory, for one session.
class ServerIdentity {
 public:
  static Result<ServerIdentity> Create();
  ServerIdentity(ServerIdentity&&) noexcept;
  ServerIdentity& operator=(ServerIdentity&&) noexcept;
  ~ServerIdentity();

  /// DER SubjectPublicKeyInfo.
  const Bytes& PublicKey() const;

 private:
  friend class Channel;
  struct State;
  explicit ServerIdentity(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// How long a connection may last; then another takes its place.
struct Lifetime {
  std::chrono::milliseconds time = std::chrono::hours(1);
  uint64_t bytes = uint64_t{64} << 30;  ///< both directions together
};

/// Errors of every call: kUnauthentic `channel_broken` (records altered, connection cut, or not TLS
/// 1.3), kIo `deadline_exceeded`, `connection_lost`, `channel_closed` (the peer ended the channel
/// properly). After an error the channel is dead, but for those that say otherwise.
/// A deadline holds for the whole call, however slowly or eagerly the peer sends.
/// Threads: one at a time.
class Channel {
 public:
  /// The enclave's end.
  static Result<Channel> Accept(UniqueFd socket, const ServerIdentity& identity,
                                net::Deadline deadline);
  /// The client's end; takes any certificate: the caller must bind it to evidence.
  static Result<Channel> Connect(UniqueFd socket, net::Deadline deadline);
  /// The same over the socket that `reach` gives; the client's first message is made before it is
  /// asked, while a host opens the tunnel, say. Errors too: those of `reach`.
  static Result<Channel> Connect(const std::function<Result<UniqueFd>()>& reach,
                                 net::Deadline deadline);
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  ~Channel();

  /// From now on the peer is at the other end of `socket`, which carries on where the former ended:
  /// for a server whose connection was relayed until then. Nothing may be under way.
  void GoOnOver(UniqueFd socket);

  /// The server's public key, DER SubjectPublicKeyInfo (at the client, the peer's).
  const Bytes& ServerPublicKey() const;
  /// RFC 9266: equal at both ends of one connection, and of no other.
  const ExporterBinding& Exporter() const;

  Done SendRaw(ByteSpan bytes, net::Deadline deadline);
  Done ReceiveRaw(MutableByteSpan bytes, net::Deadline deadline);

  /// One frame of common/wire/frame.h, padded to its bucket.
  /// Errors of SendMessage too: kOverLimit `message_too_large` (the channel lives on).
  /// Errors of ReceiveMessage too: kMalformed `frame_malformed`, kOverLimit `message_too_large`: a
  /// refusal may still be sent, but nothing received.
  Done SendMessage(ByteSpan message, net::Deadline deadline);
  Result<SecretBytes> ReceiveMessage(size_t limit_bytes, net::Deadline deadline);

  /// Waits for the peer's next message to begin. After `deadline_exceeded` the channel lives on.
  Done WaitForPeer(net::Deadline deadline);

  /// New traffic keys in both directions (RFC 8446 §4.6.3). To be called at both ends after every
  /// reply: the enclave's begins, the client's waits for that and answers.
  Done UpdateKeys(net::Deadline deadline);

  /// True once the connection has had its time: open another.
  bool ShouldReplace(const Lifetime& lifetime = {}) const;

  /// How the connection's keys were agreed upon, as IANA names the group: `X25519MLKEM768`, which
  /// also stands against quantum computers, where both ends' libraries have it; else `X25519`.
  std::string_view KeyExchange() const;

  /// Tells the peer that this is the end; best effort.
  void Close();

 private:
  struct State;
  explicit Channel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ephemeralml::channel

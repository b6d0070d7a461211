#pragma once
// Virtio devices outside of QEMU, over vhost-user. The peer is the test's own QEMU, and the guest's
// driver Linux': one that breaks the protocol ends the program.
// Source: QEMU, docs/interop/vhost-user.rst; virtio 1.2, §2.7 (split virtqueues).

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace ephemeralml::production {

/// What the guest's driver made available in one piece.
struct Chain {
  uint16_t id = 0;
  std::vector<ByteSpan> readable;
  std::vector<MutableByteSpan> writable;

  Bytes Read() const;
  size_t WritableBytes() const;
  /// Errors: none; `bytes` must fit.
  void Write(ByteSpan bytes) const;
};

/// One QEMU's device.
class VhostUserDevice {
 public:
  /// `config` is the device's configuration space, which the guest reads.
  VhostUserDevice(UniqueFd connection, size_t queues, Bytes config);
  ~VhostUserDevice();
  VhostUserDevice(const VhostUserDevice&) = delete;
  VhostUserDevice& operator=(const VhostUserDevice&) = delete;

  /// What to wait for: the connection, then every queue's kick (-1: not started).
  std::vector<pollfd> PollSet() const;
  /// Obeys one message of QEMU's; false if it has ended the connection.
  bool Obey();
  /// Takes the kick of a queue.
  void TakeKick(size_t queue);

  /// The next chain that the driver made available. Nothing if the queue isn't started.
  std::optional<Chain> Take(size_t queue);
  /// True if at least `chains` are available.
  bool Has(size_t queue, uint16_t chains) const;
  /// Gives a chain back, `written` bytes of which were written; the guest learns by Signal.
  void Give(size_t queue, const Chain& chain, size_t written);
  void Signal(size_t queue);

 private:
  struct Region {
    uint64_t guest_address = 0;
    uint64_t bytes = 0;
    uint64_t user_address = 0;  ///< QEMU's own
    uint8_t* memory = nullptr;
  };
  struct Queue {
    uint16_t size = 0;
    uint16_t next = 0;
    uint64_t descriptors = 0, available = 0, used = 0;  ///< QEMU's addresses
    UniqueFd kick, call;
  };
  struct Message;

  std::optional<Message> Receive();
  void Apply(Message& message);
  void SetMemory(Message& message);
  Bytes AnswerTo(const Message& message);
  void Reply(const Message& message, ByteSpan body);
  Queue& QueueOf(const Message& message);
  void Unmap();
  uint8_t* GuestMemory(uint64_t address, uint64_t bytes) const;
  uint8_t* UserMemory(uint64_t address, uint64_t bytes) const;

  UniqueFd connection_;
  Bytes config_;
  std::vector<Region> regions_;
  std::vector<Queue> queues_;
};

/// Listens on a socket of the file system.
UniqueFd ListenAt(const std::string& path);
UniqueFd AcceptFrom(const UniqueFd& listener);

}  // namespace ephemeralml::production

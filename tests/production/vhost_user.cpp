#include "tests/production/vhost_user.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

namespace ephemeralml::production {
namespace {

// docs/interop/vhost-user.rst, "Front-end message types".
enum Request : uint32_t {
  kGetFeatures = 1,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kGetProtocolFeatures = 15,
  kGetQueueNum = 17,
  kGetConfig = 24,
};

constexpr uint64_t kFeatures = 1ULL << 32 | 1ULL << 30;        // VERSION_1, PROTOCOL_FEATURES
constexpr uint64_t kProtocolFeatures = 1ULL << 0 | 1ULL << 3;  // MQ, REPLY_ACK
constexpr uint64_t kConfigFeature = 1ULL << 9;
constexpr uint32_t kVersion = 1;
constexpr uint32_t kReplyFlag = 1U << 2;
constexpr uint32_t kNeedsReplyFlag = 1U << 3;
constexpr uint64_t kNoDescriptor = 1U << 8;
constexpr size_t kLargestBody = 4096;
constexpr size_t kMostDescriptors = 8;
constexpr size_t kRegionBytes = 32;
constexpr size_t kConfigHeaderBytes = 12;

// virtio 1.2, §2.7.5.
struct Descriptor {
  uint64_t address;
  uint32_t bytes;
  uint16_t flags;
  uint16_t next;
};
constexpr uint16_t kNextFlag = 1;
constexpr uint16_t kWriteFlag = 2;
constexpr size_t kRingHeaderBytes = 4;  // flags and index
constexpr size_t kUsedEntryBytes = 8;

template <class T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void Store(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace

Bytes Chain::Read() const {
  Bytes bytes;
  for (const ByteSpan each : readable) AppendBytes(bytes, each);
  return bytes;
}

size_t Chain::WritableBytes() const {
  size_t bytes = 0;
  for (const MutableByteSpan each : writable) bytes += each.size();
  return bytes;
}

void Chain::Write(ByteSpan bytes) const {
  for (const MutableByteSpan each : writable) {
    const size_t count = std::min(each.size(), bytes.size());
    std::copy_n(bytes.begin(), count, each.begin());
    bytes = bytes.subspan(count);
  }
  CHECK(bytes.empty());
}

struct VhostUserDevice::Message {
  uint32_t request = 0;
  uint32_t flags = 0;
  Bytes body;
  std::vector<UniqueFd> descriptors;

  uint32_t Half(size_t at) const { return Load<uint32_t>(body.data() + 4 * at); }
  UniqueFd TakeDescriptor() {
    if ((Load<uint64_t>(body.data()) & kNoDescriptor) != 0) return {};
    CHECK(descriptors.size() == 1);
    return std::move(descriptors.front());
  }
};

VhostUserDevice::VhostUserDevice(UniqueFd connection, size_t queues, Bytes config)
    : connection_(std::move(connection)), config_(std::move(config)), queues_(queues) {}

VhostUserDevice::~VhostUserDevice() { Unmap(); }

void VhostUserDevice::Unmap() {
  for (const Region& region : regions_) (void)munmap(region.memory, region.bytes);
  regions_.clear();
}

std::vector<pollfd> VhostUserDevice::PollSet() const {
  std::vector<pollfd> set = {{connection_.Get(), POLLIN, 0}};
  for (const Queue& queue : queues_) set.push_back({queue.kick.Get(), POLLIN, 0});
  return set;
}

std::optional<VhostUserDevice::Message> VhostUserDevice::Receive() {
  std::array<uint32_t, 3> header = {};  // request, flags, size of the body
  iovec place = {header.data(), sizeof header};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(kMostDescriptors * sizeof(int))> control = {};
  msghdr message = {};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = recvmsg(connection_.Get(), &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  if (count == 0 || (count < 0 && errno == ECONNRESET)) return std::nullopt;
  CHECK(count == static_cast<ssize_t>(sizeof header) && header[2] <= kLargestBody);
  Message received{header[0], header[1], Bytes(header[2]), {}};
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    const size_t bytes = each->cmsg_len - CMSG_LEN(0);
    for (size_t at = 0; at < bytes; at += sizeof(int)) {
      received.descriptors.emplace_back(Load<int>(CMSG_DATA(each) + at));
    }
  }
  if (!received.body.empty()) {
    const ssize_t rest =
        recv(connection_.Get(), received.body.data(), received.body.size(), MSG_WAITALL);
    CHECK(rest == static_cast<ssize_t>(received.body.size()));
  }
  received.body.resize(std::max(received.body.size(), sizeof(uint64_t)));
  return received;
}

bool VhostUserDevice::Obey() {
  std::optional<Message> message = Receive();
  if (!message) return false;
  Apply(*message);
  const Bytes answer = AnswerTo(*message);
  if (!answer.empty()) Reply(*message, answer);
  return true;
}

VhostUserDevice::Queue& VhostUserDevice::QueueOf(const Message& message) {
  return queues_.at(message.Half(0) & 0xff);
}

void VhostUserDevice::Apply(Message& message) {
  switch (message.request) {
    case kSetMemTable:
      return SetMemory(message);
    case kSetVringNum:
      QueueOf(message).size = static_cast<uint16_t>(message.Half(1));
      return;
    case kSetVringBase:
      QueueOf(message).next = static_cast<uint16_t>(message.Half(1));
      return;
    case kSetVringAddr:
      QueueOf(message).descriptors = Load<uint64_t>(message.body.data() + 8);
      QueueOf(message).used = Load<uint64_t>(message.body.data() + 16);
      QueueOf(message).available = Load<uint64_t>(message.body.data() + 24);
      return;
    case kSetVringKick:
      QueueOf(message).kick = message.TakeDescriptor();
      return;
    case kSetVringCall:
      QueueOf(message).call = message.TakeDescriptor();
      // A driver may use its device while it is probed, before QEMU hands over the descriptor that
      // reaches the guest's interrupt: what was signalled on the one before is lost. A spurious
      // interrupt does no harm.
      if (QueueOf(message).kick.IsOpen()) Signal(message.Half(0) & 0xff);
      return;
    case kGetVringBase:
      QueueOf(message).kick.Reset();  // stopped
      return;
    default:
      return;
  }
}

// Nothing, if QEMU doesn't wait.
Bytes VhostUserDevice::AnswerTo(const Message& message) {
  Bytes word(8);
  switch (message.request) {
    case kGetFeatures:
      Store(word.data(), kFeatures);
      return word;
    case kGetProtocolFeatures:
      Store(word.data(), kProtocolFeatures | (config_.empty() ? 0 : kConfigFeature));
      return word;
    case kGetQueueNum:
      Store(word.data(), uint64_t{queues_.size()});
      return word;
    case kGetVringBase:
      Store(word.data(), message.Half(0));
      Store(word.data() + 4, uint32_t{QueueOf(message).next});
      return word;
    case kGetConfig: {
      Bytes answer(message.body.begin(), message.body.begin() + kConfigHeaderBytes);
      AppendBytes(answer, config_);
      answer.resize(kConfigHeaderBytes + message.Half(1));
      return answer;
    }
    default:
      return (message.flags & kNeedsReplyFlag) != 0 ? word : Bytes();  // zero: done
  }
}

void VhostUserDevice::Reply(const Message& message, ByteSpan body) {
  Bytes bytes(12);
  Store(bytes.data(), message.request);
  Store(bytes.data() + 4, kVersion | kReplyFlag);
  Store(bytes.data() + 8, static_cast<uint32_t>(body.size()));
  AppendBytes(bytes, body);
  CHECK(send(connection_.Get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(bytes.size()));
}

void VhostUserDevice::SetMemory(Message& message) {
  Unmap();
  const uint32_t count = message.Half(0);
  CHECK(count == message.descriptors.size() && message.body.size() >= 8 + count * kRegionBytes);
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* entry = message.body.data() + 8 + i * kRegionBytes;
    const auto bytes = Load<uint64_t>(entry + 8);
    const auto offset = static_cast<off_t>(Load<uint64_t>(entry + 24));
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                        message.descriptors[i].Get(), offset);
    CHECK(memory != MAP_FAILED);
    regions_.push_back(
        {Load<uint64_t>(entry), bytes, Load<uint64_t>(entry + 16), static_cast<uint8_t*>(memory)});
  }
}

void VhostUserDevice::TakeKick(size_t queue) {
  uint64_t kicks = 0;
  const UniqueFd& kick = queues_[queue].kick;
  CHECK(read(kick.Get(), &kicks, sizeof kicks) == static_cast<ssize_t>(sizeof kicks));
}

void VhostUserDevice::Signal(size_t queue) {
  const UniqueFd& call = queues_[queue].call;
  if (!call.IsOpen()) return;
  const uint64_t one = 1;
  CHECK(write(call.Get(), &one, sizeof one) == static_cast<ssize_t>(sizeof one));
}

uint8_t* VhostUserDevice::GuestMemory(uint64_t address, uint64_t bytes) const {
  for (const Region& each : regions_) {
    if (address >= each.guest_address && bytes <= each.bytes &&
        address - each.guest_address <= each.bytes - bytes) {
      return each.memory + (address - each.guest_address);
    }
  }
  CHECK(false && "an address outside of the guest's memory");
}

uint8_t* VhostUserDevice::UserMemory(uint64_t address, uint64_t bytes) const {
  for (const Region& each : regions_) {
    if (address >= each.user_address && bytes <= each.bytes &&
        address - each.user_address <= each.bytes - bytes) {
      return each.memory + (address - each.user_address);
    }
  }
  CHECK(false && "an address outside of the guest's memory");
}

bool VhostUserDevice::Has(size_t queue, uint16_t chains) const {
  const Queue& each = queues_[queue];
  if (!each.kick.IsOpen()) return false;
  const auto available = Load<uint16_t>(UserMemory(each.available + 2, 2));
  std::atomic_thread_fence(std::memory_order_acquire);
  return static_cast<uint16_t>(available - each.next) >= chains;
}

std::optional<Chain> VhostUserDevice::Take(size_t queue) {
  if (!Has(queue, 1)) return std::nullopt;
  Queue& each = queues_[queue];
  const size_t place = each.next++ % each.size;
  Chain chain;
  chain.id = Load<uint16_t>(UserMemory(each.available + kRingHeaderBytes + 2 * place, 2));
  uint16_t id = chain.id;
  for (size_t length = 0;; ++length) {
    CHECK(id < each.size && length < each.size);
    const auto descriptor = Load<Descriptor>(
        UserMemory(each.descriptors + id * sizeof(Descriptor), sizeof(Descriptor)));
    uint8_t* memory = GuestMemory(descriptor.address, descriptor.bytes);
    if ((descriptor.flags & kWriteFlag) != 0) {
      chain.writable.emplace_back(memory, descriptor.bytes);
    } else {
      chain.readable.emplace_back(memory, descriptor.bytes);
    }
    if ((descriptor.flags & kNextFlag) == 0) return chain;
    id = descriptor.next;
  }
}

void VhostUserDevice::Give(size_t queue, const Chain& chain, size_t written) {
  const Queue& each = queues_[queue];
  uint8_t* index = UserMemory(each.used + 2, 2);
  const auto old = Load<uint16_t>(index);
  uint8_t* entry = UserMemory(each.used + kRingHeaderBytes + kUsedEntryBytes * (old % each.size),
                              kUsedEntryBytes);
  Store(entry, uint32_t{chain.id});
  Store(entry + 4, static_cast<uint32_t>(written));
  std::atomic_thread_fence(std::memory_order_release);
  Store(index, static_cast<uint16_t>(old + 1));
}

UniqueFd ListenAt(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(listener.IsOpen());
  CHECK(bind(listener.Get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(listen(listener.Get(), 1) == 0);
  return listener;
}

UniqueFd AcceptFrom(const UniqueFd& listener) {
  UniqueFd connection(accept4(listener.Get(), nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(connection.IsOpen());
  return connection;
}

}  // namespace ephemeralml::production

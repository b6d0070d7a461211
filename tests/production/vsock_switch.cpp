// Carries packets between two machines' AF_VSOCK devices, as a hypervisor does between an instance
// and its enclave. It keeps no connections: credit and order are the guests' own affair. Machines
// may come and go.
//
// usage: vsock_switch CID=SOCKET CID=SOCKET
// Source: virtio 1.2, §5.10 (socket device).

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/production/vhost_user.h"

namespace ephemeralml::production {
namespace {

constexpr size_t kReceiveQueue = 0;  // the guest's view
constexpr size_t kSendQueue = 1;
constexpr size_t kQueues = 3;  // the third is for events, of which there are none
constexpr uint16_t kRequest = 1;
constexpr uint16_t kReset = 3;
constexpr size_t kLargestPayload = 64 * 1024;

// virtio 1.2, §5.10.6; the machine is little-endian, as the format is.
struct [[gnu::packed]] Header {
  uint64_t source_context;
  uint64_t target_context;
  uint32_t source_port;
  uint32_t target_port;
  uint32_t bytes;
  uint16_t type;
  uint16_t operation;
  uint32_t flags;
  uint32_t allocated;
  uint32_t forwarded;
};
static_assert(sizeof(Header) == 44);

struct Packet {
  Header header;
  Bytes payload;
  size_t delivered = 0;
};

struct Guest {
  uint64_t context = 0;
  UniqueFd listener;
  std::unique_ptr<VhostUserDevice> device;
  std::deque<Packet> pending;

  void Connect() {
    Bytes config(sizeof context);
    std::memcpy(config.data(), &context, sizeof context);
    device = std::make_unique<VhostUserDevice>(AcceptFrom(listener), kQueues, std::move(config));
  }
  void Disconnect() {
    device.reset();
    pending.clear();
  }
  void Deliver();
};

// A packet that is larger than what the guest made ready goes in pieces: a stream has no bounds.
void Guest::Deliver() {
  bool has_delivered = false;
  while (!pending.empty()) {
    const std::optional<Chain> chain = device->Take(kReceiveQueue);
    if (!chain) break;
    Packet& packet = pending.front();
    const ByteSpan rest = ByteSpan(packet.payload).subspan(packet.delivered);
    const size_t room = chain->WritableBytes() - sizeof(Header);
    const ByteSpan piece = rest.first(std::min(rest.size(), room));
    packet.header.bytes = static_cast<uint32_t>(piece.size());
    Bytes bytes(sizeof(Header));
    std::memcpy(bytes.data(), &packet.header, sizeof(Header));
    AppendBytes(bytes, piece);
    chain->Write(bytes);
    device->Give(kReceiveQueue, *chain, bytes.size());
    has_delivered = true;
    packet.delivered += piece.size();
    if (packet.delivered == packet.payload.size()) pending.pop_front();
  }
  if (has_delivered) device->Signal(kReceiveQueue);
}

class Switch {
 public:
  explicit Switch(const std::vector<std::string>& places) {
    for (const std::string& place : places) {
      const size_t equals = place.find('=');
      CHECK(equals != std::string::npos);
      Guest& guest = guests_.emplace_back();
      guest.context = std::stoull(place);
      guest.listener = ListenAt(place.substr(equals + 1));
    }
  }

  [[noreturn]] void Run() {
    for (;;) Wait();
  }

 private:
  void Wait();
  void Handle(Guest& guest, const pollfd* ready);
  void Forward(Guest& from);
  void Send(Guest& from, Packet packet);
  Guest* Find(uint64_t context);

  std::vector<Guest> guests_;
};

// Of each guest its listener (while it has no machine), or its device's.
void Switch::Wait() {
  std::vector<pollfd> set;
  for (const Guest& guest : guests_) {
    std::vector<pollfd> own(kQueues + 1, pollfd{-1, 0, 0});
    if (guest.device) {
      own = guest.device->PollSet();
    } else {
      own.front() = {guest.listener.Get(), POLLIN, 0};
    }
    set.insert(set.end(), own.begin(), own.end());
  }
  CHECK(poll(set.data(), set.size(), -1) > 0);
  for (size_t i = 0; i < guests_.size(); ++i) Handle(guests_[i], &set[i * (kQueues + 1)]);
}

void Switch::Handle(Guest& guest, const pollfd* ready) {
  if (!guest.device) {
    if (ready[0].revents != 0) guest.Connect();
    return;
  }
  for (size_t queue = 0; queue < kQueues; ++queue) {
    if (ready[queue + 1].revents != 0) guest.device->TakeKick(queue);
  }
  if (ready[kSendQueue + 1].revents != 0) Forward(guest);
  if (ready[kReceiveQueue + 1].revents != 0) guest.Deliver();
  if (ready[0].revents != 0 && !guest.device->Obey()) {
    std::cout << "the machine with context id " << guest.context << " has gone" << std::endl;
    guest.Disconnect();
  }
}

Guest* Switch::Find(uint64_t context) {
  const auto found = std::ranges::find(guests_, context, &Guest::context);
  return found == guests_.end() || !found->device ? nullptr : &*found;
}

void Switch::Forward(Guest& from) {
  bool has_taken = false;
  while (const std::optional<Chain> chain = from.device->Take(kSendQueue)) {
    const Bytes bytes = chain->Read();
    from.device->Give(kSendQueue, *chain, 0);
    has_taken = true;
    Packet packet;
    CHECK(bytes.size() >= sizeof(Header) && bytes.size() <= sizeof(Header) + kLargestPayload);
    std::memcpy(&packet.header, bytes.data(), sizeof(Header));
    CHECK(packet.header.bytes == bytes.size() - sizeof(Header));
    packet.payload.assign(bytes.begin() + sizeof(Header), bytes.end());
    Send(from, std::move(packet));
  }
  if (has_taken) from.device->Signal(kSendQueue);
}

void Switch::Send(Guest& from, Packet packet) {
  CHECK(packet.header.source_context == from.context);
  Guest* to = Find(packet.header.target_context);
  if (to != nullptr) {
    to->pending.push_back(std::move(packet));
    to->Deliver();
    return;
  }
  if (packet.header.operation != kRequest) return;
  Header refusal = {};
  refusal.source_context = packet.header.target_context;
  refusal.target_context = from.context;
  refusal.source_port = packet.header.target_port;
  refusal.target_port = packet.header.source_port;
  refusal.type = packet.header.type;
  refusal.operation = kReset;
  from.pending.push_back({refusal, {}});
  from.Deliver();
}

}  // namespace
}  // namespace ephemeralml::production

int main(int argc, char** argv) {
  ephemeralml::production::Switch(std::vector<std::string>(argv + 1, argv + argc)).Run();
}

#include "tests/differential/peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "common/base/result.h"

namespace ephemeralml::differential {
namespace {

template <class T>
void Append(Bytes& bytes, T number) {
  const auto* begin = reinterpret_cast<const uint8_t*>(&number);
  bytes.insert(bytes.end(), begin, begin + sizeof(T));
}

void AppendBlock(Bytes& bytes, ByteSpan block) {
  Append(bytes, static_cast<uint32_t>(block.size()));
  bytes.insert(bytes.end(), block.begin(), block.end());
}

Bytes RequestOf(ByteSpan model, std::span<const NamedTensor> inputs) {
  Bytes request;
  AppendBlock(request, model);
  Append(request, static_cast<uint32_t>(inputs.size()));
  for (const NamedTensor& input : inputs) {
    AppendBlock(request, AsBytes(input.name));
    Append(request, static_cast<uint32_t>(input.type));
    Append(request, static_cast<uint32_t>(input.shape.size()));
    for (const int64_t size : input.shape) Append(request, size);
    AppendBlock(request, input.data);
  }
  return request;
}

class Reader {
 public:
  explicit Reader(ByteSpan bytes) : rest_(bytes) {}

  template <class T>
  T Number() {
    T number;
    std::memcpy(&number, Take(sizeof(T)).data(), sizeof(T));
    return number;
  }
  ByteSpan Block() { return Take(Number<uint32_t>()); }

 private:
  ByteSpan Take(size_t length) {
    CHECK(length <= rest_.size());
    const ByteSpan taken = rest_.first(length);
    rest_ = rest_.subspan(length);
    return taken;
  }

  ByteSpan rest_;
};

}  // namespace

std::unique_ptr<Peer> Peer::Start() {
  std::array<int, 2> requests;
  std::array<int, 2> replies;
  CHECK(pipe2(requests.data(), O_CLOEXEC) == 0 && pipe2(replies.data(), O_CLOEXEC) == 0);
  std::signal(SIGPIPE, SIG_IGN);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, requests[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, replies[1], STDOUT_FILENO);
  std::string program = "node";
  std::string script = EPHEMERAL_SOURCE_DIR "/tests/differential/ort_peer.mjs";
  std::array<char*, 3> arguments = {program.data(), script.data(), nullptr};
  auto peer = std::unique_ptr<Peer>(new Peer());
  const int failure =
      posix_spawnp(&peer->process_, "node", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(requests[0]);
  close(replies[1]);
  peer->requests_ = requests[1];
  peer->replies_ = replies[0];
  if (failure != 0) {
    peer->process_ = -1;
    return nullptr;
  }
  // Whatever it is asked first, it answers if it is there: no model at all is an error.
  Bytes hello;
  AppendBlock(hello, RequestOf({}, {}));
  uint8_t byte = 0;
  if (write(peer->requests_, hello.data(), hello.size()) != std::ssize(hello)) return nullptr;
  if (read(peer->replies_, &byte, 1) != 1) return nullptr;
  const Bytes rest = peer->Read(3);
  (void)peer->Read(Reader(Bytes{byte, rest[0], rest[1], rest[2]}).Number<uint32_t>());
  return peer;
}

Peer::~Peer() {
  close(requests_);
  close(replies_);
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

void Peer::Write(ByteSpan bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = write(requests_, bytes.data(), bytes.size());
    CHECK(count > 0);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

Bytes Peer::Read(size_t length) const {
  Bytes bytes(length);
  for (size_t at = 0; at < length;) {
    const ssize_t count = read(replies_, bytes.data() + at, length - at);
    CHECK(count > 0);
    at += static_cast<size_t>(count);
  }
  return bytes;
}

Outcome Peer::Run(ByteSpan model, std::span<const NamedTensor> inputs) {
  Bytes frame;
  AppendBlock(frame, RequestOf(model, inputs));
  Write(frame);
  const Bytes reply = Read(Reader(Read(sizeof(uint32_t))).Number<uint32_t>());
  Reader reader(reply);
  if (reader.Number<uint8_t>() == 0) {
    return {{}, "peer", std::string(AsText(ByteSpan(reply).subspan(1)))};
  }
  Outcome outcome;
  outcome.outputs.resize(reader.Number<uint32_t>());
  for (NamedTensor& output : outcome.outputs) {
    output.name = AsText(reader.Block());
    output.type = wire::ElementTypeFromNumber(static_cast<int>(reader.Number<uint32_t>()));
    output.shape.resize(reader.Number<uint32_t>());
    for (int64_t& size : output.shape) size = reader.Number<int64_t>();
    const ByteSpan data = reader.Block();
    output.data.assign(data.begin(), data.end());
  }
  return outcome;
}

}  // namespace ephemeralml::differential

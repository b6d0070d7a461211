#include "tests/attacks/fake_enclave.h"

#include "common/wire/frame.h"

namespace ephemeralml::attacks {
namespace {

constexpr int64_t kTimeoutMs = 10'000;
constexpr size_t kLargestEvidenceBytes = 16 * 1024;

channel::ServerIdentity MakeIdentity() {
  CHECK(channel::Initialize());
  return channel::ServerIdentity::Create().value();
}

}  // namespace

Bytes AskEnclave(uint16_t enclave_port, const channel::Nonce& nonce) {
  CHECK(channel::Initialize());
  const net::Deadline deadline = net::After(kTimeoutMs);
  auto channel = channel::Channel::Connect(testing_support::Dial(enclave_port), deadline).value();
  CHECK(channel.SendRaw(nonce, deadline));
  const SecretBytes evidence = channel.ReceiveMessage(kLargestEvidenceBytes, deadline).value();
  const ByteSpan bytes = evidence.Reveal();
  return {bytes.begin(), bytes.end()};
}

FakeEnclave::FakeEnclave(Evidence evidence)
    : evidence_(std::move(evidence)),
      identity_(MakeIdentity()),
      listener_([this](UniqueFd client, const std::atomic<bool>&) { Serve(std::move(client)); }) {}

int FakeEnclave::shown() const {
  const std::scoped_lock lock(serving_);
  return shown_;
}

int FakeEnclave::trusted() const {
  const std::scoped_lock lock(serving_);
  return trusted_;
}

void FakeEnclave::Serve(UniqueFd client) {
  const std::scoped_lock lock(serving_);
  CHECK(channel::Initialize());
  const net::Deadline deadline = net::After(kTimeoutMs);
  auto channel = channel::Channel::Accept(std::move(client), identity_, deadline).value();
  channel::Nonce nonce;
  CHECK(channel.ReceiveRaw(nonce, deadline));
  CHECK(channel.SendMessage(evidence_(nonce), deadline));
  ++shown_;
  if (channel.ReceiveMessage(wire::kLargestMessageBytes, deadline)) ++trusted_;
}

}  // namespace ephemeralml::attacks

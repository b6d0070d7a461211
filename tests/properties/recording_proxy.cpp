#include "tests/properties/recording_proxy.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <optional>
#include <regex>
#include <utility>

namespace ephemeralml::properties {
namespace {

constexpr int64_t kPatienceMs = 60'000;
constexpr int kPollMs = 20;
constexpr size_t kPieceBytes = 64 * 1024;
constexpr size_t kRecordHeaderBytes = 5;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::string Renamed(std::string head) {
  static const std::vector<std::pair<std::regex, std::string>> kFresh = {
      {std::regex("Bearer [^\r]*"), "Bearer TOKEN"},
      {std::regex("[0-9a-f]{32}"), "ID"},
      {std::regex("127\\.0\\.0\\.1:[0-9]+"), "ADDRESS"},
      {std::regex("Date: [^\r]*"), "Date: NOW"},
      {std::regex("\r\n"), " | "}};
  for (const auto& [pattern, name] : kFresh) head = std::regex_replace(head, pattern, name);
  return head;
}

size_t ContentLength(const std::string& head) {
  static const std::regex kLength("Content-Length: ([0-9]+)", std::regex::icase);
  std::smatch match;
  return std::regex_search(head, match, kLength) ? std::stoull(match[1]) : 0;
}

std::string HttpTurn(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t end = bytes.find(kHeadEnd);
    if (end == std::string_view::npos) return text + "[" + std::to_string(bytes.size()) + " bytes]";
    const std::string head(bytes.substr(0, end));
    bytes.remove_prefix(end + kHeadEnd.size());
    // What an answer to HEAD or CONNECT announces doesn't follow.
    const size_t body = std::min(ContentLength(head), bytes.size());
    bytes.remove_prefix(body);
    text += Renamed(head) + " [" + std::to_string(body) + " bytes] ";
  }
  return text;
}

std::string TlsTurn(std::string_view bytes) {
  std::string text;
  while (bytes.size() >= kRecordHeaderBytes) {
    const size_t length =
        static_cast<uint8_t>(bytes[3]) * size_t{256} + static_cast<uint8_t>(bytes[4]);
    const size_t whole = std::min(bytes.size(), kRecordHeaderBytes + length);
    text += std::to_string(bytes[0]) + ":" + std::to_string(whole) + " ";
    bytes.remove_prefix(whole);
  }
  return bytes.empty() ? text : text + "and " + std::to_string(bytes.size()) + " bytes";
}

bool IsHttp(std::string_view bytes) {
  return bytes.starts_with("HTTP/1.1 ") || bytes.starts_with("GET ") || bytes.starts_with("PUT ") ||
         bytes.starts_with("DELETE ") || bytes.starts_with("HEAD ") ||
         bytes.starts_with("CONNECT ");
}

}  // namespace

size_t Recorder::Open(const std::string& link) {
  const std::lock_guard lock(mutex_);
  recordings_.push_back({link, {}});
  ++open_;
  return recordings_.size() - 1;
}

void Recorder::Add(size_t connection, bool up, ByteSpan bytes) {
  const std::lock_guard lock(mutex_);
  auto& turns = recordings_.at(connection).turns;
  if (turns.empty() || turns.back().up != up) turns.push_back({up, {}});
  turns.back().bytes += AsText(bytes);
}

void Recorder::Close() {
  const std::lock_guard lock(mutex_);
  --open_;
}

std::vector<Recording> Recorder::Take() {
  const net::Deadline deadline = net::After(kPatienceMs);
  while (true) {
    CHECK(std::chrono::steady_clock::now() < deadline);
    {
      const std::lock_guard lock(mutex_);
      if (open_ == 0) return std::exchange(recordings_, {});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

RecordingProxy::RecordingProxy(Recorder& recorder, std::string link)
    : recorder_(recorder),
      link_(std::move(link)),
      listener_(net::Listen({"127.0.0.1", 0}).value()),
      port_(static_cast<uint16_t>(net::BoundPort(listener_.Get()).value())),
      acceptor_([this] { Accept(); }) {}

RecordingProxy::~RecordingProxy() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
}

void RecordingProxy::Accept() {
  while (!stopping_) {
    pollfd listening = {listener_.Get(), POLLIN, 0};
    if (poll(&listening, 1, kPollMs) != 1) continue;
    UniqueFd from(accept4(listener_.Get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!from.IsOpen()) continue;
    const size_t connection = recorder_.Open(link_);
    connections_.emplace_back([this, connection, from = std::move(from)] {
      const auto address = net::Resolve({"127.0.0.1", target_.load()}).value();
      const auto to = net::Connect(address, net::After(kPatienceMs));
      if (to) Forward(from, *to, connection);
      recorder_.Close();
    });
  }
}

// What is written down has not been forwarded yet: an answer can't come before its question.
void RecordingProxy::Forward(const UniqueFd& from, const UniqueFd& to, size_t connection) {
  const std::array<int, 2> ends = {from.Get(), to.Get()};
  std::array<bool, 2> ended = {};
  Bytes piece(kPieceBytes);
  while (!stopping_ && !(ended[0] && ended[1])) {
    std::array<pollfd, 2> readable = {};
    for (size_t i : {0, 1}) readable[i] = {ended[i] ? -1 : ends[i], POLLIN, 0};
    if (poll(readable.data(), readable.size(), kPollMs) <= 0) continue;
    for (size_t i : {0, 1}) {
      if (readable[i].revents == 0) continue;
      const auto count = net::ReceiveSome(ends[i], piece, net::After(kPatienceMs));
      if (!count || *count == 0) {
        ended[i] = true;
        (void)shutdown(ends[1 - i], SHUT_WR);
        continue;
      }
      const ByteSpan bytes = ByteSpan(piece).first(*count);
      recorder_.Add(connection, i == 0, bytes);
      if (!net::SendAll(ends[1 - i], bytes, net::After(kPatienceMs))) return;
    }
  }
}

std::string Transcript(const std::vector<Recording>& recordings) {
  std::string text;
  for (const Recording& recording : recordings) {
    text += recording.link + "\n";
    bool shook_hands = false;
    for (const Turn& turn : recording.turns) {
      text += turn.up ? "  > " : "  < ";
      if (IsHttp(turn.bytes)) {
        text += HttpTurn(turn.bytes);
      } else if (!turn.up && !std::exchange(shook_hands, true)) {
        text += "handshake";
      } else {
        text += TlsTurn(turn.bytes);
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace ephemeralml::properties

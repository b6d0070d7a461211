#include "enclave/serve/fetcher.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "common/base/log.h"
#include "common/net/http_client.h"
#include "enclave/serve/confine.h"

namespace ephemeralml::serve {
namespace {

constexpr uint64_t kPieceBytes = 4 << 20;
constexpr size_t kBufferBytes = 256 * 1024;
constexpr unsigned kPartialContent = 206;  // RFC 9110 §15.3.7

std::string RangeHeader(uint64_t first, uint64_t last) {
  return "bytes=" + std::to_string(first) + "-" + std::to_string(last);
}

std::string ContentRange(uint64_t first, uint64_t last, uint64_t total) {
  return "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
         std::to_string(total);
}

Error Incomplete() { return ToError(FetchOutcome::kIncomplete); }

Done FetchPiece(net::HttpConnection& connection, const FetcherSettings& settings,
                const FetchOrder& order, uint64_t first, MutableByteSpan buffer, int memory,
                net::Deadline deadline) {
  const uint64_t last = std::min(first + kPieceBytes, order.sealed_bytes) - 1;
  TRY_OK(connection.SendHead({"GET",
                              "/v1/blobs/" + ToHex(order.id),
                              settings.host_authority,
                              {{"Range", RangeHeader(first, last)}},
                              0},
                             deadline));
  TRY(const net::HttpResponse response, connection.ReceiveHead(true, deadline));
  if (response.status >= 500) {
    return Error{Code::kIo, "blob_store_unreachable", "the host's blob store failed"};
  }
  if (response.status != kPartialContent || response.body_bytes != last - first + 1 ||
      response.content_range != ContentRange(first, last, order.sealed_bytes)) {
    return Incomplete();
  }
  for (;;) {
    const auto count = connection.ReceiveBody(buffer, deadline);
    if (!count) return Incomplete();
    if (*count == 0) return {};
    TRY_OK(WriteAll(memory, buffer.first(*count)));
  }
}

Result<UniqueFd> Fetch(const FetcherSettings& settings, const FetchOrder& order) {
  UniqueFd memory(memfd_create("sealed-blob", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.IsOpen()) return ErrnoError("blob_store_unreachable", "can't make a memory file");
  const net::Deadline deadline = net::After(settings.timeout_ms);
  TRY(UniqueFd socket, net::Connect(settings.host, deadline));
  net::HttpConnection connection(std::move(socket));
  Bytes buffer(kBufferBytes);
  for (uint64_t first = 0; first < order.sealed_bytes; first += kPieceBytes) {
    TRY_OK(FetchPiece(connection, settings, order, first, buffer, memory.Get(), deadline));
  }
  return memory;
}

}  // namespace

Bytes FetcherSettings::Encode() const {
  Bytes body;
  AppendU64BigEndian(body, static_cast<uint64_t>(timeout_ms));
  AppendU16BigEndian(body, static_cast<uint16_t>(host.size()));
  AppendBytes(body, host);
  AppendBytes(body, AsBytes(host_authority));
  return body;
}

Result<FetcherSettings> FetcherSettings::Decode(ByteSpan body) {
  ByteReader reader(body);
  FetcherSettings settings;
  TRY(const uint64_t timeout, reader.ReadU64BigEndian());
  settings.timeout_ms = static_cast<int64_t>(timeout);
  TRY(const uint16_t address_bytes, reader.ReadU16BigEndian());
  TRY(const ByteSpan address, reader.ReadBytes(address_bytes));
  settings.host.assign(address.begin(), address.end());
  TRY(const ByteSpan authority, reader.ReadBytes(reader.remaining()));
  settings.host_authority = AsText(authority);
  return settings;
}

FetchOutcome FetchBlob(const FetcherSettings& settings, const FetchOrder& order, UniqueFd& memory) {
  Result<UniqueFd> fetched = Fetch(settings, order);
  if (fetched) {
    memory = std::move(*fetched);
    return FetchOutcome::kFetched;
  }
  log::Warn("fetch_failed", {{"reason", fetched.error()}});
  const std::string_view reason = fetched.error().reason;
  return reason == "blob_incomplete" ? FetchOutcome::kIncomplete : FetchOutcome::kUnreachable;
}

int RunFetcher(UniqueFd control) {
  constexpr int64_t kStartTimeoutMs = 10'000;
  auto configured =
      ExpectControl(control.Get(), ControlKind::kConfigure, net::After(kStartTimeoutMs));
  if (!configured) return 1;
  const auto settings = FetcherSettings::Decode(configured->body);
  if (!settings || !LeaveNoTraces() || !ConfineFetcher(net::FamilyOf(settings->host))) return 1;
  for (;;) {
    const auto ordered = ExpectControl(control.Get(), ControlKind::kFetch, net::Deadline::max());
    if (!ordered) return 0;
    const auto order = FetchOrder::Decode(ordered->body);
    if (!order) return 1;
    UniqueFd memory;
    const FetchOutcome outcome = FetchBlob(*settings, *order, memory);
    const Bytes body = {static_cast<uint8_t>(outcome)};
    if (!SendControl(control.Get(), ControlKind::kBlob, body, memory.Get())) return 0;
  }
}

}  // namespace ephemeralml::serve

#include "host/proxy/blobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/read.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/read.hpp>
#include <cstring>
#include <memory>
#include <optional>

#include "common/base/log.h"
#include "host/proxy/range.h"

namespace ephemeralml::proxy {
namespace {

using Stored = store::BlobWriter::Stored;

constexpr size_t kPieceBytes = 128 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// The peer's fault or ours: only ours is worth a line of its own.
asio::awaitable<void> Refuse(Connection& connection, const Error& error) {
  if (error.code == Code::kIo) log::Failure("storage_failed", {{"reason", error}});
  co_await Send(connection, MakeRefusal(connection, error.reason));
}

bool IsAuthorized(const Connection& connection, const Request& request) {
  const std::string_view header = request[http::field::authorization];
  return request.count(http::field::authorization) == 1 &&
         connection.context.token.Authorizes(header);
}

asio::awaitable<void> RefuseUnauthorized(Connection& connection) {
  Response response = MakeRefusal(connection, "token_required");
  response.set(http::field::www_authenticate, "Bearer realm=\"blobs\"");
  co_await Send(connection, std::move(response));
}

// Fills `piece` from the peer. The deadline is the whole piece's: a trickle of bytes doesn't move
// it.
asio::awaitable<bool> Receive(Connection& connection, MutableByteSpan piece) {
  auto& buffered = connection.received;
  const size_t early = std::min(piece.size(), buffered.size());
  std::memcpy(piece.data(), buffered.data().data(), early);
  buffered.consume(early);
  piece = piece.subspan(early);
  connection.stream.expires_after(connection.context.settings.idle_timeout);
  const auto [error, count] = co_await asio::async_read(
      connection.stream, asio::buffer(piece.data(), piece.size()), kAsTuple);
  connection.body_bytes_in += early + count;
  co_return !error;
}

// Moves the body into the writer. Nothing if the peer went away or was too slow.
asio::awaitable<std::optional<Done>> ReceiveBlob(Connection& connection, uint64_t length,
                                                 store::BlobWriter& writer) {
  Bytes buffer(static_cast<size_t>(std::min<uint64_t>(length, kPieceBytes)));
  while (length > 0) {
    const MutableByteSpan piece =
        MutableByteSpan(buffer).first(static_cast<size_t>(std::min<uint64_t>(length, kPieceBytes)));
    const bool was_received = co_await Receive(connection, piece);
    if (!was_received) co_return std::nullopt;
    Done appended =
        co_await OnDisk(connection.context, [&writer, piece] { return writer.Append(piece); });
    if (!appended) co_return appended;
    length -= piece.size();
  }
  co_return Done();
}

asio::awaitable<bool> SendContinue(Connection& connection, const Request& request) {
  const bool is_awaited = request.count(http::field::expect) > 0 && request.version() >= 11;
  if (!is_awaited || connection.received.size() > 0) co_return true;
  const bool was_sent = co_await SendBody(connection, AsBytes(kContinue));
  connection.body_bytes_out = 0;
  co_return was_sent;
}

// Receives a blob and publishes it. In the end the writer is gone, and so is all that it didn't
// publish. Nothing if the peer went away or was too slow.
asio::awaitable<std::optional<Result<Stored>>> Store(Connection& connection, const Request& request,
                                                     uint64_t length,
                                                     std::unique_ptr<store::BlobWriter> writer) {
  std::optional<Done> received;
  const bool is_there = co_await SendContinue(connection, request);
  if (is_there) {
    received = co_await ReceiveBlob(connection, length, *writer);
  }
  const auto finish = [&writer, &received] {
    std::optional<Result<Stored>> stored;
    if (received && *received) {
      stored = writer->Commit();
    } else if (received) {
      stored = received->error();
    }
    writer.reset();  // here, for removing a large file takes its time
    return stored;
  };
  co_return co_await OnDisk(connection.context, finish);
}

asio::awaitable<void> Put(Connection& connection, const Request& request,
                          std::optional<uint64_t> length, store::BlobId id) {
  const bool stays_open = connection.keep_open;
  connection.keep_open = false;  // until the body was read to its end
  if (connection.context.is_draining) {
    co_await Send(connection, MakeRefusal(connection, "draining"));
    co_return;
  }
  if (!IsAuthorized(connection, request)) {
    co_await RefuseUnauthorized(connection);
    co_return;
  }
  if (!length) {
    co_await Send(connection, MakeRefusal(connection, "length_required"));
    co_return;
  }
  Context& context = connection.context;
  auto writer =
      co_await OnDisk(context, [&context, id, length] { return context.store.Write(id, *length); });
  if (!writer) {
    co_await Refuse(connection, writer.error());
    co_return;
  }
  const auto stored = co_await Store(connection, request, *length, *std::move(writer));
  if (!stored) co_return;
  connection.keep_open = stays_open && connection.body_bytes_in == *length;
  if (!*stored) {
    co_await Refuse(connection, stored->error());
    co_return;
  }
  Response response;
  response.result(**stored == Stored::kNew ? http::status::created : http::status::ok);
  co_await Send(connection, std::move(response));
}

asio::awaitable<void> Delete(Connection& connection, const Request& request, store::BlobId id) {
  if (!IsAuthorized(connection, request)) {
    co_await RefuseUnauthorized(connection);
    co_return;
  }
  Context& context = connection.context;
  const Done removed =
      co_await OnDisk(context, [&context, id] { return context.store.Remove(id); });
  if (!removed) {
    co_await Refuse(connection, removed.error());
    co_return;
  }
  Response response;
  response.result(http::status::no_content);
  co_await Send(connection, std::move(response));
}

// RFC 9110 §14.2: Range means something to GET alone. Two Range headers are no range. §13.1.5: we
// give no validators, so none that If-Range names can match, and the range is ignored.
Result<std::optional<ByteRange>> RequestedRange(const Request& request, uint64_t size_bytes) {
  const size_t count = request.count(http::field::range);
  if (count == 0 || request.method() != http::verb::get ||
      request.count(http::field::if_range) > 0) {
    return std::optional<ByteRange>();
  }
  return ParseRange(count == 1 ? std::string_view(request[http::field::range]) : "", size_bytes);
}

asio::awaitable<void> SendRange(Connection& connection, const store::BlobReader& reader,
                                ByteRange range) {
  Bytes buffer(static_cast<size_t>(std::min<uint64_t>(range.count, kPieceBytes)));
  while (range.count > 0) {
    const MutableByteSpan piece = MutableByteSpan(buffer).first(
        static_cast<size_t>(std::min<uint64_t>(range.count, kPieceBytes)));
    const Done read = co_await OnDisk(
        connection.context, [&reader, piece, range] { return reader.ReadAt(range.first, piece); });
    if (!read) {
      log::Failure("storage_failed", {{"reason", read.error()}});
      connection.keep_open = false;  // the head promised more: only a cut tells the peer
      co_return;
    }
    const bool was_sent = co_await SendBody(connection, piece);
    if (!was_sent) co_return;
    range.first += piece.size();
    range.count -= piece.size();
  }
}

asio::awaitable<void> Get(Connection& connection, const Request& request, store::BlobId id) {
  Context& context = connection.context;
  const auto reader = co_await OnDisk(context, [&context, id] { return context.store.Read(id); });
  if (!reader) {
    co_await Refuse(connection, reader.error());
    co_return;
  }
  const uint64_t size = (*reader)->size_bytes();
  const auto range = RequestedRange(request, size);
  if (!range) {
    Response response = MakeRefusal(connection, range.error().reason);
    response.set(http::field::content_range, fmt::format("bytes */{}", size));
    co_await Send(connection, std::move(response));
    co_return;
  }
  const ByteRange sent = range->value_or(ByteRange{0, size});
  Response response;
  response.set(http::field::accept_ranges, "bytes");
  response.set(http::field::content_type, "application/octet-stream");
  response.content_length(sent.count);
  if (*range) {
    response.result(http::status::partial_content);
    response.set(http::field::content_range,
                 fmt::format("bytes {}-{}/{}", sent.first, sent.first + sent.count - 1, size));
  }
  const bool was_sent = co_await SendHead(connection, response);
  if (!was_sent || connection.is_head) co_return;
  co_await SendRange(connection, **reader, sent);
}

}  // namespace

asio::awaitable<void> ServeBlob(Connection& connection, const Request& request,
                                std::optional<uint64_t> length, std::string_view id_text) {
  const auto id = store::BlobId::Parse(id_text);
  if (!id) {
    if (request.method() == http::verb::put) connection.keep_open = false;
    co_await Refuse(connection, id.error());
    co_return;
  }
  switch (request.method()) {
    case http::verb::put:
      co_await Put(connection, request, length, *id);
      co_return;
    case http::verb::delete_:
      co_await Delete(connection, request, *id);
      co_return;
    default:
      co_await Get(connection, request, *id);
  }
}

}  // namespace ephemeralml::proxy

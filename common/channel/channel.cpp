#include "common/channel/channel.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "common/channel/busy.h"
#include "common/channel/rehearsal.h"
#include "common/channel/server_identity.h"
#include "common/channel/socket_bio.h"
#include "common/wire/frame.h"

namespace ephemeralml::channel {
namespace {

constexpr int kHybridGroup = 0x11ec;        // IANA, "TLS Supported Groups"
constexpr size_t kRecordBytes = 16 * 1024;  // RFC 8446 §5.1: the most that one record carries
constexpr int64_t kCloseTimeoutMs = 1000;

// One code for everything that an attacker on the way can do to the bytes: what exactly was done is
// his choice, and tells nothing.
Error Broken() {
  ERR_clear_error();
  return {Code::kUnauthentic, "channel_broken", "the connection was cut or altered on its way"};
}

Error TookTooLong() { return {Code::kIo, "deadline_exceeded", "the peer took too long"}; }

Error Closed() { return {Code::kIo, "channel_closed", "the other end closed the channel"}; }

// What a frame has from its byte `offset` on: header, message, then zeros.
void MixRecord(ByteSpan header, ByteSpan message, size_t offset, MutableByteSpan record) {
  Wipe(record);
  size_t begin = 0;
  for (const ByteSpan part : {header, message}) {
    const size_t first = std::max(begin, offset);
    const size_t last = std::min(begin + part.size(), offset + record.size());
    if (first < last) {
      CopyBytes(part.subspan(first - begin, last - first), record.subspan(first - offset));
    }
    begin += part.size();
  }
}

}  // namespace

Error EnclaveBusy() {
  return {Code::kBusy, "enclave_busy",
          "the enclave has all the sessions and waiting clients that it may; come back in " +
              std::to_string(kComeBackMs) + " ms"};
}

struct Channel::State {
  UniqueFd socket;
  tls::SocketLink link;  // before `connection`, whose BIO works on it
  tls::Connection connection;
  Bytes server_public_key;
  ExporterBinding exporter = {};
  std::chrono::steady_clock::time_point born = std::chrono::steady_clock::now();
  uint64_t bytes = 0;
  uint64_t key_updates_expected = 0;  // of the server's, at the client
  uint64_t key_updates_seen = 0;
  bool is_server = false;
  bool dead = false;
  bool deaf = false;  // a message that was refused still fills the connection

  Error Fail(Error error) {
    dead = true;
    return error;
  }

  // Repeats a call of the library until it succeeds, waiting for the socket as it asks. Gives up
  // successfully when there is nothing to read and `enough()` holds.
  template <class Call, class Enough>
  Done Drive(Call call, Enough enough, net::Deadline deadline) {
    if (dead) return Broken();
    link.deadline = deadline;
    for (;;) {
      ERR_clear_error();
      const int result = call(connection.get());
      if (result == 1) return {};
      switch (SSL_get_error(connection.get(), result)) {
        case SSL_ERROR_WANT_READ:
          if (enough()) return {};
          TRY_OK(link.late ? TookTooLong() : net::WaitReadable(socket.Get(), deadline));
          break;
        case SSL_ERROR_WANT_WRITE:
          TRY_OK(link.late ? TookTooLong() : net::WaitWritable(socket.Get(), deadline));
          break;
        case SSL_ERROR_ZERO_RETURN:
          return Fail(Closed());
        default:
          return Fail(WasToldToComeBack() ? EnclaveBusy() : Broken());
      }
    }
  }

  // Before a handshake is done, anybody on the way can say so: it is an invitation, no fact.
  bool WasToldToComeBack() const {
    return !is_server && SSL_is_init_finished(connection.get()) == 0 &&
           ERR_GET_REASON(ERR_peek_error()) == SSL_R_TLSV1_ALERT_ACCESS_DENIED;
  }

  // As Drive; whatever stops it halfway, a deadline too, leaves the channel useless.
  template <class Call>
  Done Finish(Call call, net::Deadline deadline) {
    Done done = Drive(
        call, [] { return false; }, deadline);
    if (!done) dead = true;
    return done;
  }

  static int Peek(SSL* ssl) {
    size_t count = 0;
    uint8_t byte = 0;
    return SSL_peek_ex(ssl, &byte, 1, &count);
  }

  static void CountKeyUpdates(int is_sent, int /*version*/, int content_type, const void* bytes,
                              size_t size, SSL* /*ssl*/, void* state) {
    if (is_sent == 0 && content_type == SSL3_RT_HANDSHAKE && size > 0 &&
        *static_cast<const uint8_t*>(bytes) == SSL3_MT_KEY_UPDATE) {
      ++static_cast<State*>(state)->key_updates_seen;
    }
  }

  Done Prepare(SSL_CTX* context) {
    connection.reset(SSL_new(context));
    BIO* wire = tls::MakeSocketBio(&link);
    if (connection == nullptr || wire == nullptr) return tls::LibraryError();
    SSL_set_bio(connection.get(), wire, wire);
    SSL_set_msg_callback(connection.get(), &CountKeyUpdates);
    SSL_set_msg_callback_arg(connection.get(), this);
    if (is_server) {
      SSL_set_accept_state(connection.get());
      return {};
    }
    SSL_set_connect_state(connection.get());
    // Makes the first message and finds that it can't be sent yet.
    const int result = SSL_do_handshake(connection.get());
    if (SSL_get_error(connection.get(), result) != SSL_ERROR_WANT_WRITE) return tls::LibraryError();
    return {};
  }

  Done Handshake(UniqueFd peer, net::Deadline deadline) {
    socket = std::move(peer);
    link.fd = socket.Get();
    TRY_OK(Finish([](SSL* ssl) { return SSL_do_handshake(ssl); }, deadline));
    const X509* certificate = is_server ? SSL_get_certificate(connection.get())
                                        : SSL_get0_peer_certificate(connection.get());
    if (certificate == nullptr) return Broken();
    TRY(server_public_key, tls::PublicKeyOf(certificate));
    if (SSL_export_keying_material(connection.get(), exporter.data(), exporter.size(),
                                   kExporterLabel.data(), kExporterLabel.size(), nullptr, 0,
                                   1) != 1) {
      return tls::LibraryError();
    }
    return {};
  }

  Done SendKeyUpdate(int type, net::Deadline deadline) {
    if (dead || SSL_key_update(connection.get(), type) != 1) return Fail(Broken());
    return Finish([](SSL* ssl) { return SSL_do_handshake(ssl); }, deadline);
  }

  Done Write(ByteSpan rest, net::Deadline deadline) {
    while (!rest.empty()) {
      size_t count = 0;
      TRY_OK(Finish(
          [&](SSL* ssl) {
            return SSL_write_ex(ssl, rest.data(), std::min(rest.size(), kRecordBytes), &count);
          },
          deadline));
      rest = rest.subspan(count);
      bytes += count;
    }
    return {};
  }

  Done Read(MutableByteSpan rest, net::Deadline deadline) {
    if (deaf) return Broken();
    while (!rest.empty()) {
      size_t count = 0;
      TRY_OK(Finish([&](SSL* ssl) { return SSL_read_ex(ssl, rest.data(), rest.size(), &count); },
                    deadline));
      rest = rest.subspan(count);
      bytes += count;
    }
    return {};
  }
};

Done Initialize() {
  std::array<uint8_t, 32> drawn;
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                           OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                       nullptr) != 1 ||
      RAND_bytes(drawn.data(), drawn.size()) != 1 ||
      RAND_priv_bytes(drawn.data(), drawn.size()) != 1) {
    return tls::LibraryError();
  }
  static const Done rehearsed = tls::Rehearse();
  return rehearsed;
}

Channel::Channel(std::unique_ptr<State> state) : state_(std::move(state)) {}
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;
Channel::~Channel() = default;

Result<Channel> Channel::Accept(UniqueFd socket, const ServerIdentity& identity,
                                net::Deadline deadline) {
  auto state = std::make_unique<State>();
  state->is_server = true;
  TRY_OK(state->Prepare(identity.state_->identity.context.get()));
  TRY_OK(state->Handshake(std::move(socket), deadline));
  return Channel(std::move(state));
}

Result<Channel> Channel::Connect(const std::function<Result<UniqueFd>()>& reach,
                                 net::Deadline deadline) {
  auto state = std::make_unique<State>();
  TRY(SSL_CTX * context, tls::ClientContext());
  TRY_OK(state->Prepare(context));
  TRY(UniqueFd socket, reach());
  TRY_OK(state->Handshake(std::move(socket), deadline));
  return Channel(std::move(state));
}

Result<Channel> Channel::Connect(UniqueFd socket, net::Deadline deadline) {
  return Connect([&]() -> Result<UniqueFd> { return std::move(socket); }, deadline);
}

void Channel::GoOnOver(UniqueFd socket) {
  state_->socket = std::move(socket);
  state_->link.fd = state_->socket.Get();
}

const Bytes& Channel::ServerPublicKey() const { return state_->server_public_key; }
const ExporterBinding& Channel::Exporter() const { return state_->exporter; }

Done Channel::SendRaw(ByteSpan bytes, net::Deadline deadline) {
  return state_->Write(bytes, deadline);
}

Done Channel::ReceiveRaw(MutableByteSpan bytes, net::Deadline deadline) {
  return state_->Read(bytes, deadline);
}

// Header, message and padding go out as one run of full records: a record boundary between them
// would show the message's length.
Done Channel::SendMessage(ByteSpan message, net::Deadline deadline) {
  if (message.size() > wire::kLargestMessageBytes) {
    return Error{Code::kOverLimit, "message_too_large",
                 "a message of " + std::to_string(message.size()) + " bytes; at most " +
                     std::to_string(wire::kLargestMessageBytes) + " can be sent"};
  }
  const Bytes header = wire::EncodeFrameHeader(message.size());
  const size_t end = header.size() + message.size();
  const size_t total = header.size() + wire::PaddedLength(message.size());
  SecretBytes mixed(kRecordBytes);
  for (size_t sent = 0; sent < total;) {
    const size_t count = std::min(kRecordBytes, total - sent);
    ByteSpan record = mixed.Fill().first(count);
    if (sent >= header.size() && sent + count <= end) {
      record = message.subspan(sent - header.size(), count);
    } else {
      MixRecord(header, message, sent, mixed.Fill().first(count));
    }
    TRY_OK(state_->Write(record, deadline));
    sent += count;
  }
  return {};
}

Result<SecretBytes> Channel::ReceiveMessage(size_t limit_bytes, net::Deadline deadline) {
  std::array<uint8_t, wire::kFrameHeaderBytes> bytes;
  TRY_OK(state_->Read(bytes, deadline));
  const auto header = wire::DecodeFrameHeader(bytes, limit_bytes);
  if (!header) {
    state_->deaf = true;
    return header.error();
  }
  SecretBytes message(header->message_bytes);
  TRY_OK(state_->Read(message.Fill(), deadline));
  std::array<uint8_t, 4096> padding;
  for (size_t left = header->padded_bytes - header->message_bytes; left > 0;) {
    const auto piece = MutableByteSpan(padding).first(std::min(left, padding.size()));
    TRY_OK(state_->Read(piece, deadline));
    if (std::ranges::any_of(piece, [](uint8_t byte) { return byte != 0; })) {
      return state_->Fail({Code::kMalformed, "frame_malformed", "a frame's padding isn't zero"});
    }
    left -= piece.size();
  }
  return message;
}

// What isn't a message, such as the answer to a key update, is taken and answered meanwhile.
Done Channel::WaitForPeer(net::Deadline deadline) {
  return state_->Drive(
      &State::Peek, [] { return false; }, deadline);
}

Done Channel::UpdateKeys(net::Deadline deadline) {
  if (state_->is_server) return state_->SendKeyUpdate(SSL_KEY_UPDATE_REQUESTED, deadline);
  const uint64_t expected = ++state_->key_updates_expected;
  const auto updated = [&] { return state_->key_updates_seen >= expected; };
  TRY_OK(state_->Drive(&State::Peek, updated, deadline));
  if (!updated()) return state_->Fail(Broken());
  // Left to itself the library answers no sooner than with the next message.
  return state_->SendKeyUpdate(SSL_KEY_UPDATE_NOT_REQUESTED, deadline);
}

bool Channel::ShouldReplace(const Lifetime& lifetime) const {
  return std::chrono::steady_clock::now() - state_->born >= lifetime.time ||
         state_->bytes >= lifetime.bytes;
}

// The library's number of a group that it has no older name for carries a flag above 16 bits.
std::string_view Channel::KeyExchange() const {
  const auto group = static_cast<int>(SSL_get_negotiated_group(state_->connection.get()));
  if (group == NID_X25519) return "X25519";
  return (group & 0xffff) == kHybridGroup ? "X25519MLKEM768" : "another";
}

void Channel::Close() {
  if (state_ == nullptr || state_->dead) return;
  state_->link.deadline = net::After(kCloseTimeoutMs);
  (void)SSL_shutdown(state_->connection.get());
  state_->dead = true;
}

}  // namespace ephemeralml::channel

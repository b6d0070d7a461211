#include "common/channel/channel.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "common/channel/server_identity.h"
#include "common/wire/frame.h"

namespace ephemeralml::channel {
namespace {

constexpr size_t kRecordBytes = 16 * 1024;  // RFC 8446 §5.1: the most that one record carries
constexpr auto kLongestAge = std::chrono::hours(1);
constexpr uint64_t kMostBytes = uint64_t{64} << 30;

// One code for everything that an attacker on the way can do to the bytes: what exactly was done is
// his choice, and tells nothing.
Error Broken() {
  ERR_clear_error();
  return {Code::kUnauthentic, "channel_broken", "the connection was cut or altered on its way"};
}

Error Closed() { return {Code::kIo, "channel_closed", "the other end closed the channel"}; }

}  // namespace

struct Channel::State {
  UniqueFd socket;
  tls::Context own_context;  // at the client; the server's is its identity's
  tls::Connection connection;
  Bytes server_public_key;
  ExporterBinding exporter = {};
  std::chrono::steady_clock::time_point born = std::chrono::steady_clock::now();
  uint64_t bytes = 0;
  bool dead = false;

  Error Fail(Error error) {
    dead = true;
    return error;
  }

  // Repeats a call of the library until it succeeds, waiting for the socket as it asks.
  template <class Call>
  Done Drive(Call call, net::Deadline deadline) {
    if (dead) return Broken();
    for (;;) {
      ERR_clear_error();
      const int result = call(connection.get());
      if (result == 1) return {};
      Done waited;
      switch (SSL_get_error(connection.get(), result)) {
        case SSL_ERROR_WANT_READ:
          waited = net::WaitReadable(socket.Get(), deadline);
          break;
        case SSL_ERROR_WANT_WRITE:
          waited = net::WaitWritable(socket.Get(), deadline);
          break;
        case SSL_ERROR_ZERO_RETURN:
          return Fail(Closed());
        default:
          return Fail(Broken());
      }
      if (!waited) return Fail(waited.error());
    }
  }

  Done Handshake(UniqueFd peer, SSL_CTX* context, bool is_server, net::Deadline deadline) {
    socket = std::move(peer);
    connection.reset(SSL_new(context));
    if (connection == nullptr || SSL_set_fd(connection.get(), socket.Get()) != 1) {
      return tls::LibraryError();
    }
    TRY_OK(Drive([is_server](SSL* ssl) { return is_server ? SSL_accept(ssl) : SSL_connect(ssl); },
                 deadline));
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

  Done Write(ByteSpan rest, net::Deadline deadline) {
    while (!rest.empty()) {
      size_t count = 0;
      TRY_OK(Drive(
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
    while (!rest.empty()) {
      size_t count = 0;
      TRY_OK(Drive([&](SSL* ssl) { return SSL_read_ex(ssl, rest.data(), rest.size(), &count); },
                   deadline));
      rest = rest.subspan(count);
      bytes += count;
    }
    return {};
  }
};

Done Initialize() {
  // A peer that is gone is an error of the call that meets it, not the end of the process.
  (void)signal(SIGPIPE, SIG_IGN);
  std::array<uint8_t, 32> drawn;
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                           OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                       nullptr) != 1 ||
      RAND_bytes(drawn.data(), drawn.size()) != 1 ||
      RAND_priv_bytes(drawn.data(), drawn.size()) != 1) {
    return tls::LibraryError();
  }
  return {};
}

Channel::Channel(std::unique_ptr<State> state) : state_(std::move(state)) {}
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;
Channel::~Channel() = default;

Result<Channel> Channel::Accept(UniqueFd socket, const ServerIdentity& identity,
                                net::Deadline deadline) {
  auto state = std::make_unique<State>();
  TRY_OK(state->Handshake(std::move(socket), identity.state_->context.get(), true, deadline));
  return Channel(std::move(state));
}

Result<Channel> Channel::Connect(UniqueFd socket, net::Deadline deadline) {
  auto state = std::make_unique<State>();
  TRY(state->own_context, tls::MakeContext(TLS_client_method()));
  TRY_OK(state->Handshake(std::move(socket), state->own_context.get(), false, deadline));
  return Channel(std::move(state));
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
  const Bytes header = wire::EncodeFrameHeader(message.size());
  const size_t total = header.size() + wire::PaddedLength(message.size());
  SecretBytes record(kRecordBytes);
  for (size_t sent = 0; sent < total;) {
    const size_t count = std::min(kRecordBytes, total - sent);
    Wipe(record.Fill());
    for (const auto& [offset, part] :
         {std::pair(size_t{0}, ByteSpan(header)), std::pair(header.size(), message)}) {
      const size_t begin = std::max(sent, offset);
      const size_t end = std::min(sent + count, offset + part.size());
      if (begin < end)
        std::ranges::copy(part.subspan(begin - offset, end - begin),
                          record.Fill().begin() + static_cast<std::ptrdiff_t>(begin - sent));
    }
    TRY_OK(state_->Write(record.Fill().first(count), deadline));
    sent += count;
  }
  return {};
}

Result<SecretBytes> Channel::ReceiveMessage(size_t limit_bytes, net::Deadline deadline) {
  std::array<uint8_t, wire::kFrameHeaderBytes> bytes;
  TRY_OK(state_->Read(bytes, deadline));
  TRY(const wire::FrameHeader header, wire::DecodeFrameHeader(bytes, limit_bytes));
  SecretBytes message(header.message_bytes);
  TRY_OK(state_->Read(message.Fill(), deadline));
  std::array<uint8_t, 4096> padding;
  for (size_t left = header.padded_bytes - header.message_bytes; left > 0;) {
    const auto piece = MutableByteSpan(padding).first(std::min(left, padding.size()));
    TRY_OK(state_->Read(piece, deadline));
    if (std::ranges::any_of(piece, [](uint8_t byte) { return byte != 0; })) {
      return Error{Code::kMalformed, "frame_malformed", "a frame's padding isn't zero"};
    }
    left -= piece.size();
  }
  return message;
}

Done Channel::WaitForPeer(net::Deadline deadline) {
  if (SSL_has_pending(state_->connection.get()) == 1) return {};
  return net::WaitReadable(state_->socket.Get(), deadline);
}

Done Channel::UpdateKeys(net::Deadline deadline) {
  if (SSL_key_update(state_->connection.get(), SSL_KEY_UPDATE_REQUESTED) != 1) {
    return state_->Fail(Broken());
  }
  return state_->Drive([](SSL* ssl) { return SSL_do_handshake(ssl); }, deadline);
}

bool Channel::ShouldReplace() const {
  return std::chrono::steady_clock::now() - state_->born >= kLongestAge ||
         state_->bytes >= kMostBytes;
}

void Channel::Close() {
  if (state_ != nullptr && !state_->dead) (void)SSL_shutdown(state_->connection.get());
}

}  // namespace ephemeralml::channel

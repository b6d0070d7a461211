#include "common/channel/rehearsal.h"

#include <openssl/bio.h>

#include <array>

#include "common/channel/server_identity.h"
#include "common/channel/tls.h"

namespace ephemeralml::channel::tls {
namespace {

constexpr int kMostSteps = 20;

// One end of a connection whose wire is memory.
struct End {
  Connection connection;

  bool Send() const {
    size_t count = 0;
    const uint8_t byte = 1;
    return SSL_write_ex(connection.get(), &byte, 1, &count) == 1;
  }
  bool Receive() const {
    size_t count = 0;
    uint8_t byte = 0;
    return SSL_read_ex(connection.get(), &byte, 1, &count) == 1;
  }
  bool UpdateKeys() const {
    return SSL_key_update(connection.get(), SSL_KEY_UPDATE_REQUESTED) == 1 &&
           SSL_do_handshake(connection.get()) == 1;
  }
};

bool Join(const End& client, const End& server) {
  BIO* client_wire = nullptr;
  BIO* server_wire = nullptr;
  if (BIO_new_bio_pair(&client_wire, 0, &server_wire, 0) != 1) return false;
  SSL_set_bio(client.connection.get(), client_wire, client_wire);
  SSL_set_bio(server.connection.get(), server_wire, server_wire);
  return true;
}

bool Handshake(const End& client, const End& server) {
  for (int step = 0; step < kMostSteps; ++step) {
    const bool client_done = SSL_connect(client.connection.get()) == 1;
    const bool server_done = SSL_accept(server.connection.get()) == 1;
    if (client_done && server_done) return true;
  }
  return false;
}

}  // namespace

Done Rehearse() {
  TRY(const Identity identity, MakeIdentity());
  TRY(SSL_CTX * client_context, ClientContext());
  const End client = {Connection(SSL_new(client_context))};
  const End server = {Connection(SSL_new(identity.context.get()))};
  std::array<uint8_t, 32> exported;
  const bool went_well = client.connection != nullptr && server.connection != nullptr &&
                         Join(client, server) && Handshake(client, server) &&
                         SSL_export_keying_material(server.connection.get(), exported.data(),
                                                    exported.size(), "x", 1, nullptr, 0, 1) == 1 &&
                         client.Send() && server.Receive() && server.Send() &&
                         server.UpdateKeys() && client.Receive() && client.Send() &&
                         server.Receive() && server.Send() && client.Receive();
  if (!went_well) return LibraryError();
  (void)SSL_shutdown(client.connection.get());
  (void)SSL_shutdown(server.connection.get());
  return {};
}

}  // namespace ephemeralml::channel::tls

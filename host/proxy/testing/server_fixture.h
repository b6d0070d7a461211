#pragma once
// A real server on a free port of the loopback interface, over a store in a temporary folder.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "host/proxy/server.h"
#include "host/proxy/testing/http_peer.h"

namespace ephemeralml::proxy::testing {

inline std::string RandomText(size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// A server that serves for as long as it lives.
class RunningServer {
 public:
  RunningServer(ServerSettings settings, store::StoreLimits limits) {
    std::string name = (std::filesystem::temp_directory_path() / "server_test.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    settings.listen.front().port = 0;
    store_ = store::BlobStore::Open(folder_, limits).value();
    server_ =
        Server::Create(std::move(settings), *store_, Token::Parse(AsBytes(token_digits_)).value())
            .value();
    port_ = static_cast<uint16_t>(server_->port());
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~RunningServer() {
    server_->Stop();
    Join();
    server_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  Server& server() { return *server_; }
  uint16_t port() const { return port_; }
  const std::filesystem::path& folder() const { return folder_; }
  /// A header line that PUT and DELETE need.
  std::string Authorization() const { return "Authorization: Bearer " + token_digits_ + "\r\n"; }
  /// Waits until the server has ended by itself.
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  const std::string token_digits_ = std::string(Token::kDigits, 'a');
  std::filesystem::path folder_;
  std::unique_ptr<store::BlobStore> store_;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace ephemeralml::proxy::testing

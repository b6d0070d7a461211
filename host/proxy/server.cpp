#include "host/proxy/server.h"

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <csignal>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

#include "common/base/log.h"
#include "common/net/socket.h"
#include "host/proxy/metrics_page.h"
#include "host/proxy/session.h"

namespace ephemeralml::proxy {
namespace {

using std::chrono::steady_clock;
using Acceptor = asio::basic_socket_acceptor<StreamProtocol>;

// Half of the processors at most: a connection's steps that change threads take longer.
constexpr unsigned kMostThreads = 4;
constexpr uint32_t kMostTurnedAway = 64;     // at once; more are cut without a word
constexpr uint32_t kMostMetricsReaders = 4;  // at once
constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr std::chrono::milliseconds kDrainPoll{10};

// One connection's failure is never another's.
void ReportException(const std::exception_ptr& exception) {
  if (exception) log::Failure("connection_failed");
}

}  // namespace

struct Server::Implementation {
  Implementation(ServerSettings settings, store::BlobStore& store, Token token)
      : context(std::move(settings), store, std::move(token)) {}

  Done Listen();
  Result<Acceptor> Listen(const net::Address& address);
  asio::awaitable<void> Accept(Acceptor& acceptor, void (Implementation::*admit)(Socket));
  void Admit(Socket socket);
  void AdmitToMetrics(Socket socket);
  asio::awaitable<void> AwaitSignals();
  asio::awaitable<void> DrainAndStop();
  void Stop();

  Context context;
  // Everything below runs on this strand.
  asio::strand<asio::io_context::executor_type> control = asio::make_strand(context.io);
  std::vector<Acceptor> acceptors;  // as many as addresses, from Listen on
  std::optional<Acceptor> metrics_acceptor;
  asio::signal_set signals{control};
};

Result<Acceptor> Server::Implementation::Listen(const net::Address& address) {
  auto listener = net::Listen(address);
  if (!listener) {
    return Error{Code::kIo, "listen_failed",
                 listener.error().what + "; is another host running there?"};
  }
  TRY(const net::ResolvedAddress resolved, net::Resolve(address));
  Acceptor acceptor(control);
  boost::system::error_code error;
  acceptor.assign(StreamProtocol(net::FamilyOf(resolved), 0), listener->Get(), error);
  if (!error) (void)listener->Release();
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Error{Code::kIo, "listen_failed", "can't wait on " + address.Url()};
  return acceptor;
}

Done Server::Implementation::Listen() {
  for (const net::Address& address : context.settings.listen) {
    TRY(Acceptor acceptor, Listen(address));
    acceptors.push_back(std::move(acceptor));
  }
  if (context.settings.metrics_port) {
    TRY(metrics_acceptor, Listen({"127.0.0.1", *context.settings.metrics_port}));
  }
  return {};
}

asio::awaitable<void> Server::Implementation::Accept(Acceptor& acceptor,
                                                     void (Implementation::*admit)(Socket)) {
  while (true) {
    auto [error, socket] = co_await acceptor.async_accept(
        asio::any_io_executor(asio::make_strand(context.io)), kAsTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (!error) {
      (this->*admit)(std::move(socket));
      continue;
    }
    // Out of descriptors or memory: the connection waits in the queue until some are free again.
    log::Warn("accept_failed", {{"errno", error.value()}});
    asio::steady_timer pause(control, kAcceptPause);
    (void)co_await pause.async_wait(kAsTuple);
  }
}

void Server::Implementation::Admit(Socket socket) {
  const auto executor = socket.get_executor();
  if (context.connections < context.settings.connections) {
    asio::co_spawn(executor,
                   ServeConnection(context, std::move(socket), Counted(context.connections)),
                   ReportException);
  } else if (context.turned_away < kMostTurnedAway) {
    asio::co_spawn(executor, TurnAway(context, std::move(socket), Counted(context.turned_away)),
                   ReportException);
  }
}

void Server::Implementation::AdmitToMetrics(Socket socket) {
  if (context.metrics_readers >= kMostMetricsReaders) return;
  const auto executor = socket.get_executor();
  asio::co_spawn(executor,
                 ServeMetrics(context, std::move(socket), Counted(context.metrics_readers)),
                 ReportException);
}

asio::awaitable<void> Server::Implementation::AwaitSignals() {
  const auto [error, signal] = co_await signals.async_wait(kAsTuple);
  if (error) co_return;
  asio::co_spawn(control, DrainAndStop(), ReportException);
  const auto [second_error, second_signal] = co_await signals.async_wait(kAsTuple);
  if (second_error) co_return;
  log::Warn("stopped_at_once", {{"requests_cut", context.requests.load()}});
  Stop();
}

asio::awaitable<void> Server::Implementation::DrainAndStop() {
  if (context.is_draining.exchange(true)) co_return;
  log::Info("draining", {{"requests", context.requests.load()}});
  const auto deadline = steady_clock::now() + context.settings.drain_timeout;
  asio::steady_timer timer(control);
  while (context.requests > 0 && steady_clock::now() < deadline) {
    timer.expires_after(kDrainPoll);
    (void)co_await timer.async_wait(kAsTuple);
  }
  boost::system::error_code ignored;
  for (Acceptor& acceptor : acceptors) acceptor.close(ignored);
  if (metrics_acceptor) metrics_acceptor->close(ignored);
  log::Info("drained", {{"requests_cut", context.requests.load()}});
  Stop();
}

void Server::Implementation::Stop() { context.io.stop(); }

Server::Server(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::Create(ServerSettings settings, store::BlobStore& store,
                                               Token token) {
  auto implementation =
      std::make_unique<Implementation>(std::move(settings), store, std::move(token));
  TRY_OK(implementation->Listen());
  return std::unique_ptr<Server>(new Server(std::move(implementation)));
}

uint32_t Server::port() const {
  return net::BoundPort(implementation_->acceptors.front().native_handle()).value();
}

uint32_t Server::metrics_port() const {
  return net::BoundPort(implementation_->metrics_acceptor->native_handle()).value();
}

void Server::EndOnSignals() {
  implementation_->signals.add(SIGTERM);
  implementation_->signals.add(SIGINT);
  asio::co_spawn(implementation_->control, implementation_->AwaitSignals(), ReportException);
}

void Server::Run() {
  Implementation& server = *implementation_;
  for (Acceptor& acceptor : server.acceptors) {
    asio::co_spawn(server.control, server.Accept(acceptor, &Implementation::Admit),
                   ReportException);
    log::Info("listening", {{"port", net::BoundPort(acceptor.native_handle()).value()}});
  }
  if (server.metrics_acceptor) {
    asio::co_spawn(server.control,
                   server.Accept(*server.metrics_acceptor, &Implementation::AdmitToMetrics),
                   ReportException);
  }
  const unsigned count = std::clamp(std::thread::hardware_concurrency() / 2, 1U, kMostThreads);
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < count; ++i) threads.emplace_back([&server] { server.context.io.run(); });
  server.context.io.run();
  for (std::thread& thread : threads) thread.join();
  server.context.disk.join();
}

void Server::Drain() {
  asio::co_spawn(implementation_->control, implementation_->DrainAndStop(), ReportException);
}

void Server::Stop() { implementation_->Stop(); }

}  // namespace ephemeralml::proxy

#include "host/proxy/server.h"

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <csignal>
#include <exception>
#include <thread>
#include <vector>

#include "common/base/log.h"
#include "host/proxy/session.h"

namespace ephemeralml::proxy {
namespace {

using std::chrono::steady_clock;

constexpr unsigned kMostThreads = 4;
constexpr uint32_t kMostTurnedAway = 64;  // at once; more are cut without a word
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
  asio::awaitable<void> Accept();
  void Admit(Tcp::socket socket);
  asio::awaitable<void> AwaitSignals();
  asio::awaitable<void> DrainAndStop();
  void Stop();

  Context context;
  // Everything below runs on this strand.
  asio::strand<asio::io_context::executor_type> control = asio::make_strand(context.io);
  Tcp::acceptor acceptor{control};
  asio::signal_set signals{control};
};

Done Server::Implementation::Listen() {
  const net::Address& address = context.settings.listen;
  boost::system::error_code error;
  Tcp::resolver resolver(context.io);
  const auto endpoints =
      resolver.resolve(address.host, std::to_string(address.port), Tcp::resolver::passive, error);
  if (!error) acceptor.open(endpoints.begin()->endpoint().protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoints.begin()->endpoint(), error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return {};
  return Error{Code::kIo, "listen_failed",
               "can't listen on " + address.Authority() + ": " + error.message() +
                   "; is another host running there?"};
}

asio::awaitable<void> Server::Implementation::Accept() {
  while (true) {
    auto [error, socket] = co_await acceptor.async_accept(
        asio::any_io_executor(asio::make_strand(context.io)), kAsTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (!error) {
      Admit(std::move(socket));
      continue;
    }
    // Out of descriptors or memory: the connection waits in the queue until some are free again.
    log::Warn("accept_failed", {{"errno", error.value()}});
    asio::steady_timer pause(control, kAcceptPause);
    (void)co_await pause.async_wait(kAsTuple);
  }
}

void Server::Implementation::Admit(Tcp::socket socket) {
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
  acceptor.close(ignored);
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

uint16_t Server::port() const { return implementation_->acceptor.local_endpoint().port(); }

void Server::EndOnSignals() {
  implementation_->signals.add(SIGTERM);
  implementation_->signals.add(SIGINT);
  asio::co_spawn(implementation_->control, implementation_->AwaitSignals(), ReportException);
}

void Server::Run() {
  Implementation& server = *implementation_;
  asio::co_spawn(server.control, server.Accept(), ReportException);
  log::Info("listening", {{"port", port()}});
  const unsigned count = std::clamp(std::thread::hardware_concurrency(), 2U, kMostThreads);
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

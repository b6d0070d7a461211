#pragma once
// What all connections of one server share. Private to this module.

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

#include "host/proxy/metrics.h"
#include "host/proxy/server.h"

namespace ephemeralml::proxy {

namespace asio = boost::asio;

// The outcome of an asynchronous operation as a value: (error, ...), nothing is thrown.
// Seen: GCC 12 evaluates and destroys what it shouldn't where a co_await shares its statement with
// a built-in `&&`, `||` or `?:`, so in this module none does.
inline constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

inline constexpr size_t kDiskThreads = 2;

struct Context {
  Context(ServerSettings server_settings, store::BlobStore& blob_store, Token bearer_token)
      : settings(std::move(server_settings)), store(blob_store), token(std::move(bearer_token)) {}

  const ServerSettings settings;
  store::BlobStore& store;
  const Token token;
  std::atomic<bool> is_draining = false;
  std::atomic<uint32_t> connections = 0;
  std::atomic<uint32_t> turned_away = 0;
  std::atomic<uint32_t> metrics_readers = 0;
  std::atomic<uint32_t> requests = 0;  // under way, tunnels included
  Metrics metrics;
  asio::io_context io;
  asio::thread_pool disk{kDiskThreads};
};

/// Counts something for as long as it lives.
class Counted {
 public:
  explicit Counted(std::atomic<uint32_t>& count) : count_(&count) { ++count; }
  Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::atomic<uint32_t>* count_;
};

/// Runs `work` on a disk thread, so that no connection waits for another's disk; the coroutine goes
/// on where it was, with what `work` returned.
template <class Work>
auto OnDisk(Context& context, Work work) {
  using Value = std::invoke_result_t<Work&>;
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Value)>(
      [&context](auto handler, Work blocking) {
        asio::post(context.disk, [handler = std::move(handler),
                                  blocking = std::move(blocking)]() mutable {
          const auto executor = asio::get_associated_executor(handler);
          asio::dispatch(executor, [handler = std::move(handler), value = blocking()]() mutable {
            std::move(handler)(std::move(value));
          });
        });
      },
      asio::use_awaitable, std::move(work));
}

}  // namespace ephemeralml::proxy

#include "enclave/serve/waiting_line.h"

#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "common/channel/busy.h"

namespace ephemeralml::serve {
namespace {

bool IsGone(const UniqueFd& connection) {
  pollfd poll_for = {connection.Get(), POLLRDHUP, 0};
  return poll(&poll_for, 1, 0) > 0;
}

}  // namespace

// The socket's buffer is empty, so this neither waits nor sends a part.
void WaitingLine::SayBusy(UniqueFd connection) {
  (void)send(connection.Get(), channel::kBusyAlert.data(), channel::kBusyAlert.size(),
             MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)shutdown(connection.Get(), SHUT_WR);
  told_.push_back(std::move(connection));
  if (told_.size() > limit_) told_.pop_front();
}

bool WaitingLine::Join(UniqueFd connection) {
  if (waiting_.size() >= limit_) {
    SayBusy(std::move(connection));
    return false;
  }
  waiting_.push_back(std::move(connection));
  return true;
}

UniqueFd WaitingLine::Next() {
  while (!waiting_.empty()) {
    UniqueFd connection = std::move(waiting_.front());
    waiting_.pop_front();
    if (!IsGone(connection)) return connection;
  }
  return {};
}

void WaitingLine::Dismiss() {
  for (UniqueFd& connection : waiting_) SayBusy(std::move(connection));
  waiting_.clear();
}

}  // namespace ephemeralml::serve

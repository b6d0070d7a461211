#include "enclave/serve/counters.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "common/net/socket.h"

namespace ephemeralml::serve {
namespace {

int EndBy(int signal) {
  const pid_t child = fork();
  if (child == 0) {
    if (signal != 0) (void)raise(signal);
    _exit(3);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

std::string ReadToTheEnd(int peer) {
  std::string text(4096, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = recv(peer, text.data() + size, text.size() - size, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) break;
    size += static_cast<size_t>(count);
  }
  text.resize(size);
  return text;
}

TEST(Counters, TellSignalsFromRefusedCallsAndFromOrderlyEnds) {
  Counters counters;
  counters.NoteEnd(EndBy(0));
  EXPECT_EQ(counters.workers_died_total, 0U);
  counters.NoteEnd(EndBy(SIGKILL));
  counters.NoteEnd(EndBy(SIGSYS));
  EXPECT_EQ(counters.workers_died_total, 2U);
  EXPECT_EQ(counters.calls_refused_total, 1U);
}

TEST(Counters, AreGivenToWhoeverConnects) {
  const UniqueFd listener = net::Listen({"127.0.0.1", 0}).value();
  net::Address address{"127.0.0.1", 0};
  address.port = net::BoundPort(listener.Get()).value();
  const UniqueFd peer = net::Connect(net::Resolve(address).value(), net::After(10'000)).value();
  Counters counters;
  counters.sessions = 2;
  counters.tags_failed_total = 7;
  AnswerWithCounters(listener.Get(), counters);
  const std::string text = ReadToTheEnd(peer.Get());
  EXPECT_EQ(text, counters.ToText());
  EXPECT_THAT(text, ::testing::HasSubstr("sessions 2\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("tags_failed_total 7\n"));
}

TEST(Counters, DoNotWaitForWhoeverIsGone) {
  const UniqueFd listener = net::Listen({"127.0.0.1", 0}).value();
  ASSERT_EQ(fcntl(listener.Get(), F_SETFL, O_NONBLOCK), 0);
  AnswerWithCounters(listener.Get(), Counters());
}

}  // namespace
}  // namespace ephemeralml::serve

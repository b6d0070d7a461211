#include "enclave/serve/counters.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include "common/base/file.h"
#include "common/net/socket.h"

namespace ephemeralml::serve {

std::string Counters::ToText() const {
  const std::array<std::pair<std::string_view, uint64_t>, 7> all = {
      {{"sessions", sessions},
       {"sessions_total", sessions_total},
       {"workers_died_total", workers_died_total},
       {"calls_refused_total", calls_refused_total},
       {"blobs_evicted_total", blobs_evicted_total},
       {"tags_failed_total", tags_failed_total},
       {"attestations_failed_total", attestations_failed_total}}};
  std::string text;
  for (const auto& [name, value] : all) {
    text += std::string(name) + " " + std::to_string(value) + "\n";
  }
  return text;
}

void Counters::NoteEnd(int status) {
  if (!WIFSIGNALED(status)) return;
  ++workers_died_total;
  if (WTERMSIG(status) == SIGSYS) ++calls_refused_total;
}

void AnswerWithCounters(int listener, const Counters& counters) {
  const UniqueFd peer = net::Accept(listener);
  if (!peer.IsOpen()) return;
  const std::string text = counters.ToText();
  const ssize_t ignored = send(peer.Get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)ignored;
}

}  // namespace ephemeralml::serve

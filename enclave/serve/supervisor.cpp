// Long because one loop sees to every event of the supervisor, and its state is one.

#include "enclave/serve/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <list>
#include <optional>
#include <vector>

#include "common/base/log.h"
#include "common/channel/binding.h"
#include "enclave/serve/blob_cache.h"
#include "enclave/serve/control.h"
#include "enclave/serve/counters.h"
#include "enclave/serve/introduction.h"
#include "enclave/serve/process.h"
#include "enclave/serve/waiting_line.h"
#include "enclave/serve/worker_conduct.h"

namespace ephemeralml::serve {
namespace {

constexpr int kMostFailedStarts = 5;
constexpr size_t kLargestPublicKeyBytes = 512;
// Starting a worker takes as long as setting several sessions up, so it isn't done while one is:
// not before its worker has evidence, nor while its client verifies it.
constexpr int64_t kSpareDelayMs = 50;
constexpr int64_t kSpareDelayAfterEvidenceMs = 10;
constexpr std::array<pollfd, 2> kNobody = {pollfd{-1, 0, 0}, pollfd{-1, 0, 0}};

struct Worker {
  ChildProcess process;
  WorkerConduct conduct;
  std::optional<Introduction> introduction;  // to its client, until it has asked for evidence
  std::optional<FetchOrder> order;           // the blob that it waits for or was given

  bool Is(WorkerState state) const { return conduct.state() == state; }
  bool WaitsFor(const std::optional<FetchOrder>& blob) const {
    return conduct.waits_for_blob() && order == blob;
  }
};

class Supervisor {
 public:
  Supervisor(const SupervisorSettings& settings, Listeners listeners,
             std::unique_ptr<attest::Attester> attester)
      : settings_(settings),
        listener_(std::move(listeners.clients)),
        counters_listener_(std::move(listeners.counters)),
        attester_(std::move(attester)),
        cache_(settings.cache_limit_bytes),
        waiting_(settings.queue_limit) {}

  Done Run();

 private:
  Done Start();
  Done StartFetcher();
  Done StartWorker();
  std::vector<pollfd> PollSet();
  int PollTimeoutMs() const;
  bool NeedsSpare() const;
  void EndChildren();
  Done Handle(const std::vector<pollfd>& ready);
  void HandleSignals();
  Done Reap();
  void HandleFetcher();
  void HandleWorker(Worker& worker);
  Done Obey(Worker& worker, const ControlMessage& message);
  Done Attest(Worker& worker, ByteSpan body);
  Done AcceptFetch(Worker& worker, ByteSpan body);
  void GiveBlob(Worker& worker, FetchOutcome outcome, int memory);
  void FetchNext();
  void FinishFetch(FetchOutcome outcome, int memory);
  void Accept();
  void SeatWaiting();
  void Count();
  bool MayAccept();
  std::list<Worker>::iterator Spare();
  void Kill(Worker& worker, const Error& error);
  size_t Sessions() const;

  const SupervisorSettings& settings_;
  UniqueFd listener_;
  UniqueFd counters_listener_;
  Counters counters_;
  std::unique_ptr<attest::Attester> attester_;
  BlobCache cache_;
  WaitingLine waiting_;
  UniqueFd signals_;
  ChildProcess fetcher_;
  std::optional<FetchOrder> fetching_;
  std::deque<FetchOrder> fetch_queue_;
  std::list<Worker> workers_;
  int failed_starts_ = 0;
  std::optional<net::Deadline> drain_until_;
  std::optional<net::Deadline> spare_due_;  // when the next spare is started at the latest
};

Done Supervisor::StartFetcher() {
  TRY(fetcher_, StartProcess(kFetcherRole));
  return SendControl(fetcher_.control.Get(), ControlKind::kConfigure, settings_.fetcher.Encode());
}

Done Supervisor::StartWorker() {
  Worker worker;
  TRY(worker.process, StartProcess(kWorkerRole));
  Bytes body(sizeof(WorkerSettings));
  std::memcpy(body.data(), &settings_.worker, body.size());
  TRY_OK(SendControl(worker.process.control.Get(), ControlKind::kConfigure, body));
  workers_.push_back(std::move(worker));
  return {};
}

Done Supervisor::Start() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, signal);
  signals_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.IsOpen()) return ErrnoError("process_start_failed", "can't watch signals");
  TRY_OK(StartFetcher());
  return StartWorker();
}

size_t Supervisor::Sessions() const {
  return static_cast<size_t>(std::ranges::count_if(
      workers_, [](const Worker& each) { return each.Is(WorkerState::kServing); }));
}

bool Supervisor::MayAccept() {
  return !drain_until_ && Sessions() < settings_.session_limit && Spare() != workers_.end();
}

std::list<Worker>::iterator Supervisor::Spare() {
  return std::ranges::find_if(workers_, [](const Worker& each) {
    return each.Is(WorkerState::kSpare) && each.process.control.IsOpen();
  });
}

// Signals, fetcher, clients, readers of counters, then three for each worker, in their order.
std::vector<pollfd> Supervisor::PollSet() {
  std::vector<pollfd> set = {{signals_.Get(), POLLIN, 0},
                             {fetcher_.control.Get(), POLLIN, 0},
                             {listener_.Get(), POLLIN, 0},
                             {counters_listener_.Get(), POLLIN, 0}};
  for (const Worker& worker : workers_) {
    set.push_back({worker.process.control.Get(), POLLIN, 0});
    const auto introduced = worker.introduction ? worker.introduction->PollSet() : kNobody;
    set.insert(set.end(), introduced.begin(), introduced.end());
  }
  return set;
}

int Supervisor::PollTimeoutMs() const {
  std::optional<net::Deadline> next = drain_until_;
  if (!next && NeedsSpare()) next = spare_due_;
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - net::After(0));
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

bool Supervisor::NeedsSpare() const {
  return !drain_until_ && std::ranges::none_of(workers_, [](const Worker& each) {
    return !each.Is(WorkerState::kServing);
  });
}

Done Supervisor::Run() {
  TRY_OK(Start());
  while (!drain_until_ || Sessions() > 0) {
    if (drain_until_ && *drain_until_ <= net::After(0)) break;
    std::vector<pollfd> set = PollSet();
    if (poll(set.data(), set.size(), PollTimeoutMs()) < 0 && errno != EINTR) {
      return ErrnoError("process_start_failed", "can't wait for events");
    }
    TRY_OK(Handle(set));
  }
  log::Info("stopped", {{"sessions_cut", Sessions()}});
  EndChildren();
  return {};
}

// Should we be killed ourselves, they end all the same: PR_SET_PDEATHSIG.
void Supervisor::EndChildren() {
  if (fetcher_.pid > 0) (void)kill(fetcher_.pid, SIGKILL);
  for (const Worker& worker : workers_) (void)kill(worker.process.pid, SIGKILL);
  while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
}

Done Supervisor::Handle(const std::vector<pollfd>& ready) {
  // Before the signals: a child's last words come before its end.
  auto worker = workers_.begin();
  for (size_t i = 4; i < ready.size(); i += 1 + kNobody.size(), ++worker) {
    if (ready[i].revents != 0) HandleWorker(*worker);
    if ((ready[i + 1].revents | ready[i + 2].revents) != 0 && worker->introduction) {
      worker->introduction->Carry();
    }
  }
  if (ready[1].revents != 0) HandleFetcher();
  if (ready[2].revents != 0) Accept();
  if (ready[3].revents != 0) Count();
  if (ready[0].revents != 0) HandleSignals();
  TRY_OK(Reap());
  SeatWaiting();
  if (NeedsSpare() && (!spare_due_ || *spare_due_ <= net::After(0))) TRY_OK(StartWorker());
  return {};
}

void Supervisor::HandleSignals() {
  signalfd_siginfo info = {};
  while (read(signals_.Get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) continue;
    if (drain_until_) {
      log::Info("stopping_now");
      drain_until_ = net::After(0);
    } else {
      log::Info("draining", {{"sessions", Sessions()}});
      listener_.Reset();  // whoever comes now is refused, not kept waiting
      waiting_.Dismiss();
      drain_until_ = net::After(settings_.drain_timeout_ms);
    }
  }
}

Done Supervisor::Reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    counters_.NoteEnd(status);
    if (pid == fetcher_.pid) {
      log::Warn("fetcher_ended", {{"status", status}});
      TRY_OK(StartFetcher());
      // The order that a fetcher died of isn't tried again: whoever waits is told.
      FinishFetch(FetchOutcome::kUnreachable, -1);
      continue;
    }
    const auto worker = std::ranges::find_if(
        workers_, [pid](const Worker& each) { return each.process.pid == pid; });
    if (worker == workers_.end()) continue;
    if (worker->introduction) worker->introduction->Carry();  // its last words
    if (worker->Is(WorkerState::kStarting)) ++failed_starts_;
    if (WIFSIGNALED(status)) {
      log::Warn("worker_died", {{"signal", WTERMSIG(status)}});
    } else {
      log::Info("session_ended", {{"status", WEXITSTATUS(status)}});
    }
    workers_.erase(worker);
  }
  if (failed_starts_ >= kMostFailedStarts) {
    return Error{Code::kInternal, "workers_fail", "workers end before they are ready"};
  }
  return {};
}

void Supervisor::Accept() {
  UniqueFd connection = net::Accept(listener_.Get());
  if (connection.IsOpen() && !waiting_.Join(std::move(connection))) {
    log::Info("client_told_to_come_back", {{"sessions", Sessions()}});
  }
}

// One at a time: there is one spare.
void Supervisor::SeatWaiting() {
  if (!MayAccept()) return;
  UniqueFd connection = waiting_.Next();
  if (!connection.IsOpen()) return;
  const auto spare = Spare();
  spare->conduct.GaveConnection();
  ++counters_.sessions_total;
  spare_due_ = net::After(kSpareDelayMs);
  log::Info("session_started", {{"sessions", Sessions()}});
  auto introduction = Introduction::Begin(std::move(connection));
  if (!introduction) return Kill(*spare, introduction.error());
  const Done given = SendControl(spare->process.control.Get(), ControlKind::kConnection, {},
                                 introduction->ForWorker());
  if (!given) return Kill(*spare, given.error());
  introduction->Given();
  spare->introduction = *std::move(introduction);
}

void Supervisor::Count() {
  counters_.sessions = Sessions();
  counters_.blobs_evicted_total = cache_.evicted();
  AnswerWithCounters(counters_listener_.Get(), counters_);
}

void Supervisor::Kill(Worker& worker, const Error& error) {
  log::Warn("worker_killed", {{"reason", error}});
  (void)kill(worker.process.pid, SIGKILL);
  worker.process.control.Reset();  // a descriptor of -1 is left out of the next poll
  worker.introduction.reset();
}

void Supervisor::HandleWorker(Worker& worker) {
  if (!worker.process.control.IsOpen()) return;
  const auto message = ReceiveControl(worker.process.control.Get(), net::After(0));
  if (!message) {
    worker.process.control.Reset();  // it ended; Reap tells how
    return;
  }
  const Done obeyed = Obey(worker, *message);
  if (!obeyed) Kill(worker, obeyed.error());
}

Done Supervisor::Obey(Worker& worker, const ControlMessage& message) {
  TRY_OK(worker.conduct.Take(message.kind));
  switch (message.kind) {
    case ControlKind::kReady:
      failed_starts_ = 0;
      return {};
    case ControlKind::kAttest:
      return Attest(worker, message.body);
    case ControlKind::kFetch:
      return AcceptFetch(worker, message.body);
    case ControlKind::kDropBlob:
      log::Warn("blob_failed_a_tag");
      ++counters_.tags_failed_total;
      cache_.Drop(worker.order->id);
      return {};
    default:
      CHECK(false && "a worker may send nothing else");
  }
}

Done Supervisor::Attest(Worker& worker, ByteSpan body) {
  TRY(const UniqueFd connection, worker.introduction->End());
  worker.introduction.reset();
  ByteReader reader(body);
  TRY(const ByteSpan nonce, reader.ReadBytes(channel::kNonceBytes));
  TRY(const ByteSpan user_data, reader.ReadBytes(channel::kUserDataBytes));
  TRY(const ByteSpan public_key, reader.ReadBytes(reader.remaining()));
  if (public_key.size() > kLargestPublicKeyBytes) {
    return Error{Code::kUntrusted, "worker_broke_protocol", "a worker's key is too large"};
  }
  Result<Bytes> document = attester_->Attest(public_key, nonce, user_data);
  if (!document) {
    log::Failure("attestation_failed", {{"reason", document.error()}});
    ++counters_.attestations_failed_total;
  }
  spare_due_ = net::After(kSpareDelayAfterEvidenceMs);
  return SendControl(worker.process.control.Get(), ControlKind::kEvidence,
                     document ? *document : Bytes(), connection.Get());
}

Done Supervisor::AcceptFetch(Worker& worker, ByteSpan body) {
  TRY(worker.order, FetchOrder::Decode(body));
  if (worker.order->sealed_bytes == 0 || worker.order->sealed_bytes > cache_.limit_bytes()) {
    GiveBlob(worker, FetchOutcome::kTooLarge, -1);
    return {};
  }
  if (const int memory = cache_.Find(*worker.order); memory >= 0) {
    GiveBlob(worker, FetchOutcome::kFetched, memory);
    return {};
  }
  fetch_queue_.push_back(*worker.order);
  FetchNext();
  return {};
}

void Supervisor::GiveBlob(Worker& worker, FetchOutcome outcome, int memory) {
  worker.conduct.GaveBlob();
  const Bytes body = {static_cast<uint8_t>(outcome)};
  const Done given = SendControl(worker.process.control.Get(), ControlKind::kBlob, body, memory);
  if (!given) Kill(worker, given.error());
}

void Supervisor::FetchNext() {
  while (!fetching_ && !fetch_queue_.empty()) {
    const FetchOrder order = fetch_queue_.front();
    fetch_queue_.pop_front();
    const int cached = cache_.Find(order);
    bool wanted = false;
    for (Worker& worker : workers_) {
      if (!worker.WaitsFor(order)) continue;
      if (cached >= 0) GiveBlob(worker, FetchOutcome::kFetched, cached);
      wanted = wanted || cached < 0;
    }
    if (!wanted) continue;
    fetching_ = order;
    (void)SendControl(fetcher_.control.Get(), ControlKind::kFetch, order.Encode());
  }
}

void Supervisor::HandleFetcher() {
  auto message = ReceiveControl(fetcher_.control.Get(), net::After(0));
  if (!message) {
    fetcher_.control.Reset();  // it ended; Reap starts another
    return;
  }
  FetchOutcome outcome = FetchOutcome::kUnreachable;
  int memory = -1;
  if (message->kind == ControlKind::kBlob && message->body.size() == 1 && fetching_) {
    if (message->body[0] <= static_cast<uint8_t>(FetchOutcome::kTooLarge)) {
      outcome = static_cast<FetchOutcome>(message->body[0]);
    }
    if (outcome == FetchOutcome::kFetched) {
      const auto inserted = cache_.Insert(*fetching_, std::move(message->descriptor));
      outcome = inserted ? FetchOutcome::kFetched : FetchOutcome::kIncomplete;
      memory = inserted.value_or(-1);
    }
  }
  FinishFetch(outcome, memory);
}

void Supervisor::FinishFetch(FetchOutcome outcome, int memory) {
  for (Worker& worker : workers_) {
    if (fetching_ && worker.WaitsFor(fetching_)) GiveBlob(worker, outcome, memory);
  }
  fetching_.reset();
  FetchNext();
}

}  // namespace

Done Supervise(const SupervisorSettings& settings, Listeners listeners,
               std::unique_ptr<attest::Attester> attester) {
  return Supervisor(settings, std::move(listeners), std::move(attester)).Run();
}

}  // namespace ephemeralml::serve

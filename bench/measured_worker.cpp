#include "bench/measured_worker.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>

#include "common/base/arena.h"
#include "common/base/log.h"
#include "common/crypto/blob_cipher.h"
#include "common/crypto/random.h"
#include "common/wire/message_library.h"
#include "enclave/engine/base/threads.h"
#include "enclave/engine/kernels/dense.h"
#include "enclave/serve/confine.h"
#include "enclave/serve/control.h"
#include "enclave/serve/heap.h"
#include "enclave/serve/session.h"

namespace ephemeralml::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kSecretBytes = 32;
constexpr char kWorkerName[] = "measured-worker";  // bench/profile looks for it

Error Lost() { return {Code::kIo, "control_lost", "the measured worker is gone"}; }

Done Send(int socket, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return Lost();
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

Done Receive(int socket, MutableByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = recv(socket, bytes.data(), bytes.size(), 0);
    if (count <= 0) return Lost();
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

template <class T>
ByteSpan BytesOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

template <class T>
Result<T> ReceiveValue(int socket) {
  T value = {};
  TRY_OK(Receive(socket, {reinterpret_cast<uint8_t*>(&value), sizeof value}));
  return value;
}

Result<SecretBytes> ReceiveSecret(int socket) {
  TRY(const auto size, ReceiveValue<uint64_t>(socket));
  SecretBytes bytes(size);
  TRY_OK(Receive(socket, bytes.Fill()));
  return bytes;
}

Done SendSecret(int socket, const SecretBytes& bytes) {
  TRY_OK(Send(socket, BytesOf(uint64_t{bytes.size()})));
  return Send(socket, bytes.Reveal());
}

int64_t OwnProcessorNanoseconds() {
  timespec time = {};
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

Sample Time(serve::Session& session, SecretBytes request, SecretBytes& reply) {
  const Clock::time_point start = Clock::now();
  const int64_t processor_start = OwnProcessorNanoseconds();
  reply = session.Answer(std::move(request));
  return {std::chrono::nanoseconds(Clock::now() - start).count(),
          OwnProcessorNanoseconds() - processor_start};
}

// What enclave/serve/worker.cpp does between two requests, the client's network apart.
Done AnswerOrders(serve::Session& session, int orders) {
  TRY(SecretBytes request, ReceiveSecret(orders));
  TRY(SecretBytes further, ReceiveSecret(orders));
  for (bool is_first = true;; is_first = false) {
    TRY(const auto count, ReceiveValue<uint32_t>(orders));
    SecretBytes reply;
    std::vector<Sample> samples;
    for (uint32_t i = 0; i < count; ++i) {
      samples.push_back(Time(session, request.Duplicate(), reply));
      serve::ReturnFreeHeap();
    }
    if (is_first && further.size() > 0) request = std::move(further);
    for (const Sample& sample : samples) TRY_OK(Send(orders, BytesOf(sample)));
    TRY_OK(SendSecret(orders, reply));
  }
}

// The steps of enclave/serve/worker.cpp, in their order, up to a client's first byte.
Done Work(size_t thread_count, uint64_t memory_limit_bytes, int control, int orders) {
  TRY_OK(serve::LeaveNoTraces());
  serve::ConfigureHeap();
  log::Configure("worker", log::Level::kWarn);
  engine::Threads threads(thread_count);
  TRY_OK(engine::kernels::WarmUp(threads));
  wire::SilenceMessageLibrary();
  const auto cipher =
      crypto::BlobCipher::Create(crypto::RandomSecret(kSecretBytes), {}, 1, wire::kChunkBytes);
  if (!cipher) return cipher.error();
  TRY(const std::unique_ptr<Arena> arena, Arena::Create(memory_limit_bytes));
  TRY_OK(Send(orders, BytesOf(uint8_t{1})));
  TRY_OK(serve::ConfineWorker());
  serve::Session session(control, threads, *arena);
  return AnswerOrders(session, orders);
}

// Source: proc(5), /proc/[pid]/status.
uint64_t PeakResidentBytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  std::string word;
  uint64_t kibibytes = 0;
  while (status >> word) {
    if (word == "VmHWM:") status >> kibibytes;
  }
  return kibibytes * 1024;
}

}  // namespace

Result<MeasuredWorker> MeasuredWorker::Start(size_t threads, uint64_t memory_limit_bytes) {
  TRY(auto control, serve::MakeControlPair());
  int orders[2] = {};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, orders) != 0) {
    return ErrnoError("process_start_failed", "can't make a socket pair");
  }
  MeasuredWorker worker;
  worker.orders_ = UniqueFd(orders[0]);
  UniqueFd worker_orders(orders[1]);
  worker.pid_ = fork();
  if (worker.pid_ < 0) return ErrnoError("process_start_failed", "can't start a process");
  if (worker.pid_ == 0) {
    (void)prctl(PR_SET_NAME, kWorkerName);
    worker.orders_.Reset();
    control.first.Reset();
    const Done worked =
        Work(threads, memory_limit_bytes, control.second.Get(), worker_orders.Get());
    if (!worked && worked.error().reason != "control_lost") {
      log::Failure("measured_worker_failed", {{"reason", worked.error()}});
    }
    _exit(worked ? 0 : 1);
  }
  worker.control_ = std::move(control.first);
  return worker;
}

Done MeasuredWorker::GiveRequest(const SecretBytes& request, int sealed_blob,
                                 const SecretBytes& further) {
  TRY_OK(ReceiveValue<uint8_t>(orders_.Get()));
  before_request_bytes_ = PeakResidentBytes(pid_);
  TRY_OK(SendSecret(orders_.Get(), request));
  TRY_OK(SendSecret(orders_.Get(), further));
  TRY_OK(Send(orders_.Get(), BytesOf(uint32_t{1})));
  TRY_OK(serve::ExpectControl(control_.Get(), serve::ControlKind::kFetch, net::Deadline::max()));
  const Bytes fetched = {static_cast<uint8_t>(serve::FetchOutcome::kFetched)};
  TRY_OK(serve::SendControl(control_.Get(), serve::ControlKind::kBlob, fetched, sealed_blob));
  TRY_OK(ReceiveValue<Sample>(orders_.Get()));
  TRY_OK(ReceiveSecret(orders_.Get()));
  return {};
}

Result<Answered> MeasuredWorker::Answer(uint32_t count) {
  TRY_OK(Send(orders_.Get(), BytesOf(count)));
  Answered answered;
  for (uint32_t i = 0; i < count; ++i) {
    TRY(const auto sample, ReceiveValue<Sample>(orders_.Get()));
    answered.samples.push_back(sample);
  }
  TRY(answered.last_reply, ReceiveSecret(orders_.Get()));
  return answered;
}

MemoryUse MeasuredWorker::Memory() const {
  return {PeakResidentBytes(pid_), before_request_bytes_};
}

}  // namespace ephemeralml::bench

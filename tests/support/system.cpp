#include "tests/support/system.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "client/decompose/decompose.h"

namespace ephemeralml::testing_support {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kStartTimeoutMs = 60'000;

std::string Loopback(uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

void Append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

fs::path ModelsFolder() {
  const char* folder = std::getenv("EPHEMERAL_MODELS");
  return folder == nullptr ? fs::path(EPHEMERAL_SOURCE_DIR) / "build" / "models" : fs::path(folder);
}

uint16_t FreePort() {
  const UniqueFd listener = net::Listen({"127.0.0.1", 0}).value();
  return static_cast<uint16_t>(net::BoundPort(listener.Get()).value());
}

System::System(const Options& options) {
  const fs::path programs = EPHEMERAL_PROGRAMS_DIR;
  enclave_program_ = programs / options.enclave_program;
  enclave_port_ = FreePort();
  std::vector<std::string> host = {programs / "ephemeralml-host",
                                   "--port",
                                   "0",
                                   "--state",
                                   HostState(),
                                   "--enclave",
                                   Loopback(options.enclave_dialled_at.value_or(enclave_port_)),
                                   "--enclave-name",
                                   "enclave:8082"};
  Append(host, options.host_arguments);
  host_ = std::make_unique<Process>(host, folder() / "host.log");
  host_port_ = host_->ListeningPort(kStartTimeoutMs);
  std::vector<std::string> enclave = {enclave_program_,
                                      "--port",
                                      std::to_string(enclave_port_),
                                      "--state",
                                      folder() / "enclave",
                                      "--host",
                                      Loopback(options.host_fetched_from.value_or(host_port_))};
  Append(enclave, options.enclave_arguments);
  enclave_ =
      std::make_unique<Process>(enclave, folder() / "enclave.log", options.enclave_environment);
  CHECK(host_port_ != 0 && enclave_->ListeningPort(kStartTimeoutMs) == enclave_port_);
}

session::SessionSettings System::Settings() const {
  session::SessionSettings settings;
  settings.host = {"127.0.0.1", host_port_};
  settings.enclave_name = "enclave:8082";
  return settings;
}

session::BlobStoreAccess System::Store() const {
  return {{"127.0.0.1", host_port_}, HostState() / "token", kStartTimeoutMs};
}

verify::Policy System::Policy() const {
  Process measure({enclave_program_, "--measure"}, folder() / "policy.toml");
  CHECK(measure.Wait(kStartTimeoutMs) == 0);
  auto policy =
      verify::Policy::Load(folder() / "policy.toml", verify::TrustOnFirstUse::kAsPlatform);
  fs::remove(folder() / "policy.toml");
  return *std::move(policy);
}

verify::TrustRoot System::Root() const {
  return verify::OpenTrustRoot(folder() / "enclave" / "root.pem").value();
}

Result<session::Session> System::Connect(verify::Report* report) const {
  return session::Session::Open(Settings(), Policy(), Root(), report);
}

pid_t System::Fetcher() const {
  for (const pid_t pid : enclave_->Family()) {
    if (CommandOf(pid) == "ephemeralml-enclave fetcher ") return pid;
  }
  return -1;
}

std::vector<pid_t> System::Workers() const {
  std::vector<pid_t> workers;
  for (const pid_t pid : enclave_->Family()) {
    if (CommandOf(pid) == "ephemeralml-enclave worker ") workers.push_back(pid);
  }
  return workers;
}

pid_t System::SpareWorker(const std::vector<pid_t>& serving) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kStartTimeoutMs);
  for (;;) {
    for (const pid_t pid : Workers()) {
      if (std::ranges::find(serving, pid) == serving.end()) return pid;
    }
    CHECK(std::chrono::steady_clock::now() < until);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

SplitModel System::Split(const fs::path& model, const decompose::DecomposeOptions& options) const {
  static int count = 0;
  const fs::path blob = folder() / (model.stem().string() + std::to_string(count++) + ".blob");
  auto report = decompose::Decompose(model, blob, {}, options);
  CHECK(report.has_value());
  return {std::move(report->topology_message), ToHex(report->blob_id), blob};
}

void System::Upload(const SplitModel& model) const {
  CHECK(session::UploadBlob(Store(), model.blob_id, model.blob, {}).has_value());
}

}  // namespace ephemeralml::testing_support

// What opens topology keys, and what they hold, in a running client: looked for in its whole
// memory, its arguments, its environment, what it says, and a core that it mustn't leave.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "client/keys/blob_key.h"
#include "client/keys/topology_key.h"
#include "tests/e2e/small_models.h"
#include "tests/support/process_memory.h"

namespace ephemeralml {
namespace {

namespace fs = std::filesystem;
using testing_support::Canary;
using testing_support::FindInMemory;
using testing_support::FrozenProcess;
using testing_support::Process;

constexpr std::string_view kPassphrase = "canary of a passphrase, 7319";
constexpr int64_t kTimeoutMs = 60'000;

// Its second half: the heap writes its own notes over the first 16 bytes of what is freed.
Bytes EndOf(ByteSpan secret) {
  const ByteSpan end = secret.subspan(16);
  return {end.begin(), end.end()};
}

std::string FileOf(pid_t pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The kernel's flags of the mapping that holds `address`: proc(5), VmFlags.
std::string FlagsAt(pid_t pid, uint64_t address) {
  std::istringstream lines(FileOf(pid, "smaps"));
  bool is_inside = false;
  for (std::string line; std::getline(lines, line);) {
    uint64_t begin = 0;
    uint64_t end = 0;
    char dash = 0;
    std::istringstream range(line);
    if (range >> std::hex >> begin >> dash >> end && dash == '-') {
      is_inside = begin <= address && address < end;
    }
    if (is_inside && line.starts_with("VmFlags:")) return line.substr(8);
  }
  return "";
}

// A host that takes a client's connection and never answers, so that the client stands still with
// its key open.
class SilentHost {
 public:
  std::string Address() const {
    return "127.0.0.1:" + std::to_string(net::BoundPort(listener_.Get()).value());
  }
  void AwaitClient() { ASSERT_TRUE(net::WaitReadable(listener_.Get(), net::After(kTimeoutMs))); }

 private:
  UniqueFd listener_ = net::Listen({"127.0.0.1", 0}).value();
};

class ClientSecrets : public testing::Test {
 protected:
  ClientSecrets() {
    topology_ = system_.Split(WriteModel()).topology.Duplicate();
    const keys::BlobKey blob = keys::ReadBlobKey(topology_).value();
    model_secret_ = EndOf(blob.secret.Reveal());
    CHECK(WriteFileAtomically(Path("passphrase"), AsBytes(std::string(kPassphrase) + "\n"), 0600)
              .has_value());
    CHECK(keys::CreateKeyFile(Path("unlock")).has_value());
    std::string values = "[";
    for (int64_t i = 0; i < small_.shape.at(1); ++i) values += i == 0 ? "1.5" : ", 1.5";
    const std::string json =
        std::string("{\"") + testing_support::kInputName + "\": [" + values + "]]}";
    CHECK(WriteFileAtomically(Path("x.json"), AsBytes(json), 0600).has_value());
    Process measure({fs::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml-enclave", "--measure"},
                    Path("policy.toml"));
    CHECK(measure.Wait(kTimeoutMs) == 0);
  }

  fs::path Path(const std::string& name) const { return folder_.path() / name; }
  fs::path WriteModel() {
    CHECK(WriteFileAtomically(Path("model.onnx"), small_.onnx, 0600).has_value());
    return Path("model.onnx");
  }

  // A client that has opened its key and waits for the host.
  std::unique_ptr<Process> StartClient(const keys::Unlock& unlock, const std::string& option,
                                       const fs::path& file) {
    CHECK(keys::Save(Path("topology.key"), topology_, unlock).has_value());
    auto client = std::make_unique<Process>(
        std::vector<std::string>{fs::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml", "infer",
                                 Path("topology.key"), option, file, "--input", Path("x.json"),
                                 "--output", Path("y.json"), "--policy", Path("policy.toml"),
                                 "--root", system_.folder() / "enclave" / "root.pem", "--host",
                                 host_.Address()},
        Path("client.log"));
    host_.AwaitClient();
    // It has connected; a moment later it waits for an answer.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_TRUE(client->IsRunning()) << client->Log();
    return client;
  }

  void ExpectNoTraceOutsideMemory(Process& client, std::string_view secret) {
    for (const char* file : {"cmdline", "environ"}) {
      EXPECT_THAT(FileOf(client.pid(), file), testing::Not(testing::HasSubstr(secret))) << file;
    }
    EXPECT_THAT(client.Log(), testing::Not(testing::HasSubstr(secret)));
  }

  testing_support::TemporaryFolder folder_;
  testing_support::System system_;
  SilentHost host_;
  const testing_support::SmallModel small_ = testing_support::DenseModel();
  SecretBytes topology_;
  Bytes model_secret_;
};

TEST_F(ClientSecrets, APassphraseIsNowhereOnceTheKeyIsOpen) {
  auto passphrase = keys::Unlock::FromPassphrase(SecretBytes::CopyOf(AsBytes(kPassphrase)));
  const auto client = StartClient(*passphrase, "--passphrase-file", Path("passphrase"));
  const FrozenProcess frozen(client->pid());
  EXPECT_THAT(FindInMemory(client->pid(), {{"passphrase", EndOf(AsBytes(kPassphrase))}}),
              testing::IsEmpty());
  ExpectNoTraceOutsideMemory(*client, kPassphrase);
}

TEST_F(ClientSecrets, AKeyFilesContentIsNowhereOnceTheKeyIsOpen) {
  const auto unlock = keys::Unlock::FromKeyFile(Path("unlock")).value();
  const auto client = StartClient(unlock, "--key-file", Path("unlock"));
  const FrozenProcess frozen(client->pid());
  EXPECT_THAT(FindInMemory(client->pid(), {{"key file", EndOf(unlock.secret().Reveal())}}),
              testing::IsEmpty());
}

TEST_F(ClientSecrets, TheModelsSecretIsInLockedAndUndumpedMemoryAlone) {
  const auto unlock = keys::Unlock::FromKeyFile(Path("unlock")).value();
  const auto client = StartClient(unlock, "--key-file", Path("unlock"));
  const FrozenProcess frozen(client->pid());
  const auto found = FindInMemory(client->pid(), {{"model's secret", model_secret_}});
  EXPECT_FALSE(found.empty()) << "the client holds the open key, and the search doesn't see it";
  for (const std::string& place : found) {
    const uint64_t address = std::stoull(place.substr(place.find(" at ") + 4), nullptr, 16);
    const std::string flags = FlagsAt(client->pid(), address);
    EXPECT_THAT(flags, testing::HasSubstr(" dd")) << place;
    rlimit limit = {};
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_max > 0) {
      EXPECT_THAT(flags, testing::HasSubstr(" lo")) << place;
    }
  }
}

// The limit that it inherits allows a core; it gives that up before it reads anything.
TEST_F(ClientSecrets, ACrashLeavesNoCore) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_CORE, &before), 0);
  const rlimit raised = {before.rlim_max, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_CORE, &raised), 0);
  const auto unlock = keys::Unlock::FromKeyFile(Path("unlock")).value();
  const auto client = StartClient(unlock, "--key-file", Path("unlock"));
  (void)setrlimit(RLIMIT_CORE, &before);
  EXPECT_THAT(FileOf(client->pid(), "limits"), testing::ContainsRegex("Max core file size +0 +0 "));
  client->Signal(SIGABRT);
  const int status = client->Wait(kTimeoutMs);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(WCOREDUMP(status));
}

}  // namespace
}  // namespace ephemeralml

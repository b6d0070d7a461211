// The program itself: started, used over HTTP, and ended by signals.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/net/socket.h"
#include "host/proxy/testing/fake_enclave.h"
#include "host/proxy/testing/http_peer.h"

namespace ephemeralml {
namespace {

namespace fs = std::filesystem;
using proxy::testing::Answer;
using proxy::testing::FakeEnclave;
using proxy::testing::HttpPeer;
using proxy::testing::MakeRequest;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kId = "00112233445566778899aabbccddeeff";
const std::string kBlob = "/v1/blobs/" + std::string(kId);

std::string Contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// One run of the program; killed at the end if it still runs.
class Program {
 public:
  Program(const std::vector<std::string>& arguments, fs::path log) : log_(std::move(log)) {
    std::vector<char*> argv = {const_cast<char*>("ephemeralml-host")};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int log_fd = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (log_fd < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0) _exit(126);
    execv(EPHEMERAL_HOST_PROGRAM, argv.data());
    _exit(127);
  }
  ~Program() {
    if (pid_ <= 0) return;
    Signal(SIGKILL);
    (void)Wait();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void Signal(int signal) { CHECK(kill(pid_, signal) == 0); }
  /// The exit status, or minus the signal that ended it.
  int Wait() {
    int status = 0;
    CHECK(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  /// Waits for it to say where it listens.
  uint16_t Port() {
    constexpr std::string_view kMark = R"("event":"listening","port":)";
    for (int i = 0; i < 6000; ++i) {
      const std::string log = Log();
      const size_t mark = log.find(kMark);
      if (mark != std::string::npos && log.find('}', mark) != std::string::npos) {
        return static_cast<uint16_t>(std::stoul(log.substr(mark + kMark.size())));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(false && "the program doesn't listen");
  }
  std::string Log() const { return Contents(log_); }
  pid_t pid() const { return pid_; }

 private:
  fs::path log_;
  pid_t pid_ = -1;
};

class HostProgram : public ::testing::Test {
 protected:
  HostProgram() {
    std::string name = (fs::temp_directory_path() / "host_test.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~HostProgram() override { fs::remove_all(folder_); }

  std::vector<std::string> Arguments(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "--port",      "0", "--state",   (folder_ / "state").string(),
        "--disk-kept", "0", "--enclave", "127.0.0.1:" + std::to_string(enclave_.port())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  fs::path LogFile() { return folder_ / ("log" + std::to_string(runs_++)); }
  std::string Authorization() {
    return "Authorization: Bearer " + Contents(folder_ / "state" / "token") + "\r\n";
  }
  int RunToItsEnd(const std::vector<std::string>& arguments) {
    Program program(arguments, LogFile());
    return program.Wait();
  }

  fs::path folder_;
  int runs_ = 0;
  FakeEnclave enclave_;
};

TEST_F(HostProgram, ListensOnEveryAddressThatItIsGiven) {
  Program host(Arguments({"--listen", "tcp://127.0.0.1:0", "--listen", "[::1]:0"}), LogFile());
  (void)host.Port();
  const auto has_two = [&] {
    const std::string log = host.Log();
    return log.find(R"("listening")") != log.rfind(R"("listening")");
  };
  for (int i = 0; i < 6000 && !has_two(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const std::string log = host.Log();
  constexpr std::string_view kPort = R"("port":)";
  const size_t second = log.rfind(kPort) + kPort.size();
  const net::Address address{"::1", static_cast<uint32_t>(std::stoul(log.substr(second)))};
  EXPECT_TRUE(net::Connect(net::Resolve(address).value(), net::After(2000)).has_value());
  HttpPeer peer(host.Port());
  EXPECT_EQ(peer.Ask(MakeRequest("GET", "/healthz")).status, 200U);
}

TEST_F(HostProgram, RefusesAnAddressThatItCannotRead) {
  EXPECT_EQ(RunToItsEnd(Arguments({"--listen", "vsock://host:1"})), 1);
  EXPECT_EQ(RunToItsEnd({"--state", folder_.string(), "--port", "0", "--enclave", "vsock://:1"}),
            1);
}

TEST_F(HostProgram, MakesItsTokenOnceAndPrivately) {
  {
    Program host(Arguments(), LogFile());
    (void)host.Port();
    host.Signal(SIGTERM);
    EXPECT_EQ(host.Wait(), 0);
  }
  const std::string authorization = Authorization();
  EXPECT_EQ(fs::status(folder_ / "state" / "token").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  Program host(Arguments(), LogFile());
  const uint16_t port = host.Port();
  EXPECT_EQ(Authorization(), authorization);
  EXPECT_EQ(HttpPeer(port).Ask(MakeRequest("PUT", kBlob, authorization, "content")).status, 201U);
}

TEST_F(HostProgram, SaysWhyItDoesNotStart) {
  EXPECT_EQ(RunToItsEnd(Arguments({"--prot", "1"})), 2);
  EXPECT_EQ(RunToItsEnd(Arguments({"--idle-timeout", "0"})), 2);
  EXPECT_EQ(RunToItsEnd(Arguments({"--port", "65536"})), 2);
  EXPECT_EQ(RunToItsEnd(Arguments({"--log", "loud"})), 1);
  EXPECT_EQ(RunToItsEnd(Arguments({"--enclave-name", "enclave"})), 1);
  EXPECT_EQ(RunToItsEnd(Arguments({"--connections", "100000"})), 1);
  Program holder(Arguments(), LogFile());
  (void)holder.Port();
  Program second(Arguments(), folder_ / "second");
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(second.Log(), HasSubstr("[store_in_use]"));
}

TEST_F(HostProgram, ReadsSizesAndAFile) {
  std::ofstream(folder_ / "config.toml") << "[host]\nblob_limit = \"1kb\"\n";
  Program host(Arguments({"--config", (folder_ / "config.toml").string()}), LogFile());
  const uint16_t port = host.Port();
  const auto put = [&](size_t size) {
    return HttpPeer(port)
        .Ask(MakeRequest("PUT", kBlob, Authorization(), std::string(size, 'x')))
        .status;
  };
  EXPECT_EQ(put(1025), 413U);
  EXPECT_EQ(put(1024), 201U);
}

TEST_F(HostProgram, DrainsOnTheFirstSignalAndStopsOnTheSecond) {
  Program host(Arguments(), LogFile());
  const uint16_t port = host.Port();
  HttpPeer peer(port);
  ASSERT_EQ(peer.Ask(MakeRequest("CONNECT", "enclave:8082"), false).status, 200U);
  const UniqueFd enclave = enclave_.Accept();
  host.Signal(SIGTERM);
  unsigned status = 200;
  for (int i = 0; i < 1000 && status != 503; ++i) {
    status = HttpPeer(port).Ask(MakeRequest("GET", "/readyz")).status;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(status, 503U);
  peer.Send("still here");
  EXPECT_EQ(proxy::testing::ReceiveText(enclave, 10), "still here");
  host.Signal(SIGTERM);
  EXPECT_EQ(host.Wait(), 0);
  EXPECT_THAT(host.Log(), HasSubstr("\"stopped_at_once\""));
}

TEST_F(HostProgram, EndsWhenItsLastTunnelDoes) {
  Program host(Arguments(), LogFile());
  HttpPeer peer(host.Port());
  ASSERT_EQ(peer.Ask(MakeRequest("CONNECT", "enclave:8082"), false).status, 200U);
  UniqueFd enclave = enclave_.Accept();
  host.Signal(SIGTERM);
  peer.EndSending();
  enclave.Reset();
  EXPECT_EQ(host.Wait(), 0);
  EXPECT_THAT(host.Log(), HasSubstr("\"event\":\"drained\",\"requests_cut\":0"));
}

TEST_F(HostProgram, HoldsAllOrNothingAfterKill9AmidAnUpload) {
  const std::string content(4'000'000, 'x');
  std::mt19937 random(1);
  int stored = 0;
  for (int round = 0; round < 20; ++round) {
    {
      Program host(Arguments(), LogFile());
      HttpPeer peer(host.Port());
      const std::string request = MakeRequest("PUT", kBlob, Authorization(), content);
      std::thread killer([&host, wait = random() % 12'000] {
        std::this_thread::sleep_for(std::chrono::microseconds(wait));
        host.Signal(SIGKILL);
      });
      const Answer answer = peer.Ask(request);
      killer.join();
      EXPECT_EQ(host.Wait(), -SIGKILL);
      EXPECT_TRUE(answer.status != 201 || fs::exists(folder_ / "state" / "blobs" / kId));
    }
    Program host(Arguments(), LogFile());
    const Answer found = HttpPeer(host.Port()).Ask(MakeRequest("GET", kBlob));
    EXPECT_TRUE(fs::is_empty(folder_ / "state" / "incoming"));
    EXPECT_TRUE(found.status == 404 || (found.status == 200 && found.body == content));
    stored += found.status == 200;
    fs::remove(folder_ / "state" / "blobs" / kId);
  }
  RecordProperty("stored", stored);
}

TEST_F(HostProgram, LogsNothingThatAPeerSent) {
  Program host(Arguments({"--log", "trace"}), LogFile());
  const uint16_t port = host.Port();
  const std::string content = "canary-of-the-content";
  HttpPeer peer(port);
  EXPECT_EQ(peer.Ask(MakeRequest("PUT", kBlob, Authorization(), content)).status, 201U);
  EXPECT_EQ(peer.Ask(MakeRequest("GET", kBlob)).status, 200U);
  (void)HttpPeer(port).Ask(
      MakeRequest("GET", "/canary-of-the-target", "X: canary-of-a-header\r\n"));
  (void)HttpPeer(port).Ask(MakeRequest("CONNECT", "canary-of-a-name:1"));
  (void)HttpPeer(port).Ask("canary of garbage\r\n\r\n");
  host.Signal(SIGTERM);
  EXPECT_EQ(host.Wait(), 0);
  const std::string log = host.Log();
  EXPECT_THAT(log, HasSubstr("\"method\":\"PUT\",\"status\":201,\"bytes_in\":21"));
  EXPECT_THAT(log, Not(HasSubstr("canary")));
  EXPECT_THAT(log, Not(HasSubstr(std::string(kId))));
  EXPECT_THAT(log, Not(HasSubstr(Contents(folder_ / "state" / "token"))));
  EXPECT_THAT(log, Not(HasSubstr(folder_.string())));
}

#ifndef EPHEMERAL_SANITIZED  // their own memory would be measured

size_t PeakBytes(pid_t pid) {
  const std::string status = Contents("/proc/" + std::to_string(pid) + "/status");
  return std::stoul(status.substr(status.find("VmHWM:") + 6)) * 1024;
}

TEST_F(HostProgram, TakesNoMoreMemoryForALargerBlob) {
  constexpr size_t kSize = 300'000'000;
  constexpr size_t kMostGrowth = 16 << 20;
  Program host(Arguments(), LogFile());
  HttpPeer peer(host.Port());
  ASSERT_EQ(peer.Ask(MakeRequest("GET", "/healthz")).status, 200U);
  const size_t before = PeakBytes(host.pid());
  peer.Send(MakeRequest("PUT", kBlob,
                        Authorization() + "Content-Length: " + std::to_string(kSize) + "\r\n"));
  const std::string piece(1'000'000, 'x');
  for (size_t sent = 0; sent < kSize; sent += piece.size()) peer.Send(piece);
  ASSERT_EQ(peer.Receive().status, 201U);
  EXPECT_LT(PeakBytes(host.pid()), before + kMostGrowth);
  peer.Send(MakeRequest("GET", kBlob));
  ASSERT_EQ(peer.Receive(false).status, 200U);
  size_t received = 0;
  while (received < kSize) {
    const size_t count = peer.ReceiveBytes(std::min(piece.size(), kSize - received)).size();
    ASSERT_GT(count, 0U);
    received += count;
  }
  EXPECT_LT(PeakBytes(host.pid()), before + kMostGrowth);
}

#endif

}  // namespace
}  // namespace ephemeralml

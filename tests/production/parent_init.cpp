// The first program of the test's parent machine, in place of an EC2 instance's system: answers the
// enclave's boot heartbeat, runs ephemeralml-host and lets the test read its metrics. What it
// prints is what the test reads.

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr const char* kModules = "/modules";
// Source: aws-nitro-enclaves-cli, the launcher's wait for a booted enclave.
constexpr unsigned kHeartbeatPort = 9000;
constexpr uint8_t kHeartbeat = 0xB7;
constexpr const char* kAddress = "10.0.2.15";  // of QEMU's user network
constexpr uint16_t kMetricsPort = 9090;        // the host's on loopback, the test's on that address

[[noreturn]] void End(const char* why) {
  std::printf("PARENT failed: %s: %s\n", why, std::strerror(errno));
  std::fflush(stdout);
  (void)reboot(RB_AUTOBOOT);
  std::abort();
}

void Require(bool holds, const char* what) {
  if (!holds) End(what);
}

void MountAll() {
  Require(mount("devtmpfs", "/dev", "devtmpfs", 0, "") == 0, "mount /dev");
  Require(mount("proc", "/proc", "proc", 0, "") == 0, "mount /proc");
  Require(mount("sysfs", "/sys", "sysfs", 0, "") == 0, "mount /sys");
  const int console = open("/dev/console", O_RDWR);
  Require(console >= 0, "open the console");
  for (const int standard : {0, 1, 2}) Require(dup2(console, standard) == standard, "console");
}

// In the order of their names.
void LoadModules() {
  std::vector<std::string> names;
  DIR* folder = opendir(kModules);
  Require(folder != nullptr, "find modules");
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(folder);
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const int module = open((std::string(kModules) + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    Require(module >= 0 && (syscall(SYS_finit_module, module, "", 0) == 0 || errno == EEXIST),
            name.c_str());
    close(module);
  }
}

void BringUp(int any_socket, const char* interface, const char* address) {
  ifreq request = {};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (address != nullptr) {
    auto* given = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    given->sin_family = AF_INET;
    Require(inet_pton(AF_INET, address, &given->sin_addr) == 1, "read the address");
    Require(ioctl(any_socket, SIOCSIFADDR, &request) == 0, "set the address");
    Require(inet_pton(AF_INET, "255.255.255.0", &given->sin_addr) == 1, "read the mask");
    Require(ioctl(any_socket, SIOCSIFNETMASK, &request) == 0, "set the mask");
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  Require(ioctl(any_socket, SIOCSIFFLAGS, &request) == 0, "bring an interface up");
}

void BringNetworkUp() {
  const int any_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Require(any_socket >= 0, "make a socket");
  BringUp(any_socket, "lo", nullptr);
  BringUp(any_socket, "eth0", kAddress);
  close(any_socket);
}

int ListenForHeartbeats() {
  const int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_vm address = {};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = kHeartbeatPort;
  Require(listener >= 0, "make a vsock");
  Require(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
              listen(listener, 4) == 0,
          "listen for heartbeats");
  return listener;
}

[[noreturn]] void AnswerHeartbeats(int listener) {
  for (;;) {
    sockaddr_vm peer = {};
    socklen_t size = sizeof peer;
    const int connection = accept(listener, reinterpret_cast<sockaddr*>(&peer), &size);
    Require(connection >= 0, "accept a heartbeat");
    uint8_t byte = 0;
    const bool is_right =
        read(connection, &byte, 1) == 1 && byte == kHeartbeat && write(connection, &byte, 1) == 1;
    std::printf("PARENT heartbeat %02x from CID %u: %s\n", byte, peer.svm_cid,
                is_right ? "answered" : "wrong");
    std::fflush(stdout);
    close(connection);
  }
}

sockaddr_in MetricsAt(const char* address) {
  sockaddr_in place = {};
  place.sin_family = AF_INET;
  place.sin_port = htons(kMetricsPort);
  Require(inet_pton(AF_INET, address, &place.sin_addr) == 1, "read the address");
  return place;
}

// One request and its answer, between the test and the host's page, which is for loopback alone.
void RelayMetrics(int test, int host) {
  const sockaddr_in page = MetricsAt("127.0.0.1");
  if (connect(host, reinterpret_cast<const sockaddr*>(&page), sizeof page) != 0) return;
  std::array<char, 4096> bytes;
  ssize_t count = read(test, bytes.data(), bytes.size());
  if (count <= 0 || write(host, bytes.data(), static_cast<size_t>(count)) != count) return;
  while ((count = read(host, bytes.data(), bytes.size())) > 0) {
    if (write(test, bytes.data(), static_cast<size_t>(count)) != count) return;
  }
}

[[noreturn]] void ServeMetrics() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = MetricsAt(kAddress);
  Require(listener >= 0 &&
              bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
              listen(listener, 4) == 0,
          "listen for readers of metrics");
  for (;;) {
    const int test = accept(listener, nullptr, nullptr);
    const int host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Require(test >= 0 && host >= 0, "accept a reader of metrics");
    RelayMetrics(test, host);
    close(test);
    close(host);
  }
}

int RunHost(char** arguments) {
  const pid_t host = fork();
  Require(host >= 0, "fork");
  if (host == 0) {
    execv(arguments[0], arguments);
    _exit(127);
  }
  int status = 0;
  while (waitpid(host, &status, 0) != host) {
  }
  return status;
}

}  // namespace

// The arguments are the host's command line: the kernel hands over what follows `--` in its own.
int main(int argc, char** argv) {
  Require(argc > 1, "find the host's command line");
  MountAll();
  LoadModules();
  BringNetworkUp();
  const int listener = ListenForHeartbeats();
  if (fork() == 0) AnswerHeartbeats(listener);
  if (fork() == 0) ServeMetrics();
  std::printf("PARENT ready\n");
  std::fflush(stdout);
  std::printf("PARENT host ended: status %d\n", RunHost(argv + 1));
  std::fflush(stdout);
  (void)reboot(RB_AUTOBOOT);
  return 1;
}

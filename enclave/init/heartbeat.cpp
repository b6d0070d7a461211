#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "enclave/init/machine.h"
#include "enclave/init/steps.h"

namespace ephemeralml::init {
namespace {

constexpr unsigned kParent = 3;
constexpr unsigned kPort = 9000;
constexpr uint8_t kBeat = 0xB7;
constexpr time_t kPatienceSeconds = 30;

}  // namespace

void SendHeartbeat() {
  const int connection = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Require(connection >= 0, "heartbeat_socket_failed");
  const timeval patience = {kPatienceSeconds, 0};
  sockaddr_vm parent = {};
  parent.svm_family = AF_VSOCK;
  parent.svm_cid = kParent;
  parent.svm_port = kPort;
  Require(setsockopt(connection, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience,
                     sizeof patience) == 0 &&
              setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
          "heartbeat_socket_failed");
  Require(connect(connection, reinterpret_cast<const sockaddr*>(&parent), sizeof parent) == 0,
          "heartbeat_not_taken");
  uint8_t beat = kBeat;
  errno = 0;
  Require(write(connection, &beat, 1) == 1 && read(connection, &beat, 1) == 1 && beat == kBeat,
          "heartbeat_not_answered");
  (void)close(connection);
}

}  // namespace ephemeralml::init

#include "common/channel/socket_bio.h"

#include <errno.h>
#include <sys/socket.h>

#include <memory>

namespace ephemeralml::channel::tls {
namespace {

SocketLink& LinkOf(BIO* bio) { return *static_cast<SocketLink*>(BIO_get_data(bio)); }

bool IsLate(SocketLink& link) {
  link.late = std::chrono::steady_clock::now() >= link.deadline;
  return link.late;
}

int Read(BIO* bio, char* out, size_t size, size_t* done) {
  SocketLink& link = LinkOf(bio);
  BIO_clear_retry_flags(bio);
  ssize_t count = -1;
  errno = EAGAIN;
  if (!IsLate(link)) {
    do {
      count = recv(link.fd, out, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
  }
  if (count < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
  *done = count > 0 ? static_cast<size_t>(count) : 0;
  return count > 0 ? 1 : 0;
}

int Write(BIO* bio, const char* bytes, size_t size, size_t* done) {
  SocketLink& link = LinkOf(bio);
  BIO_clear_retry_flags(bio);
  ssize_t count = -1;
  errno = EAGAIN;
  if (link.fd >= 0 && !IsLate(link)) {
    do {
      count = send(link.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
  }
  if (count < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
  *done = count > 0 ? static_cast<size_t>(count) : 0;
  return count > 0 ? 1 : 0;
}

long Control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

struct MethodOwner {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "deadline socket");
  MethodOwner() {
    CHECK(method != nullptr && BIO_meth_set_read_ex(method, &Read) == 1 &&
          BIO_meth_set_write_ex(method, &Write) == 1 && BIO_meth_set_ctrl(method, &Control) == 1);
  }
};

}  // namespace

BIO* MakeSocketBio(SocketLink* link) {
  static const MethodOwner owner;  // for the process's life
  BIO* bio = BIO_new(owner.method);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, link);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace ephemeralml::channel::tls

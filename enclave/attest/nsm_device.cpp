#include "enclave/attest/nsm_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <algorithm>

namespace ephemeralml::attest {
namespace {

constexpr const char* kDevice = "/dev/nsm";
constexpr const char* kPool = "/dev/urandom";

// struct nsm_iovec twice, as Linux' include/uapi/linux/nsm.h has it in struct nsm_raw.
struct NsmMessage {
  uint64_t request_address;
  uint64_t request_bytes;
  uint64_t reply_address;
  uint64_t reply_bytes;
};
static_assert(sizeof(NsmMessage) == 32);

constexpr unsigned kNsmMagic = 0x0a;
constexpr int kBitsPerByte = 8;

}  // namespace

Result<UniqueFd> OpenNsmDevice() {
  UniqueFd device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (device.IsOpen()) return device;
  return ErrnoError("platform_unavailable",
                    "a production enclave runs inside AWS Nitro only: can't open /dev/nsm");
}

NsmCall CallByIoctl(int device) {
  return [device](ByteSpan request) -> Result<Bytes> {
    Bytes reply(kLargestNsmReplyBytes);
    NsmMessage message = {reinterpret_cast<uintptr_t>(request.data()), request.size(),
                          reinterpret_cast<uintptr_t>(reply.data()), reply.size()};
    int status = 0;
    do {
      status = ioctl(device, _IOWR(kNsmMagic, 0, NsmMessage), &message);
    } while (status != 0 && errno == EINTR);
    if (status != 0) return ErrnoError("nsm_refused", "the security module doesn't answer");
    if (message.reply_bytes > reply.size()) {
      return Error{Code::kIo, "nsm_reply_invalid",
                   "the security module's reply has a wrong length"};
    }
    reply.resize(message.reply_bytes);
    return reply;
  };
}

Done CreditEntropy(const SecretBytes& entropy) {
  // struct rand_pool_info of linux/random.h: two numbers, then the bytes.
  const rand_pool_info header = {static_cast<int>(entropy.size()) * kBitsPerByte,
                                 static_cast<int>(entropy.size())};
  SecretBytes info(sizeof header + entropy.size());
  const auto* header_bytes = reinterpret_cast<const uint8_t*>(&header);
  const auto rest =
      std::ranges::copy(ByteSpan(header_bytes, sizeof header), info.Fill().begin()).out;
  std::ranges::copy(entropy.Reveal(), rest);
  const UniqueFd pool(open(kPool, O_WRONLY | O_CLOEXEC));
  // The second call has the generator leave a key that it drew before.
  if (!pool.IsOpen() || ioctl(pool.Get(), RNDADDENTROPY, info.Fill().data()) != 0 ||
      ioctl(pool.Get(), RNDRESEEDCRNG) != 0) {
    return ErrnoError("entropy_refused", "can't give the security module's entropy to the kernel");
  }
  uint8_t byte = 0;
  if (getrandom(&byte, 1, GRND_NONBLOCK) != 1) {
    return ErrnoError("entropy_refused", "the kernel still waits for entropy");
  }
  return {};
}

}  // namespace ephemeralml::attest

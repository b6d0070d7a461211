// The production platform's attester: the Nitro Security Module, by ioctl.

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "common/base/file.h"
#include "enclave/attest/attester.h"
#include "enclave/attest/nsm_messages.h"

namespace ephemeralml::attest {
namespace {

constexpr const char* kDevice = "/dev/nsm";

// struct nsm_iovec twice, as Linux' include/uapi/linux/nsm.h has it in struct nsm_raw.
struct NsmMessage {
  uint64_t request_address;
  uint64_t request_bytes;
  uint64_t reply_address;
  uint64_t reply_bytes;
};
static_assert(sizeof(NsmMessage) == 32);

constexpr unsigned kNsmMagic = 0x0a;

class NsmAttester : public Attester {
 public:
  explicit NsmAttester(UniqueFd device) : device_(std::move(device)) {}

  Result<Bytes> Attest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) override {
    TRY(const Bytes request, EncodeAttestationRequest(public_key, nonce, user_data));
    Bytes reply(kLargestNsmReplyBytes);
    NsmMessage message = {reinterpret_cast<uintptr_t>(request.data()), request.size(),
                          reinterpret_cast<uintptr_t>(reply.data()), reply.size()};
    int status = 0;
    do {
      status = ioctl(device_.Get(), _IOWR(kNsmMagic, 0, NsmMessage), &message);
    } while (status != 0 && errno == EINTR);
    if (status != 0) return ErrnoError("nsm_refused", "the security module doesn't answer");
    if (message.reply_bytes > reply.size()) {
      return Error{Code::kIo, "nsm_refused", "the security module's reply has a wrong length"};
    }
    reply.resize(message.reply_bytes);
    return DecodeAttestationReply(reply);
  }

 private:
  UniqueFd device_;
};

}  // namespace

Result<std::unique_ptr<Attester>> CreateAttester(const std::filesystem::path& /*state*/) {
  UniqueFd device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device.IsOpen()) {
    return ErrnoError("platform_unavailable",
                      "a production enclave runs inside AWS Nitro only: can't open /dev/nsm");
  }
  return std::make_unique<NsmAttester>(std::move(device));
}

Done PrintMeasurements(std::ostream& /*out*/) {
  return Error{
      Code::kUnsupported, "measurements_unknown",
      "a production enclave's measurements are its image's: the tool that builds the image "
      "prints them"};
}

}  // namespace ephemeralml::attest

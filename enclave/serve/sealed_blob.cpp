#include "enclave/serve/sealed_blob.h"

#include <sys/mman.h>

namespace ephemeralml::serve {

Result<ByteSpan> SealedBlob::Get(const FetchOrder& order) {
  if (!mapped_.empty() && order == order_) return mapped_;
  Unmap();
  TRY_OK(SendControl(control_, ControlKind::kFetch, order.Encode()));
  // Without a deadline of its own: the fetcher has one, and the supervisor answers whatever
  // happens.
  TRY(const ControlMessage message,
      ExpectControl(control_, ControlKind::kBlob, net::Deadline::max()));
  CHECK(message.body.size() == 1);
  const auto outcome = static_cast<FetchOutcome>(message.body[0]);
  if (outcome != FetchOutcome::kFetched) return ToError(outcome);
  // The supervisor checked the length and sealed the file: no page of the mapping can vanish.
  void* memory = mmap(nullptr, order.sealed_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE,
                      message.descriptor.Get(), 0);
  if (memory == MAP_FAILED) return ErrnoError("memory_unavailable", "can't map the sealed blob");
  mapped_ = {static_cast<const uint8_t*>(memory), order.sealed_bytes};
  order_ = order;
  return mapped_;
}

void SealedBlob::Drop() {
  if (mapped_.empty()) return;
  Unmap();
  (void)SendControl(control_, ControlKind::kDropBlob, {});
}

void SealedBlob::Unmap() {
  if (!mapped_.empty()) (void)munmap(const_cast<uint8_t*>(mapped_.data()), mapped_.size());
  mapped_ = {};
  authentic_ = false;
}

}  // namespace ephemeralml::serve

// Reaches: serve::Session::Answer (wire::Request, engine::Prepare, weights::ReadWeights). The blob
// store is gone: what runs with weights is the target `topology`'s.

#include "common/base/log.h"
#include "common/wire/message_library.h"
#include "common/wire/session.pb.h"
#include "enclave/serve/control.h"
#include "enclave/serve/session.h"

namespace {

using namespace ephemeralml;

constexpr size_t kArenaBytes = 16 << 20;

struct Worker {
  UniqueFd control;
  engine::Threads threads{1};
  std::unique_ptr<Arena> arena = Arena::Create(kArenaBytes).value();
  serve::Session session;

  Worker() : control(OpenControl()), session(control.Get(), threads, *arena) {
    log::Configure("fuzz", log::Level::kError);
    wire::SilenceMessageLibrary();
  }
  // The other end goes at once: whoever asks for a blob hears that there is nobody.
  static UniqueFd OpenControl() { return std::move(serve::MakeControlPair().value().first); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Worker worker;
  const SecretBytes reply = worker.session.Answer(SecretBytes::CopyOf({data, size}));
  wire::Reply message;
  const ByteSpan bytes = reply.Reveal();
  CHECK(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  CHECK(message.has_failure() && !message.failure().reason().empty());
  return 0;
}

#include "tests/conformance/product.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "client/decompose/decompose.h"
#include "client/session/messages.h"
#include "common/base/log.h"
#include "enclave/serve/control.h"
#include "enclave/serve/session.h"

namespace ephemeralml::conformance {
namespace {

constexpr uint64_t kSessionMemoryBytes = uint64_t{1} << 30;

}  // namespace

Product::Product() : threads_(1), arena_(Arena::Create(kSessionMemoryBytes).value()) {
  log::Configure("conformance", log::Level::kError);
  auto pair = serve::MakeControlPair().value();
  supervisor_ = std::move(pair.first);
  worker_ = std::move(pair.second);
  fetcher_ = std::thread([this] { AnswerFetches(); });
}

Product::~Product() {
  (void)shutdown(worker_.Get(), SHUT_RDWR);
  fetcher_.join();
}

void Product::AnswerFetches() {
  const Bytes fetched = {static_cast<uint8_t>(serve::FetchOutcome::kFetched)};
  for (;;) {
    const auto order =
        serve::ExpectControl(supervisor_.Get(), serve::ControlKind::kFetch, net::Deadline::max());
    if (!order) return;
    if (!serve::SendControl(supervisor_.Get(), serve::ControlKind::kBlob, fetched, blob_.Get())) {
      return;
    }
  }
}

Result<std::vector<Value>> Product::Run(const ::onnx::ModelProto& model,
                                        const std::vector<Value>& inputs, bool preparation) {
  blob_ = UniqueFd(memfd_create("sealed-blob", MFD_CLOEXEC));
  if (!blob_.IsOpen()) return ErrnoError("memory_unavailable", "can't make a file");
  const std::string bytes = model.SerializeAsString();
  TRY(const auto report,
      decompose::DecomposeBytes(AsBytes(bytes),
                                [this](ByteSpan sealed) { return WriteAll(blob_.Get(), sealed); },
                                {}, {.preparation = preparation}));
  TRY(SecretBytes request, session::EncodeRequest(report.topology_message, inputs));
  serve::Session session(worker_.Get(), threads_, *arena_);
  const SecretBytes reply = session.Answer(std::move(request));
  TRY(session::Answer answer, session::DecodeReply(reply));
  return std::move(answer.outputs);
}

}  // namespace ephemeralml::conformance

#include "enclave/serve/session.h"

#include <algorithm>
#include <chrono>

#include "common/base/checked.h"
#include "common/base/log.h"
#include "common/crypto/blob_cipher.h"
#include "common/wire/frame.h"
#include "common/wire/session.pb.h"
#include "enclave/engine/execute.h"
#include "enclave/engine/prepare.h"
#include "enclave/serve/confine.h"

namespace ephemeralml::serve {
namespace {

using Clock = Session::Clock;

constexpr size_t kModelSecretBytes = 32;
constexpr size_t kChunksPerThread = 16;
constexpr size_t kMostDetailBytes = 2048;
constexpr size_t kMostOutputBytes =
    wire::kLargestMessageBytes - 4096;  // the rest of a reply is less
// The arena's pages stay warm for the next request, unless copies of a message as large as this
// would have to find room beside them.
constexpr size_t kLargeBytes = size_t{16} << 20;

uint64_t MicrosecondsSince(Clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
}

Error MalformedTopology(std::string_view what) {
  return {Code::kMalformed, "topology_malformed", std::string(what)};
}

Result<FetchOrder> OrderFor(const wire::Blob& blob) {
  FetchOrder order;
  if (blob.id().size() != order.id.size() || blob.chunk_count() == 0 ||
      blob.chunk_count() > wire::kMostChunks || blob.chunk_bytes() < wire::kSmallestChunkBytes ||
      blob.chunk_bytes() > wire::kLargestChunkBytes) {
    return MalformedTopology("the topology doesn't name its blob");
  }
  std::ranges::copy(AsBytes(blob.id()), order.id.begin());
  TRY(order.sealed_bytes,
      CheckedMultiply<uint64_t>(blob.chunk_count(), blob.chunk_bytes() + wire::kTagBytes));
  return order;
}

Result<std::unique_ptr<crypto::BlobCipher>> CipherFor(const wire::Blob& blob,
                                                      const wire::BlobId& id) {
  if (blob.secret().size() != kModelSecretBytes) {
    return MalformedTopology("the topology holds no secret to open its blob with");
  }
  const SecretBytes secret = SecretBytes::CopyOf(AsBytes(blob.secret()));
  return crypto::BlobCipher::Create(secret, id, blob.chunk_count(), blob.chunk_bytes());
}

engine::TensorView ViewOf(const wire::Tensor& tensor) {
  return {static_cast<engine::ElementType>(tensor.type()),
          {tensor.dims().begin(), tensor.dims().end()},
          AsBytes(tensor.data())};
}

engine::NamedView InputOf(const wire::Tensor& tensor) {
  engine::NamedView input{tensor.name(), ViewOf(tensor)};
  if (tensor.kind() == wire::NOTHING) input.kind = engine::ValueKind::kNothing;
  if (tensor.kind() != wire::SEQUENCE) return input;
  input.kind = engine::ValueKind::kSequence;
  for (const wire::Tensor& element : tensor.elements()) input.elements.push_back(ViewOf(element));
  return input;
}

// Wiped by the heap, which the message's arena isn't before its end.
void DropData(google::protobuf::RepeatedPtrField<wire::Tensor>& tensors) {
  for (wire::Tensor& tensor : tensors) {
    std::string().swap(*tensor.mutable_data());
    DropData(*tensor.mutable_elements());
  }
}

std::vector<engine::NamedView> InputsOf(const wire::Request& request) {
  std::vector<engine::NamedView> inputs;
  for (const wire::Tensor& tensor : request.inputs()) {
    inputs.push_back(InputOf(tensor));
  }
  return inputs;
}

void SetValue(const engine::Tensor& value, wire::Tensor& message) {
  if (value.kind() == engine::ValueKind::kNothing) return message.set_kind(wire::NOTHING);
  if (value.kind() == engine::ValueKind::kSequence) {
    message.set_kind(wire::SEQUENCE);
    for (const engine::Tensor& element : value.elements()) {
      SetValue(element, *message.add_elements());
    }
    return;
  }
  const engine::TensorView view = value.View();
  message.set_type(static_cast<wire::DataType>(view.type));
  message.mutable_dims()->Add(view.shape.begin(), view.shape.end());
  // Not set_data: seen to copy twice.
  message.mutable_data()->assign(AsText(view.bytes));
}

bool IsLarge(const std::vector<engine::NamedTensor>& tensors) {
  size_t bytes = 0;
  for (const engine::NamedTensor& each : tensors) bytes += each.tensor.byte_count();
  return bytes >= kLargeBytes;
}

google::protobuf::ArenaOptions MessageMemory() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = size_t{64} << 10;
  options.max_block_size = size_t{1} << 20;
  return options;
}

Error OutputsTooLarge() {
  return {Code::kOverLimit, "message_too_large", "the outputs are larger than a reply may be"};
}

// At least what a value takes in a reply: elements of a sequence may share their memory.
size_t SizeInReply(const engine::Tensor& value) {
  constexpr size_t kLeast = 2;  // a message without anything in it
  if (value.kind() == engine::ValueKind::kTensor) return kLeast + value.byte_count();
  size_t bytes = kLeast;
  if (value.kind() == engine::ValueKind::kNothing) return bytes;
  for (const engine::Tensor& element : value.elements()) bytes += SizeInReply(element);
  return bytes;
}

Done AddOutputs(const std::vector<engine::NamedTensor>& tensors, wire::Outputs& outputs) {
  size_t bytes = 0;
  for (const engine::NamedTensor& each : tensors) bytes += SizeInReply(each.tensor);
  if (bytes > kMostOutputBytes) return OutputsTooLarge();
  for (const engine::NamedTensor& each : tensors) {
    wire::Tensor& tensor = *outputs.add_tensors();
    tensor.set_name(each.name);
    SetValue(each.tensor, tensor);
  }
  return outputs.ByteSizeLong() > kMostOutputBytes ? OutputsTooLarge() : Done();
}

void AddTotals(const weights::Ledger& ledger, wire::Measurements& measured) {
  const weights::Ledger::Totals totals = ledger.Read();
  measured.set_peak_plaintext_weight_bytes(totals.peak_plaintext_bytes);
  measured.set_longest_plaintext_us(totals.longest_plaintext_ns / 1000);
  measured.set_plaintext_byte_us(totals.plaintext_byte_ns / 1000);
  measured.set_bytes_opened(totals.bytes_opened);
  measured.set_bytes_wiped(totals.bytes_wiped);
  measured.set_chunks_opened(totals.chunks_opened);
}

// Names in it are as long as the client made them. Cut between two characters of UTF-8.
std::string Shortened(std::string text) {
  if (text.size() <= kMostDetailBytes) return text;
  size_t end = kMostDetailBytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

void SetFailure(const Error& error, wire::Reply& reply) {
  wire::Failure& failure = *reply.mutable_failure();
  failure.set_code(std::string(Name(error.code)));
  failure.set_reason(std::string(error.reason));
  failure.set_detail(Shortened(error.what));
}

SecretBytes Serialize(const wire::Reply& reply) {
  SecretBytes bytes(reply.ByteSizeLong());
  CHECK(reply.SerializeToArray(bytes.Fill().data(), static_cast<int>(bytes.size())));
  return bytes;
}

}  // namespace

// All that is made from a topology. Holds the blob's key.
struct Session::Plan {
  engine::PreparedModel model;
  FetchOrder order;
  std::unique_ptr<crypto::BlobCipher> cipher;
};

Session::Session(int control, engine::Threads& threads, Arena& arena)
    : blob_(control), threads_(threads), arena_(arena) {}

Session::~Session() = default;

// The path of a request. Everything it makes is wiped when it goes out of scope, whichever way that
// is: the plan by the wiping heap, panels and activations by the arena, the key by SecretBytes.
Done Session::Serve(wire::Request& request, Clock::time_point deadline, weights::Ledger& ledger,
                    wire::Reply& reply) {
  wire::Measurements& measured = *reply.mutable_measurements();
  const Clock::time_point arrived = Clock::now();
  TRY_OK(PlanFor(request, ledger));
  measured.set_prepare_us(MicrosecondsSince(arrived));

  Clock::time_point start = Clock::now();
  TRY(const ByteSpan sealed, blob_.Get(plan_->order));
  weights::SealedModel weights{sealed, plan_->cipher.get()};
  const Done opened = OpenFor(request, weights, ledger);
  measured.set_fetch_us(MicrosecondsSince(start));
  if (!opened) return opened.error();
  if (resident_) weights.resident = resident_->bytes();

  start = Clock::now();
  const auto drop_inputs = [&request] { DropData(*request.mutable_inputs()); };
  const auto outputs = engine::Execute(plan_->model, InputsOf(request), weights, arena_, threads_,
                                       ledger, {.deadline = deadline}, drop_inputs);
  measured.set_execute_us(MicrosecondsSince(start));
  if (resident_) resident_->CountSince(arrived, ledger);
  if (!outputs) return outputs.error();
  if (IsLarge(*outputs)) arena_.GiveBackFreePages();
  return AddOutputs(*outputs, *reply.mutable_outputs());
}

// Makes the plan, unless the client left its topology out and one was kept for it.
Done Session::PlanFor(const wire::Request& request, weights::Ledger& ledger) {
  if (request.lifetime() != wire::REQUEST && request.lifetime() != wire::SESSION &&
      request.lifetime() != wire::RESIDENT) {
    return Error{Code::kUnsupported, "lifetime_unsupported",
                 "this enclave serves the lifetimes `request`, `session` and `resident`"};
  }
  const bool takes_kept = !request.has_topology() && request.lifetime() != wire::REQUEST;
  if (!takes_kept || request.lifetime() != wire::RESIDENT) CloseResident(ledger);
  if (takes_kept) {
    if (plan_ != nullptr) return {};
    return Error{Code::kInvalidArgument, "plan_missing",
                 "the request holds no topology, and none is kept from an earlier one"};
  }
  plan_.reset();
  auto plan = std::make_unique<Plan>();
  const auto prepare = [&]() -> Done {
    TRY(plan->model, engine::Prepare(request.topology()));
    return {};
  };
  const auto make_cipher = [&]() -> Done {
    TRY(plan->order, OrderFor(request.topology().blob()));
    TRY(plan->cipher, CipherFor(request.topology().blob(), plan->order.id));
    return {};
  };
  // One thread each, if there are two.
  TRY_OK(threads_.TryParallelFor(2, 1, [&](size_t begin, size_t end) -> Done {
    if (begin == 0) {
      if (Done done = prepare(); !done) return done;
    }
    return end == 2 ? make_cipher() : Done();
  }));
  plan_ = std::move(plan);
  return {};
}

// After it every tag of the blob is known to be right.
Done Session::OpenFor(const wire::Request& request, const weights::SealedModel& sealed,
                      weights::Ledger& ledger) {
  if (request.lifetime() != wire::RESIDENT) return Authenticate(sealed, ledger);
  return resident_ ? Done() : KeepOpen(sealed, ledger);
}

Done Session::Authenticate(const weights::SealedModel& sealed, weights::Ledger& ledger) {
  if (!blob_.IsUnchecked()) return {};
  TRY_OK(threads_.TryParallelFor(
      sealed.cipher->chunk_count(), kChunksPerThread, [&](size_t begin, size_t end) {
        return weights::PanelStream::Authenticate(sealed, begin, end, arena_, ledger);
      }));
  blob_.MarkAuthentic();
  return {};
}

Done Session::KeepOpen(const weights::SealedModel& sealed, weights::Ledger& ledger) {
  TRY(weights::ResidentWeights resident, weights::ResidentWeights::Create(sealed, arena_));
  TRY_OK(threads_.TryParallelFor(
      sealed.cipher->chunk_count(), kChunksPerThread,
      [&](size_t begin, size_t end) { return resident.Open(sealed, begin, end, ledger); }));
  blob_.MarkAuthentic();
  resident_.emplace(std::move(resident));
  return {};
}

// What an earlier request opened and this one doesn't want: wiped, and counted as this one's.
void Session::CloseResident(weights::Ledger& ledger) {
  if (!resident_) return;
  const size_t bytes = resident_->bytes().size();
  const auto opened_at = resident_->opened_at();
  resident_.reset();
  ledger.Wiped(bytes, Clock::now() - opened_at);
  arena_.ResetPeak();
}

SecretBytes Session::Answer(SecretBytes message, Clock::time_point deadline) {
  const bool is_large = message.size() >= kLargeBytes;
  arena_.ResetPeak();
  wire::Reply reply;
  weights::Ledger ledger;
  if (resident_) ledger.Held(resident_->bytes().size());
  {
    // A topology is thousands of small messages: made and forgotten one by one they take longer
    // than to plan.
    google::protobuf::Arena messages(MessageMemory());
    auto& request = *google::protobuf::Arena::CreateMessage<wire::Request>(&messages);
    const ByteSpan bytes = message.Reveal();
    const bool parsed = request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    message = SecretBytes();
    const Done served =
        parsed ? Serve(request, deadline, ledger, reply)
               : Error{Code::kMalformed, "request_malformed", "the request isn't readable"};
    if (!served) {
      if (served.error().reason == "weights_unauthentic") blob_.Drop();
      log::Info("request_failed", {{"reason", served.error()}});
      SetFailure(served.error(), reply);
      CloseResident(ledger);
    }
    if (!served || request.lifetime() == wire::REQUEST) plan_.reset();
  }
  const size_t resident_bytes = resident_ ? resident_->bytes().size() : 0;
  CHECK(arena_.bytes_in_use() == resident_bytes);
  wire::Measurements& measured = *reply.mutable_measurements();
  AddTotals(ledger, measured);
  measured.set_peak_activation_bytes(arena_.peak_bytes() - resident_bytes);
  if (is_large || reply.ByteSizeLong() >= kLargeBytes) arena_.GiveBackFreePages();
  SecretBytes serialized = Serialize(reply);
  reply.Clear();
  // Each thread gets one part: kernels left weights and activations in spilled registers.
  threads_.ParallelFor(threads_.count(), 1, [](size_t, size_t) { WipeStackBelow(); });
  WipeStackBelow();
  return serialized;
}

SecretBytes Session::Refuse(const Error& error) {
  wire::Reply reply;
  SetFailure(error, reply);
  return Serialize(reply);
}

}  // namespace ephemeralml::serve

#include "client/session/messages.h"

#include <algorithm>
#include <array>

#include "common/base/checked.h"
#include "common/wire/frame.h"
#include "common/wire/session.pb.h"
#include "common/wire/strings.h"
#include "common/wire/wiped_secret.h"

namespace ephemeralml::session {
namespace {

Error Malformed() {
  return {Code::kMalformed, "reply_malformed",
          "the enclave's reply isn't what this client expects"};
}

// An Error's reason must be a literal of this program, so reasons from the enclave are looked up.
constexpr auto kReasons = std::to_array<std::string_view>({
    "attribute_invalid",       "blob_incomplete",
    "blob_malformed",          "blob_store_unreachable",
    "blob_too_large",          "control_lost",
    "input_invalid",           "input_mismatch",
    "lifetime_unsupported",    "memory_not_lockable",
    "memory_unavailable",      "message_too_large",
    "operator_unsupported",    "plan_missing",
    "request_malformed",       "sequence_too_long",
    "session_memory_exceeded", "shape_invalid",
    "size_overflow",           "step_limit_exceeded",
    "strings_malformed",       "time_limit_exceeded",
    "topology_malformed",      "type_unsupported",
    "weights_unauthentic",
});
static_assert(std::ranges::is_sorted(kReasons));

constexpr auto kCodes = std::to_array<Code>({
    Code::kMalformed,
    Code::kUnauthentic,
    Code::kUntrusted,
    Code::kUnsupported,
    Code::kInvalidArgument,
    Code::kOverLimit,
    Code::kNotFound,
    Code::kBusy,
    Code::kIo,
    Code::kInternal,
});

Error FromFailure(const wire::Failure& failure) {
  const auto reason = std::ranges::lower_bound(kReasons, failure.reason());
  const auto code = std::ranges::find_if(kCodes, [&](Code c) { return Name(c) == failure.code(); });
  const bool known = reason != kReasons.end() && *reason == failure.reason();
  return {code == kCodes.end() ? Code::kInternal : *code, known ? *reason : "enclave_refused",
          failure.detail().empty() ? "the enclave refused the request" : failure.detail()};
}

// Messages keep copies of what inputs and outputs hold on the heap: wiped at the end of the scope.
class WipedTensors {
 public:
  explicit WipedTensors(google::protobuf::RepeatedPtrField<wire::Tensor>& tensors)
      : tensors_(tensors) {}
  ~WipedTensors() { WipeAll(tensors_); }
  WipedTensors(const WipedTensors&) = delete;
  WipedTensors& operator=(const WipedTensors&) = delete;

 private:
  static void WipeAll(google::protobuf::RepeatedPtrField<wire::Tensor>& tensors) {
    for (wire::Tensor& tensor : tensors) {
      std::string& data = *tensor.mutable_data();
      Wipe({reinterpret_cast<uint8_t*>(data.data()), data.size()});
      WipeAll(*tensor.mutable_elements());
    }
  }

  google::protobuf::RepeatedPtrField<wire::Tensor>& tensors_;
};

void EncodeValue(const tensors::NamedTensor& value, wire::Tensor& message) {
  message.set_name(value.name);
  message.set_kind(static_cast<wire::Kind>(value.kind));
  message.set_type(static_cast<wire::DataType>(value.type));
  message.mutable_dims()->Add(value.shape.begin(), value.shape.end());
  message.mutable_data()->assign(AsText(value.data.Reveal()));
  for (const tensors::NamedTensor& element : value.elements) {
    EncodeValue(element, *message.add_elements());
  }
}

Done CheckSize(const tensors::NamedTensor& tensor, ByteSpan data) {
  if (tensor.type == wire::ElementType::kString) {
    int64_t count = 1;
    for (const int64_t extent : tensor.shape) {
      TRY(count, CheckedMultiply(count, extent));
    }
    if (count < 0 || !wire::DecodeStrings(data, static_cast<size_t>(count))) return Malformed();
    return {};
  }
  const auto size = tensors::ByteCount(tensor.type, tensor.shape);
  if (!size || *size != data.size()) return Malformed();
  return {};
}

Result<tensors::NamedTensor> DecodeTensor(const wire::Tensor& message) {
  tensors::NamedTensor tensor;
  tensor.name = message.name();
  if (message.kind() == wire::NOTHING) tensor.kind = wire::ValueKind::kNothing;
  if (message.kind() == wire::SEQUENCE) {
    tensor.kind = wire::ValueKind::kSequence;
    for (const wire::Tensor& element : message.elements()) {
      if (element.kind() != wire::TENSOR) return Malformed();
      TRY(tensor.elements.emplace_back(), DecodeTensor(element));
    }
  }
  if (message.kind() != wire::TENSOR) return tensor;
  tensor.type = static_cast<wire::ElementType>(message.type());
  tensor.shape.assign(message.dims().begin(), message.dims().end());
  TRY_OK(CheckSize(tensor, AsBytes(message.data())));
  tensor.data = SecretBytes::CopyOf(AsBytes(message.data()));
  return tensor;
}

Measurements DecodeMeasurements(const wire::Measurements& message) {
  return {.peak_plaintext_weight_bytes = message.peak_plaintext_weight_bytes(),
          .longest_plaintext_us = message.longest_plaintext_us(),
          .plaintext_byte_us = message.plaintext_byte_us(),
          .bytes_opened = message.bytes_opened(),
          .bytes_wiped = message.bytes_wiped(),
          .chunks_opened = message.chunks_opened(),
          .fetch_us = message.fetch_us(),
          .prepare_us = message.prepare_us(),
          .execute_us = message.execute_us(),
          .peak_activation_bytes = message.peak_activation_bytes()};
}

wire::Lifetime ToWire(Lifetime lifetime) {
  switch (lifetime) {
    case Lifetime::kRequest:
      return wire::REQUEST;
    case Lifetime::kSession:
      return wire::SESSION;
    case Lifetime::kResident:
      return wire::RESIDENT;
  }
  return wire::REQUEST;
}

Result<SecretBytes> Encode(wire::Request& request, std::span<const tensors::NamedTensor> inputs) {
  const WipedTensors wiped_inputs(*request.mutable_inputs());
  for (const tensors::NamedTensor& input : inputs) {
    EncodeValue(input, *request.add_inputs());
  }
  const size_t size = request.ByteSizeLong();
  if (size > wire::kLargestMessageBytes) {
    return Error{Code::kOverLimit, "message_too_large",
                 "the request has " + std::to_string(size) + " bytes; at most " +
                     std::to_string(wire::kLargestMessageBytes) + " can be sent"};
  }
  SecretBytes message(size);
  CHECK(request.SerializeToArray(message.Fill().data(), static_cast<int>(size)));
  return message;
}

}  // namespace

Result<SecretBytes> EncodeRequest(const SecretBytes& topology,
                                  std::span<const tensors::NamedTensor> inputs, Lifetime lifetime) {
  wire::Request request;
  const wire::WipedSecret wiped(*request.mutable_topology());
  request.set_lifetime(ToWire(lifetime));
  const ByteSpan bytes = topology.Reveal();
  if (bytes.size() > wire::kLargestMessageBytes ||
      !request.mutable_topology()->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error{Code::kMalformed, "topology_malformed",
                 "the topology key's content isn't readable"};
  }
  return Encode(request, inputs);
}

Result<SecretBytes> EncodeFurtherRequest(std::span<const tensors::NamedTensor> inputs,
                                         Lifetime lifetime) {
  CHECK(lifetime != Lifetime::kRequest);
  wire::Request request;
  request.set_lifetime(ToWire(lifetime));
  return Encode(request, inputs);
}

Result<Answer> DecodeReply(const SecretBytes& reply) {
  wire::Reply message;
  const ByteSpan bytes = reply.Reveal();
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Malformed();
  if (message.has_failure()) return FromFailure(message.failure());
  if (!message.has_outputs()) return Malformed();
  const WipedTensors wiped(*message.mutable_outputs()->mutable_tensors());
  Answer answer;
  answer.measured = DecodeMeasurements(message.measurements());
  for (const wire::Tensor& output : message.outputs().tensors()) {
    TRY(tensors::NamedTensor tensor, DecodeTensor(output));
    answer.outputs.push_back(std::move(tensor));
  }
  return answer;
}

}  // namespace ephemeralml::session

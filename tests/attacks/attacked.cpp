#include "tests/attacks/attacked.h"

#include <fstream>

#include "client/decompose/testing/models.h"
#include "client/session/messages.h"
#include "common/wire/blob_format.h"
#include "common/wire/frame.h"

namespace ephemeralml::attacks {
namespace {

constexpr int64_t kTimeoutMs = 60'000;
constexpr size_t kRows = 128;
constexpr size_t kColumns = 256;
static_assert(kRows * kColumns * sizeof(float) == kWeightChunks * wire::kChunkBytes);

// Small whole numbers: sums of their products are exact in whatever order they are added.
float WeightAt(size_t row, size_t column, int variant) {
  return static_cast<float>((row * 7 + column * 3 + static_cast<size_t>(variant)) % 11) - 5;
}

float InputAt(size_t row) { return static_cast<float>(row % 5) - 2; }

Bytes OnnxOf(int variant) {
  std::vector<float> weights(kRows * kColumns);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = WeightAt(i / kColumns, i % kColumns, variant);
  }
  decompose::testing::ModelBuilder builder;
  builder.Input("x", {1, kRows});
  builder.Floats("w", {kRows, kColumns}, weights);
  builder.Node("MatMul", {"x", "w"}, {"y"});
  builder.Output("y", {1, kColumns});
  return builder.Serialize();
}

std::vector<tensors::NamedTensor> Inputs() {
  SecretBytes data(kRows * sizeof(float));
  for (size_t row = 0; row < kRows; ++row) {
    reinterpret_cast<float*>(data.Fill().data())[row] = InputAt(row);
  }
  std::vector<tensors::NamedTensor> inputs;
  inputs.push_back({"x", wire::ElementType::kFloat, {1, kRows}, std::move(data)});
  return inputs;
}

bool IsRight(const session::Answer& answer, int variant) {
  if (answer.outputs.size() != 1) return false;
  const ByteSpan bytes = answer.outputs[0].data.Reveal();
  if (bytes.size() != kColumns * sizeof(float)) return false;
  for (size_t column = 0; column < kColumns; ++column) {
    float expected = 0;
    for (size_t row = 0; row < kRows; ++row) {
      expected += InputAt(row) * WeightAt(row, column, variant);
    }
    if (reinterpret_cast<const float*>(bytes.data())[column] != expected) return false;
  }
  return true;
}

std::string Outcome(const Result<session::Answer>& answer, const SmallModel& model) {
  if (!answer) return std::string(answer.error().reason);
  EXPECT_TRUE(IsRight(*answer, model.variant));
  return "";
}

void WriteBytes(const std::filesystem::path& path, ByteSpan bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  CHECK(file.flush().good());
}

}  // namespace

size_t SealedChunkBytes() { return wire::kChunkBytes + wire::kTagBytes; }

size_t SmallModel::chunk_count() const { return sealed.size() / SealedChunkBytes(); }

ByteSpan SmallModel::Chunk(size_t index) const {
  return ByteSpan(sealed).subspan(index * SealedChunkBytes(), SealedChunkBytes());
}

System::Options ThroughTunnel(const testing_support::Proxy& proxy) {
  System::Options options;
  options.enclave_dialled_at = proxy.port();
  return options;
}

System::Options ThroughFetch(const testing_support::Proxy& proxy) {
  System::Options options;
  options.host_fetched_from = proxy.port();
  return options;
}

SmallModel Attacked::Make(int variant) {
  const auto file = system_.folder() / "small.onnx";
  WriteBytes(file, OnnxOf(variant));
  SmallModel model{system_.Split(file), variant, {}};
  model.sealed = ReadFile(model.split.blob, size_t{1} << 24).value();
  system_.Upload(model.split);
  return model;
}

std::filesystem::path Attacked::FileOf(const SmallModel& model) const {
  return system_.HostState() / "blobs" / model.split.blob_id;
}

void Attacked::Serve(const SmallModel& model, ByteSpan bytes) const {
  WriteBytes(FileOf(model), bytes);
}

session::Session Attacked::Connect() const { return system_.Connect().value(); }

std::string Attacked::Ask(session::Session& session, const SmallModel& model) {
  return Outcome(session.Infer(model.split.topology, Inputs()), model);
}

std::string Attacked::Ask(session::LastingSession& session, const SmallModel& model) {
  return Outcome(session.Infer(model.split.topology, Inputs()), model);
}

void Attacked::ExpectHealthy(const SmallModel& honest) {
  EXPECT_TRUE(system_.host().IsRunning());
  EXPECT_TRUE(system_.enclave().IsRunning());
  const std::string log = system_.enclave().Log();
  for (const std::string event : {"worker_died", "worker_killed", "fetcher_ended"}) {
    EXPECT_EQ(log.find(event), std::string::npos) << log;
  }
  auto session = system_.Connect();
  ASSERT_TRUE(session) << session.error().what;
  EXPECT_EQ(Ask(*session, honest), "");
}

BareSession::BareSession(const System& system)
    : channel_(session::AskForEvidence(system.Settings()).value().channel) {}

wire::Reply BareSession::Ask(const SmallModel& model) {
  const SecretBytes request = session::EncodeRequest(model.split.topology, Inputs()).value();
  return Send(request.Reveal());
}

wire::Reply BareSession::Send(ByteSpan request) {
  wire::Reply reply;
  const bool sent = channel_.SendMessage(request, net::After(kTimeoutMs)).has_value();
  const auto bytes = channel_.ReceiveMessage(wire::kLargestMessageBytes, net::After(kTimeoutMs));
  if (!sent || !bytes) {
    reply.mutable_failure()->set_reason("connection_lost");
    return reply;
  }
  const ByteSpan view = bytes->Reveal();
  CHECK(reply.ParseFromArray(view.data(), static_cast<int>(view.size())));
  (void)channel_.UpdateKeys(net::After(kTimeoutMs));  // fails if the session has ended
  return reply;
}

void ExpectNothingComputed(const wire::Reply& reply, const std::string& reason) {
  EXPECT_TRUE(reply.has_failure());
  EXPECT_FALSE(reply.has_outputs());
  EXPECT_EQ(reply.failure().code(), "unauthentic");
  EXPECT_EQ(reply.failure().reason(), reason);
  EXPECT_EQ(reply.measurements().execute_us(), 0U);
  EXPECT_EQ(reply.measurements().bytes_wiped(), reply.measurements().bytes_opened());
}

}  // namespace ephemeralml::attacks

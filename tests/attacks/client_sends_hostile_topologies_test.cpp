// A client sends topologies that no decomposer writes. Each is answered with an error that says why
// and the session goes on, or the session ends alone; the others don't notice, and nobody hangs.

#include <chrono>

#include "common/wire/topology_format.h"
#include "tests/attacks/attacked.h"
#include "tests/attacks/hostile_topologies.h"

namespace ephemeralml::attacks {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kRequestTime = std::chrono::seconds(2);
constexpr std::chrono::seconds kPatience = std::chrono::seconds(30);  // of a busy machine

class ClientSendsHostileTopologies : public testing::Test {
 protected:
  static System::Options Options() {
    System::Options options;
    options.enclave_arguments = {"--session-memory", "67108864",       "--message-limit",
                                 "67108864",         "--request-time", "2000"};
    return options;
  }

  // The model's blob and secret under another graph.
  Bytes RequestFor(wire::Topology topology) const {
    wire::Topology honest;
    const ByteSpan bytes = model_.split.topology.Reveal();
    CHECK(honest.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    *topology.mutable_blob() = honest.blob();
    wire::Request request;
    *request.mutable_topology() = std::move(topology);
    Bytes serialized(request.ByteSizeLong());
    CHECK(request.SerializeToArray(serialized.data(), static_cast<int>(serialized.size())));
    return serialized;
  }

  // Nodes without anything in them: two bytes each in the message, a hundred in memory.
  static Bytes RequestWithNodes(size_t count) {
    constexpr uint8_t kGraph = 4 << 3 | 2, kNodes = 1 << 3 | 2, kTopology = 2 << 3 | 2;
    Bytes nodes;
    for (size_t i = 0; i < count; ++i) nodes.insert(nodes.end(), {kNodes, 0});
    return Field(kTopology, Field(kGraph, nodes));
  }

  static Bytes Field(uint8_t tag, const Bytes& content) {
    Bytes field = {tag};
    size_t length = content.size();
    for (; length >= 0x80; length >>= 7) field.push_back(static_cast<uint8_t>(length | 0x80));
    field.push_back(static_cast<uint8_t>(length));
    AppendBytes(field, content);
    return field;
  }

  void ExpectAnswer(BareSession& session, const HostileGraph& graph) const {
    const Clock::time_point start = Clock::now();
    const wire::Reply reply = session.Send(RequestFor(graph.topology));
    EXPECT_EQ(reply.failure().reason(), graph.reason) << graph.name << reply.failure().detail();
    EXPECT_FALSE(reply.failure().detail().empty()) << graph.name;
    EXPECT_LT(reply.failure().detail().size(), 4096U) << graph.name;
    EXPECT_LT(Clock::now() - start, kRequestTime + kPatience) << graph.name;
  }

  void TearDown() override {
    EXPECT_EQ(Attacked::Ask(other_, model_), "");
    attacked_.ExpectHealthy(model_);
  }

  Attacked attacked_{Options()};
  SmallModel model_ = attacked_.Make(1);
  session::Session other_ = attacked_.Connect();
};

TEST_F(ClientSendsHostileTopologies, ThatAreRefusedAndItsSessionGoesOn) {
  BareSession session(attacked_.system());
  for (const HostileGraph& graph : RefusedGraphs()) {
    ExpectAnswer(session, graph);
    EXPECT_TRUE(session.Ask(model_).has_outputs()) << graph.name;
  }
}

TEST_F(ClientSendsHostileTopologies, ThatNeverEndAndItsSessionGoesOn) {
  BareSession session(attacked_.system());
  for (const HostileGraph& graph : EndlessGraphs()) {
    ExpectAnswer(session, graph);
    EXPECT_TRUE(session.Ask(model_).has_outputs()) << graph.name;
  }
}

TEST_F(ClientSendsHostileTopologies, WithAnOperatorThatNeverEnds) {
  BareSession session(attacked_.system());
  ExpectAnswer(session, EndlessOperator());
  EXPECT_EQ(session.Ask(model_).failure().reason(), "connection_lost");
}

TEST_F(ClientSendsHostileTopologies, NestedDeeperThanAMessageMayBe) {
  BareSession session(attacked_.system());
  const wire::Reply reply = session.Send(RequestFor(NestedIfs(200)));
  EXPECT_EQ(reply.failure().reason(), "request_malformed");
  EXPECT_TRUE(session.Ask(model_).has_outputs());
}

TEST_F(ClientSendsHostileTopologies, ThatHoldMoreThanAWorkersMemory) {
  BareSession session(attacked_.system());
  const wire::Reply reply = session.Send(RequestWithNodes(12'000'000));
  EXPECT_EQ(reply.failure().reason(), "session_memory_exceeded");
  EXPECT_EQ(session.Ask(model_).failure().reason(), "connection_lost");
}

TEST_F(ClientSendsHostileTopologies, WithAnswersThatNoReplyHolds) {
  BareSession session(attacked_.system());
  ExpectAnswer(session, HugeAnswer());
  EXPECT_TRUE(session.Ask(model_).has_outputs());
}

}  // namespace
}  // namespace ephemeralml::attacks

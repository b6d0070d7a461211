// Properties 1 and 9: all that a host ever sees, but for fresh random values and times, is the same
// for any two models, weights and inputs whose padded lengths are equal.

#include <fstream>
#include <map>
#include <tuple>

#include "client/session/messages.h"
#include "common/net/http_client.h"
#include "common/wire/frame.h"
#include "tests/properties/property.h"
#include "tests/properties/random_model.h"
#include "tests/properties/recording_proxy.h"
#include "tests/support/system.h"

namespace ephemeralml::properties {
namespace {

using testing_support::SplitModel;
using testing_support::System;

constexpr size_t kMostNodes = 16;
constexpr int kCases = 40;
constexpr int kRequests = 2;
constexpr size_t kMostBesidesOutputs = 160;  // in a reply: measurements and field headers

/// What padding is allowed to tell.
struct PaddedLengths {
  uint64_t blob = 0;
  size_t request = 0;
  size_t reply = 0;
  auto operator<=>(const PaddedLengths&) const = default;
};

/// A client's own mistakes: each tells the host what it shouldn't know.
enum class Leak { kNone, kHeaderWithWeightCount, kUnpaddedRequest };

struct Seen {
  PaddedLengths lengths;
  bool is_between_buckets = false;  ///< a reply's size that varies with its measurements
  std::string transcript;
};

class HostView : public testing::Test {
 protected:
  HostView() : system_(Options()), policy_(system_.Policy()), root_(system_.Root()) {
    to_host_.ForwardTo(system_.host_port());
    from_enclave_.ForwardTo(system_.host_port());
    to_enclave_.ForwardTo(system_.enclave_port());
  }

  System::Options Options() {
    System::Options options;
    options.enclave_dialled_at = to_enclave_.port();
    options.host_fetched_from = from_enclave_.port();
    return options;
  }

  /// Stores the model, opens a session, asks twice, ends it and removes the blob.
  Seen Watch(const RandomModel& model, Leak leak = Leak::kNone) {
    const auto path = system_.folder() / "model.onnx";
    std::ofstream(path, std::ios::binary) << AsText(model.onnx);
    const SplitModel split = system_.Split(path);
    Seen seen;
    seen.lengths = LengthsOf(model, split, seen.is_between_buckets);
    session::BlobStoreAccess store = system_.Store();
    store.host.port = to_host_.port();
    CHECK(session::UploadBlob(store, split.blob_id, split.blob, {}).has_value());
    if (leak == Leak::kHeaderWithWeightCount) TellWeightCount(model);
    if (leak == Leak::kUnpaddedRequest) {
      SendUnpadded(model, split);
    } else {
      Ask(model, split);
    }
    CHECK(session::DeleteBlob(store, split.blob_id).has_value());
    seen.transcript = Transcript(recorder_.Take());
    std::filesystem::remove(split.blob);
    return seen;
  }

 private:
  session::SessionSettings Settings() const {
    session::SessionSettings settings = system_.Settings();
    settings.host.port = to_host_.port();
    return settings;
  }

  static PaddedLengths LengthsOf(const RandomModel& model, const SplitModel& split,
                                 bool& is_between_buckets) {
    PaddedLengths lengths;
    lengths.blob = std::filesystem::file_size(split.blob);
    lengths.request =
        wire::PaddedLength(session::EncodeRequest(split.topology, model.inputs).value().size());
    size_t least = 0;
    size_t most = kMostBesidesOutputs;
    for (const auto& output : model.expected) {
      least += output.data.size();
      most += output.data.size() + output.name.size() + 12 * (output.shape.size() + 3);
    }
    lengths.reply = wire::PaddedLength(most);
    is_between_buckets = lengths.reply != wire::PaddedLength(least);
    return lengths;
  }

  void Ask(const RandomModel& model, const SplitModel& split) {
    session::Session session = session::Session::Open(Settings(), policy_, root_).value();
    for (int i = 0; i < kRequests; ++i) {
      const auto answer = session.Infer(split.topology, model.inputs);
      CHECK(answer.has_value() && Disagreement(answer->outputs, model.expected) <= 1);
    }
    session.Close();
  }

  void TellWeightCount(const RandomModel& model) {
    const net::Deadline deadline = net::After(10'000);
    const auto address = net::Resolve(Settings().host).value();
    net::HttpConnection connection(net::Connect(address, deadline).value());
    const std::string count = std::to_string(model.weights.size());
    CHECK(connection.SendHead({"GET", "/healthz", "ADDRESS", {{"X-Weights", count}}, 0}, deadline)
              .has_value());
    CHECK(connection.ReceiveHead(true, deadline).has_value());
  }

  void SendUnpadded(const RandomModel& model, const SplitModel& split) {
    auto presented = session::AskForEvidence(Settings()).value();
    const net::Deadline deadline = net::After(10'000);
    const SecretBytes request = session::EncodeRequest(split.topology, model.inputs).value();
    Bytes frame;
    for (int i = 0; i < 2; ++i) AppendU32BigEndian(frame, static_cast<uint32_t>(request.size()));
    AppendBytes(frame, request.Reveal());
    CHECK(presented.channel.SendRaw(frame, deadline).has_value());
    (void)presented.channel.ReceiveMessage(wire::kLargestMessageBytes, deadline);
  }

  Recorder recorder_;
  RecordingProxy to_host_{recorder_, "client to host"};
  RecordingProxy to_enclave_{recorder_, "host to enclave"};
  RecordingProxy from_enclave_{recorder_, "enclave to host"};
  System system_;
  verify::Policy policy_;
  verify::TrustRoot root_;
};

using Property1_Separation = HostView;
using Property9_HostCompromise = HostView;

Recipe ArbitraryRecipeOfAFewSizes() {
  Recipe recipe = ArbitraryRecipe(kMostNodes);
  // Beyond the smallest bucket of blobs now and then, with little between buckets.
  if (*rc::gen::inRange(0, 3) == 0) recipe.hidden = *rc::gen::inRange(60'000, 64'000);
  return recipe;
}

TEST_F(Property9_HostCompromise, TheHostsViewDependsOnPaddedLengthsAlone) {
  std::map<PaddedLengths, std::string> known;
  int compared = 0;
  CheckProperty(9, kCases, [&] {
    const Seen seen = Watch(MakeRandomModel(ArbitraryRecipeOfAFewSizes()));
    RC_PRE(!seen.is_between_buckets);
    const auto [before, is_new] = known.emplace(seen.lengths, seen.transcript);
    RC_LOG() << "before:\n" << before->second << "now:\n" << seen.transcript;
    RC_ASSERT(seen.transcript == before->second);
    compared += is_new ? 0 : 1;
  });
  std::cout << compared << " comparisons in " << known.size() << " classes, one of them:\n"
            << known.begin()->second;
  EXPECT_GE(compared, kCases / 3);
  EXPECT_GE(known.size(), 2U);
  std::set<std::string> different;
  for (const auto& [lengths, transcript] : known) different.insert(transcript);
  EXPECT_EQ(different.size(), known.size());
}

// Same architecture, other weights and other inputs; then another architecture altogether.
TEST_F(Property1_Separation, TheHostCantTellModelsOfOnePaddedLengthApart) {
  const Seen one = Watch(MakeRandomModel({.seed = 21, .nodes = 3}));
  int compared = 0;
  for (const Recipe& other : {Recipe{.seed = 22, .nodes = 3}, Recipe{.seed = 23, .nodes = 8},
                              Recipe{.seed = 24, .nodes = 12}, Recipe{.seed = 25, .nodes = 1}}) {
    const Seen seen = Watch(MakeRandomModel(other));
    if (seen.lengths != one.lengths) continue;
    ++compared;
    EXPECT_EQ(seen.transcript, one.transcript);
  }
  EXPECT_GE(compared, 2);
}

TEST_F(Property9_HostCompromise, OtherPaddedLengthsAreSeen) {
  const Seen small = Watch(MakeRandomModel({.seed = 21, .nodes = 3}));
  const Seen large = Watch(MakeRandomModel({.seed = 21, .nodes = 3, .hidden = 90'000}));
  EXPECT_NE(small.lengths, large.lengths);
  EXPECT_NE(small.transcript, large.transcript);
}

class PlantedLeak : public HostView, public testing::WithParamInterface<Leak> {};

TEST_P(PlantedLeak, IsNoticed) {
  const RandomModel small = MakeRandomModel({.seed = 21, .nodes = 1});
  const RandomModel large = MakeRandomModel({.seed = 22, .nodes = 10});
  ASSERT_NE(small.weights.size(), large.weights.size());
  const Seen honest = Watch(small);
  ASSERT_EQ(honest.lengths, Watch(large).lengths);
  EXPECT_EQ(honest.transcript, Watch(large).transcript);
  EXPECT_NE(Watch(small, GetParam()).transcript, Watch(large, GetParam()).transcript);
}

INSTANTIATE_TEST_SUITE_P(Property9, PlantedLeak,
                         testing::Values(Leak::kHeaderWithWeightCount, Leak::kUnpaddedRequest),
                         [](const auto& each) {
                           return each.param == Leak::kUnpaddedRequest
                                      ? std::string("AnUnpaddedRequest")
                                      : std::string("AHeaderWithTheWeightCount");
                         });

}  // namespace
}  // namespace ephemeralml::properties

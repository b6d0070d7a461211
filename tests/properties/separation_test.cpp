// Property 1: what the client keeps holds no weights, and what the host gets says nothing but its
// padded length.

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "client/decompose/testing/split_model.h"
#include "tests/properties/property.h"
#include "tests/properties/random_model.h"

namespace ephemeralml::properties {
namespace {

using decompose::testing::AddInt;
using decompose::testing::AddInts;
using decompose::testing::Counting;
using decompose::testing::ModelBuilder;
using decompose::testing::Split;
using decompose::testing::SplitModel;

using Order = std::vector<int64_t>;

constexpr size_t kMostNodes = 16;
constexpr int kCases = 40;
constexpr size_t kWindow = 8;
constexpr uint64_t kChunkBytes = 16 * 1024;  // docs/formats/weight_blob.md
constexpr uint64_t kTagBytes = 16;
constexpr uint64_t kFewestChunks = 64;

/// Every run of eight bytes of what is secret.
class Windows {
 public:
  void Add(ByteSpan secret) {
    for (size_t i = 0; i + kWindow <= secret.size(); ++i) windows_.insert(Read(secret, i));
  }
  void Add(const std::string& secret) { Add(AsBytes(secret)); }
  bool OccurIn(ByteSpan bytes) const {
    for (size_t i = 0; i + kWindow <= bytes.size(); ++i) {
      if (windows_.contains(Read(bytes, i))) return true;
    }
    return false;
  }

 private:
  static uint64_t Read(ByteSpan bytes, size_t at) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, kWindow);
    return value;
  }
  std::unordered_set<uint64_t> windows_;
};

Windows WeightsOf(const RandomModel& model) {
  Windows windows;
  for (const Bytes& weight : model.weights) windows.Add(weight);
  return windows;
}

Bytes AsInt64s(const std::vector<int64_t>& numbers) {
  Bytes bytes(numbers.size() * sizeof(int64_t));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

Windows AllOf(const RandomModel& model) {
  Windows windows = WeightsOf(model);
  for (const std::string& name : model.inner_names) windows.Add(name);
  for (const auto* io : {&model.inputs, &model.expected}) {
    for (const auto& tensor : *io) windows.Add(tensor.name);
  }
  for (const auto& shape : model.weight_shapes) windows.Add(AsInt64s(shape));
  return windows;
}

// Pearson's statistic against evenly spread values, 255 degrees of freedom.
template <class At>
double ChiSquared(size_t count, At at) {
  std::array<double, 256> seen = {};
  for (size_t i = 0; i < count; ++i) ++seen[at(i)];
  const double expected = static_cast<double>(count) / 256;
  double sum = 0;
  for (const double n : seen) sum += (n - expected) * (n - expected) / expected;
  return sum;
}

// Single bytes, neighbours, and bytes at one place of neighbouring chunks are spread evenly (beyond
// 450 with a chance of about 1e-12), and no cipher block occurs twice.
bool LooksRandom(ByteSpan blob) {
  constexpr double kMost = 450;
  constexpr size_t kSealed = kChunkBytes + kTagBytes;
  constexpr size_t kBlock = 16;
  const auto distance = [&](size_t apart) {
    return ChiSquared(blob.size() - apart,
                      [&](size_t i) -> uint8_t { return blob[i] ^ blob[i + apart]; });
  };
  if (ChiSquared(blob.size(), [&](size_t i) { return blob[i]; }) > kMost) return false;
  if (distance(1) > kMost || distance(kSealed) > kMost) return false;
  std::unordered_set<std::string_view> blocks;
  for (size_t i = 0; i + kBlock <= blob.size(); i += kBlock) {
    if (!blocks.insert(AsText(blob.subspan(i, kBlock))).second) return false;
  }
  return true;
}

// PURBs, section 4: of a length's bits, the lowest E - S are zero.
bool IsPadme(uint64_t length) {
  const uint64_t exponent = std::bit_width(length) - 1;
  const uint64_t kept = std::bit_width(exponent);
  return exponent <= kept || length % (uint64_t{1} << (exponent - kept)) == 0;
}

bool IsABucket(uint64_t blob_bytes) {
  const uint64_t chunks = blob_bytes / (kChunkBytes + kTagBytes);
  return blob_bytes % (kChunkBytes + kTagBytes) == 0 && chunks >= kFewestChunks && IsPadme(chunks);
}

ByteSpan KeyOf(const SplitModel& split) { return split.report.topology_message.Reveal(); }

TEST(Property1_Separation, TheTopologyKeyHoldsNoWeights) {
  CheckProperty(1, kCases, [] {
    const RandomModel model = MakeRandomModel(ArbitraryRecipe(kMostNodes));
    const SplitModel split = Split(model.onnx).value();
    RC_ASSERT(!WeightsOf(model).OccurIn(KeyOf(split)));
  });
}

// Four heads of eight columns, the scores multiplied by that constant.
void AddAttention(ModelBuilder& model, const std::string& scale) {
  model.Input("t", {1, 5, 32}).Output("z", {1, 5, 32});
  model.Ints("split", {4}, {0, 0, 4, 8});
  model.Ints("join", {3}, {0, 0, 32});
  for (const std::string part : {"q", "k", "v"}) {
    model.Node("Reshape", {"t", "split"}, {part + " heads"});
    auto* turn = model.Node("Transpose", {part + " heads"}, {part});
    AddInts(turn, "perm", part == "k" ? Order{0, 2, 3, 1} : Order{0, 2, 1, 3});
  }
  model.Node("MatMul", {"q", "k"}, {"products"});
  model.Node("Mul", {"products", scale}, {"scores"});
  model.Node("Softmax", {"scores"}, {"shares"});
  model.Node("MatMul", {"shares", "v"}, {"sums"});
  AddInts(model.Node("Transpose", {"sums"}, {"turned back"}), "perm", {0, 2, 1, 3});
  model.Node("Reshape", {"turned back", "join"}, {"z"});
}

// A network in which all the numbers were learned that operators of ours could take as attributes.
Bytes WithLearnedNumbers(const std::vector<float>& learned) {
  ModelBuilder model(13);
  model.Input("x", {1, 4, 8, 8}).Output("y", {1, 4, 8, 8});
  model.Floats("filters", {4, 1, 3, 3}, Counting(36));
  model.Floats("factors", {8, 8}, Counting(64));
  for (size_t i = 0; i < learned.size(); ++i) {
    model.Floats("n" + std::to_string(i), {}, {learned[i]});
  }
  auto* conv = model.Node("Conv", {"x", "filters"}, {"c"});
  AddInt(conv, "group", 4);
  AddInts(conv, "pads", {1, 1, 1, 1});
  model.Node("Mul", {"c", "n0"}, {"scaled"});
  model.Node("Add", {"scaled", "n1"}, {"shifted"});
  model.Node("Relu", {"shifted"}, {"activated"});
  model.Node("MatMul", {"activated", "factors"}, {"product"});
  model.Node("Clip", {"product", "n2", "n3"}, {"clipped"});
  AddInts(model.Node("ReduceMean", {"clipped"}, {"mean"}), "axes", {-1});
  model.Node("Sub", {"clipped", "mean"}, {"d"});
  model.Node("Mul", {"d", "d"}, {"squares"});
  AddInts(model.Node("ReduceMean", {"squares"}, {"variance"}), "axes", {-1});
  model.Node("Add", {"variance", "n4"}, {"sum"});
  model.Node("Sqrt", {"sum"}, {"deviation"});
  model.Node("Div", {"d", "deviation"}, {"normalized"});
  model.Floats("columns", {8}, Counting(8));
  model.Node("Mul", {"normalized", "columns"}, {"weighed"});
  model.Node("Add", {"weighed", "columns"}, {"y"});
  AddAttention(model, "n5");
  return model.Serialize();
}

TEST(Property1_Separation, TheTopologyKeyHoldsNoLearnedNumber) {
  const std::vector<float> learned = {1.2345F, -0.8713F, -1.7531F, 2.3917F, 3.1415e-5F, 0.7392F};
  const SplitModel split = Split(WithLearnedNumbers(learned)).value();
  const std::string_view key = AsText(KeyOf(split));
  for (const float number : learned) {
    const std::string_view bytes(reinterpret_cast<const char*>(&number), sizeof number);
    EXPECT_EQ(key.find(bytes), std::string_view::npos) << number;
  }
}

TEST(Property1_Separation, TheTopologyKeyHoldsNoInnerNames) {
  CheckProperty(1, kCases, [] {
    const RandomModel model = MakeRandomModel(ArbitraryRecipe(kMostNodes));
    const SplitModel split = Split(model.onnx).value();
    Windows names;
    // Without their kinds: an output's name begins as a hidden one's does.
    for (const std::string& name : model.inner_names) names.Add(name.substr(name.size() - 12));
    RC_ASSERT(!names.OccurIn(KeyOf(split)));
  });
}

TEST(Property1_Separation, TheBlobHoldsNothingOfTheModelAndLooksRandom) {
  CheckProperty(1, kCases, [] {
    Recipe recipe = ArbitraryRecipe(kMostNodes);
    if (*rc::gen::inRange(0, 5) == 0) recipe.hidden = *rc::gen::inRange(20'000, 90'000);
    const RandomModel model = MakeRandomModel(recipe);
    const SplitModel split = Split(model.onnx).value();
    RC_ASSERT(!AllOf(model).OccurIn(split.blob));
    RC_ASSERT(LooksRandom(split.blob));
    RC_ASSERT(IsABucket(split.blob.size()));
  });
}

TEST(Property1_Separation, BlobsOfOneModelHaveNothingInCommon) {
  const RandomModel model = MakeRandomModel({.seed = 3, .nodes = kMostNodes});
  const SplitModel one = Split(model.onnx).value();
  const SplitModel other = Split(model.onnx).value();
  ASSERT_EQ(one.blob.size(), other.blob.size());
  Windows windows;
  windows.Add(one.blob);
  EXPECT_FALSE(windows.OccurIn(other.blob));
}

// The searches find what they search for.
TEST(Property1_Separation, AWeightInTheKeyWouldBeNoticed) {
  const RandomModel model = MakeRandomModel({.seed = 4, .nodes = kMostNodes});
  const SplitModel split = Split(model.onnx).value();
  Bytes key(KeyOf(split).begin(), KeyOf(split).end());
  const Bytes& longest = *std::ranges::max_element(model.weights, {}, &Bytes::size);
  AppendBytes(key, ByteSpan(longest).first(kWindow + 3));
  EXPECT_TRUE(WeightsOf(model).OccurIn(key));
}

TEST(Property1_Separation, PlaintextInTheBlobWouldBeNoticed) {
  const RandomModel model = MakeRandomModel({.seed = 4, .nodes = kMostNodes});
  const SplitModel split = Split(model.onnx).value();
  Bytes blob = split.blob;
  std::ranges::copy(AsBytes(model.inner_names.front()).first(kWindow), blob.begin() + 12345);
  EXPECT_TRUE(AllOf(model).OccurIn(blob));
  EXPECT_TRUE(AllOf(model).OccurIn(split.Plaintext()));
  EXPECT_FALSE(LooksRandom(split.Plaintext()));
  // One chunk's stream of key used for two chunks.
  blob = split.blob;
  std::copy_n(blob.begin(), 16, blob.begin() + 3 * (kChunkBytes + kTagBytes));
  EXPECT_FALSE(LooksRandom(blob));
  EXPECT_FALSE(IsABucket(split.blob.size() - kChunkBytes - kTagBytes));
  EXPECT_FALSE(IsABucket(split.blob.size() + kChunkBytes + kTagBytes));
}

}  // namespace
}  // namespace ephemeralml::properties

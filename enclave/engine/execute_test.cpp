// Long because its tests share what they run a model with.
#include "enclave/engine/execute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/strings.h"
#include "enclave/engine/testing/topology_builder.h"

namespace ephemeralml::engine {
namespace {

using testing::AddNode;
using testing::AddSubgraph;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TopologyBuilder;

constexpr size_t kArenaBytes = size_t{64} << 20;

template <class T>
NamedView View(std::string_view name, Shape shape, const std::vector<T>& values) {
  return {name,
          {TypeOf<T>(),
           std::move(shape),
           {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)}}};
}

// One model and what it runs with.
class Executing : public ::testing::Test {
 protected:
  void Prepare() {
    blob_ = &builder_.Seal();
    auto prepared = engine::Prepare(builder_.topology());
    ASSERT_TRUE(prepared.has_value()) << prepared.error().what;
    model_ = *std::move(prepared);
  }

  Result<std::vector<NamedTensor>> Run(const std::vector<NamedView>& inputs, Limits limits = {}) {
    const weights::SealedModel sealed = blob_->model();
    return engine::Execute(model_, inputs, sealed, *arena_, threads_, ledger_, limits);
  }

  void ExpectFailure(const std::vector<NamedView>& inputs, std::string_view reason,
                     Limits limits = {}) {
    const auto outputs = Run(inputs, limits);
    ASSERT_FALSE(outputs.has_value());
    EXPECT_EQ(outputs.error().reason, reason) << outputs.error().what;
    ExpectNothingLeft();
  }

  void ExpectNothingLeft() {
    EXPECT_EQ(arena_->bytes_in_use(), 0u);
    arena_->WipeDiscarded([](MutableByteSpan) { ADD_FAILURE() << "an activation isn't wiped"; });
    EXPECT_EQ(ledger_.Read().bytes_opened, ledger_.Read().bytes_wiped);
  }

  std::unique_ptr<Arena> arena_ = *Arena::Create(kArenaBytes);
  Threads threads_{2};
  weights::Ledger ledger_;
  TopologyBuilder builder_;
  weights::testing::TestBlob* blob_ = nullptr;
  PreparedModel model_;
};

std::vector<float> Floats(const NamedTensor& tensor) {
  const TensorView view = tensor.tensor.View();
  const auto values = view.Values<float>();
  return {values.begin(), values.end()};
}

// y = relu(x w) + b, x [n, 2].
void BuildLayer(TopologyBuilder& builder) {
  builder.Input(1, "x", {-1, 2}).Output(6, "y");
  builder.Weight(2, {2, 3}, {1, -1, 2, 3, -3, 0}, wire::COLUMN_PANELS, 2);
  builder.Weight(3, {3}, {10, 20, 30});
  AddNode(builder.graph(), "MatMul", {1, 2}, {4});
  AddNode(builder.graph(), "Relu", {4}, {5});
  AddNode(builder.graph(), "Add", {5, 3}, {6});
}

TEST_F(Executing, ComputesOverSealedWeights) {
  BuildLayer(builder_);
  Prepare();
  const std::vector<float> x = {1, 1, 0, -1};
  {
    const auto outputs = Run({View<float>("x", {2, 2}, x)});
    ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
    ASSERT_EQ(outputs->size(), 1u);
    EXPECT_EQ((*outputs)[0].name, "y");
    EXPECT_EQ((*outputs)[0].tensor.shape(), (Shape{2, 3}));
    EXPECT_THAT(Floats((*outputs)[0]), ElementsAre(14, 20, 32, 10, 23, 30));
  }
  ExpectNothingLeft();
  EXPECT_GT(ledger_.Read().bytes_opened, 0u);
  EXPECT_GT(ledger_.Read().peak_plaintext_bytes, 0u);
}

TEST_F(Executing, LeavesNothingOpenWhenAChunkIsAltered) {
  BuildLayer(builder_);
  Prepare();
  const std::vector<float> x = {1, 1};
  for (size_t i = 0; i < blob_->sealed().size(); i += 997) {
    blob_->sealed()[i] ^= 1;
    const auto outputs = Run({View<float>("x", {1, 2}, x)});
    ASSERT_FALSE(outputs.has_value());
    EXPECT_EQ(outputs.error().reason, "weights_unauthentic");
    EXPECT_THAT(outputs.error().what, Not(HasSubstr("node")));
    ExpectNothingLeft();
    blob_->sealed()[i] ^= 1;
  }
}

TEST_F(Executing, RefusesABlobWithTooFewChunks) {
  BuildLayer(builder_);
  Prepare();
  blob_->sealed().resize(blob_->sealed().size() - 1);
  const std::vector<float> x = {1, 1};
  ExpectFailure({View<float>("x", {1, 2}, x)}, "weights_unauthentic");
}

// y = c ? relu(x) : w, with w from outside the branch.
void BuildChoice(TopologyBuilder& builder) {
  builder.Input(1, "x", {2}).Input(2, "c", {}, ElementType::kBool).Output(9, "y");
  builder.Weight(3, {2}, {7, 8});
  AddNode(builder.graph(), "Neg", {1}, {4});
  wire::Node* choice = AddNode(builder.graph(), "If", {2}, {8});
  wire::Graph* then_branch = AddSubgraph(*choice, "then_branch");
  AddNode(*then_branch, "Relu", {4}, {5});
  then_branch->add_outputs()->set_id(5);
  AddSubgraph(*choice, "else_branch")->add_outputs()->set_id(3);
  AddNode(builder.graph(), "Neg", {8}, {9});
}

TEST_F(Executing, RunsTheBranchThatIsChosen) {
  BuildChoice(builder_);
  Prepare();
  const std::vector<float> x = {-1, 1};
  for (const auto& [condition, expected] :
       {std::pair(uint8_t{1}, std::vector<float>{-1, 0}), {uint8_t{0}, {-7, -8}}}) {
    const NamedView c = {"c", {ElementType::kBool, {}, {&condition, 1}}};
    {
      const auto outputs = Run({c, View<float>("x", {2}, x)});
      ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
      EXPECT_EQ(Floats((*outputs)[0]), expected);
    }
    ExpectNothingLeft();
  }
}

TEST_F(Executing, NamesTheNodeThatFailsInABranch) {
  BuildChoice(builder_);
  builder_.graph()
      .mutable_nodes(1)
      ->mutable_attributes(0)
      ->mutable_graph()
      ->mutable_nodes(0)
      ->set_operator_("MatMul");
  builder_.graph()
      .mutable_nodes(1)
      ->mutable_attributes(0)
      ->mutable_graph()
      ->mutable_nodes(0)
      ->add_inputs(2);
  Prepare();
  const std::vector<float> x = {-1, 1};
  const uint8_t condition = 1;
  const NamedView c = {"c", {ElementType::kBool, {}, {&condition, 1}}};
  const auto outputs = Run({c, View<float>("x", {2}, x)});
  ASSERT_FALSE(outputs.has_value());
  EXPECT_THAT(outputs.error().what, HasSubstr("node 1 (If): node 0 (MatMul): "));
  ExpectNothingLeft();
}

TEST_F(Executing, RefusesABranchWithInputsOrAnotherNumberOfOutputs) {
  BuildChoice(builder_);
  wire::Graph* branch = builder_.graph().mutable_nodes(1)->mutable_attributes(0)->mutable_graph();
  branch->add_outputs()->set_id(4);
  Prepare();
  const std::vector<float> x = {-1, 1};
  const uint8_t condition = 1;
  const NamedView c = {"c", {ElementType::kBool, {}, {&condition, 1}}};
  ExpectFailure({c, View<float>("x", {2}, x)}, "topology_malformed");
  branch->mutable_outputs()->RemoveLast();
  *branch->add_inputs() = testing::MakeValue(99, "", ElementType::kFloat, {1});
  auto prepared = engine::Prepare(builder_.topology());
  ASSERT_TRUE(prepared.has_value());
  model_ = *std::move(prepared);
  ExpectFailure({c, View<float>("x", {2}, x)}, "topology_malformed");
}

TEST_F(Executing, GivesOutWeightsConstantsAndInputsAsOutputs) {
  builder_.Input(1, "x", {2}).Output(1, "same").Output(2, "w").Output(3, "k").Output(4, "c");
  builder_.Weight(2, {2}, {5, 6}).Weight(4, {2, 3}, {1, 2, 3, 4, 5, 6}, wire::COLUMN_PANELS, 2);
  builder_.Constant(3, {1}, {9});
  Prepare();
  const std::vector<float> x = {1, 2};
  {
    const auto outputs = Run({View<float>("x", {2}, x)});
    ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
    EXPECT_THAT(Floats((*outputs)[0]), ElementsAre(1, 2));
    EXPECT_THAT(Floats((*outputs)[1]), ElementsAre(5, 6));
    EXPECT_THAT(Floats((*outputs)[2]), ElementsAre(9));
    EXPECT_THAT(Floats((*outputs)[3]), ElementsAre(1, 2, 3, 4, 5, 6));
  }
  ExpectNothingLeft();
}

TEST_F(Executing, ReleasesActivationsAfterTheirLastUse) {
  constexpr int64_t kElements = 1 << 18;
  builder_.Input(1, "x", {kElements});
  uint32_t id = 1;
  for (; id < 100; ++id) AddNode(builder_.graph(), "Neg", {id}, {id + 1});
  builder_.Output(id, "y");
  Prepare();
  const std::vector<float> x(kElements, 1.0f);
  ASSERT_TRUE(Run({View<float>("x", {kElements}, x)}).has_value());
  EXPECT_LE(arena_->peak_bytes(), 3 * x.size() * sizeof(float));
  ExpectNothingLeft();
}

TEST_F(Executing, FailsWhenASessionsMemoryIsUsedUp) {
  BuildLayer(builder_);
  Prepare();
  arena_ = *Arena::Create(64 << 10);
  const std::vector<float> x(2 * 8000, 1.0f);
  ExpectFailure({View<float>("x", {8000, 2}, x)}, "session_memory_exceeded");
}

TEST_F(Executing, BoundsTheNumberOfSteps) {
  BuildLayer(builder_);
  Prepare();
  const std::vector<float> x = {1, 1};
  ExpectFailure({View<float>("x", {1, 2}, x)}, "step_limit_exceeded", {.most_steps = 2});
  EXPECT_TRUE(Run({View<float>("x", {1, 2}, x)}, {.most_steps = 3}).has_value());
}

TEST_F(Executing, StopsAtItsDeadline) {
  BuildLayer(builder_);
  Prepare();
  const std::vector<float> x = {1, 1};
  const auto now = std::chrono::steady_clock::now();
  ExpectFailure({View<float>("x", {1, 2}, x)}, "time_limit_exceeded", {.deadline = now});
  EXPECT_TRUE(Run({View<float>("x", {1, 2}, x)}, {.deadline = now + std::chrono::hours(1)}));
}

// Two inputs that share a symbol.
void BuildPair(TopologyBuilder& builder) {
  builder.Input(1, "a", {-1, 2}).Input(2, "b", {-1}).Output(1, "y");
  builder.graph().mutable_inputs(0)->mutable_shape(0)->set_symbol("n");
  builder.graph().mutable_inputs(1)->mutable_shape(0)->set_symbol("n");
}

TEST_F(Executing, SaysWhichInputDoesNotMatchAndHow) {
  BuildPair(builder_);
  Prepare();
  const std::vector<int32_t> ints = {1, 2};
  const std::vector<float> one = {1}, two = {1, 2};
  const NamedView good_a = View<float>("a", {1, 2}, two);
  const NamedView good_b = View<float>("b", {1}, one);
  ASSERT_TRUE(Run({good_b, good_a}).has_value());
  const auto expect = [&](const std::vector<NamedView>& inputs, const std::string& what) {
    const auto outputs = Run(inputs);
    ASSERT_FALSE(outputs.has_value()) << what;
    EXPECT_EQ(outputs.error().reason, "input_mismatch");
    EXPECT_EQ(outputs.error().code, Code::kInvalidArgument);
    EXPECT_THAT(outputs.error().what, HasSubstr(what));
    ExpectNothingLeft();
  };
  expect({good_a}, "'b'");
  expect({good_a, good_b, good_b}, "'b'");
  expect({good_a, good_b, View<float>("z", {1}, one)}, "'z'");
  expect({View<int32_t>("a", {1, 2}, ints), good_b}, "expected type float, given int32");
  expect({View<float>("a", {2}, two), good_b}, "expected shape [n, 2], given [2]");
  expect({View<float>("a", {2, 1}, two), good_b}, "expected shape [n, 2], given [2, 1]");
  expect({good_a, View<float>("b", {2}, two)}, "n is 1 elsewhere");
  expect({good_a, View<float>("b", {1}, two)}, "expected 4 bytes");
  expect({good_a, View<float>("b", {-1}, one)}, "'b'");
}

TEST_F(Executing, TakesAnyRankWhereTheModelNamesNone) {
  builder_.Input(1, "x", {}).Output(1, "y");
  builder_.graph().mutable_inputs(0)->set_has_shape(false);
  Prepare();
  const std::vector<float> x = {1, 2};
  EXPECT_TRUE(Run({View<float>("x", {1, 2, 1}, x)}).has_value());
  EXPECT_TRUE(Run({View<float>("x", {0}, {})}).has_value());
}

// A loop that doubles its state and gathers what it was: i, condition, x to condition, 2 x, x.
wire::Node* AddDoublingLoop(TopologyBuilder& builder, const std::vector<uint32_t>& inputs) {
  wire::Node* loop = AddNode(builder.graph(), "Loop", inputs, {20, 21});
  wire::Graph* body = AddSubgraph(*loop, "body");
  for (const uint32_t id : {30, 31, 32}) body->add_inputs()->set_id(id);
  AddNode(*body, "Identity", {31}, {33});
  AddNode(*body, "Add", {32, 32}, {34});
  AddNode(*body, "Identity", {32}, {35});
  for (const uint32_t id : {33, 34, 35}) body->add_outputs()->set_id(id);
  return loop;
}

TEST_F(Executing, LoopsAsOftenAsAskedFor) {
  builder_.Input(1, "n", {}, ElementType::kInt64).Input(2, "x", {2}).Output(20, "y");
  builder_.Output(21, "all");
  AddDoublingLoop(builder_, {1, 0, 2});
  Prepare();
  const auto outputs = Run({View<int64_t>("n", {}, {3}), View<float>("x", {2}, {1, 2})});
  ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
  EXPECT_THAT(Floats((*outputs)[0]), ElementsAre(8, 16));
  EXPECT_THAT(Floats((*outputs)[1]), ElementsAre(1, 2, 2, 4, 4, 8));
  EXPECT_THAT((*outputs)[1].tensor.shape(), ElementsAre(3, 2));
}

TEST_F(Executing, StopsLoopsThatDontEnd) {
  builder_.Input(1, "n", {}, ElementType::kInt64).Input(2, "x", {0}).Output(20, "y");
  builder_.Output(21, "all");
  AddDoublingLoop(builder_, {1, 0, 2});
  Prepare();
  ExpectFailure({View<int64_t>("n", {}, {INT64_MAX}), View<float>("x", {0}, {})},
                "step_limit_exceeded", {.most_steps = 1000});
  ExpectFailure({View<int64_t>("n", {}, {INT64_MAX}), View<float>("x", {0}, {})},
                "sequence_too_long");
}

// A body without nodes runs nothing that could be counted, but for itself.
TEST_F(Executing, CountsRunsOfAnEmptyBody) {
  builder_.Input(1, "c", {}, ElementType::kBool).Output(20, "y");
  wire::Node* loop = AddNode(builder_.graph(), "Loop", {0, 1, 1}, {20});
  wire::Graph* body = AddSubgraph(*loop, "body");
  for (const uint32_t id : {30, 31, 32}) body->add_inputs()->set_id(id);
  for (const uint32_t id : {31, 32}) body->add_outputs()->set_id(id);
  Prepare();
  const Bytes yes = {1};
  ExpectFailure({{"c", {ElementType::kBool, {}, yes}}}, "step_limit_exceeded",
                {.most_steps = 1000});
}

// Without steps nothing runs that could be counted, but for the batch.
TEST_F(Executing, LimitsTheBatchOfAScan) {
  builder_.Input(1, "x", {-1, 0}).Output(20, "y");
  builder_.topology().mutable_operator_sets(0)->set_version(8);
  wire::Node* scan = AddNode(builder_.graph(), "Scan", {0, 1}, {20});
  wire::Attribute* count = scan->add_attributes();
  count->set_name("num_scan_inputs");
  count->set_i(1);
  wire::Graph* body = AddSubgraph(*scan, "body");
  body->add_inputs()->set_id(30);
  AddNode(*body, "Identity", {30}, {31});
  body->add_outputs()->set_id(31);
  Prepare();
  ExpectFailure({View<float>("x", {(1 << 20) + 1, 0}, {})}, "sequence_too_long");
}

TEST_F(Executing, RefusesBodiesThatDontFitTheirLoop) {
  builder_.Input(1, "n", {}, ElementType::kInt64).Input(2, "x", {2}).Output(20, "y");
  AddDoublingLoop(builder_, {1, 0, 2, 2});
  Prepare();
  ExpectFailure({View<int64_t>("n", {}, {3}), View<float>("x", {2}, {1, 2})}, "topology_malformed");
}

TEST_F(Executing, CarriesSequences) {
  builder_.Input(1, "x", {2}).Input(2, "at", {}, ElementType::kInt64).Output(6, "y");
  AddNode(builder_.graph(), "SequenceEmpty", {}, {3});
  AddNode(builder_.graph(), "SequenceInsert", {3, 1}, {4});
  AddNode(builder_.graph(), "SequenceInsert", {4, 1, 2}, {5});
  AddNode(builder_.graph(), "SequenceAt", {5, 2}, {6});
  Prepare();
  {
    const auto outputs = Run({View<float>("x", {2}, {1, 2}), View<int64_t>("at", {}, {-1})});
    ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
    EXPECT_THAT(Floats(outputs->front()), ElementsAre(1, 2));
  }
  ExpectFailure({View<float>("x", {2}, {1, 2}), View<int64_t>("at", {}, {5})}, "input_invalid");
}

TEST_F(Executing, GivesNoKernelASequenceForATensor) {
  builder_.Input(1, "x", {2}).Output(3, "y");
  AddNode(builder_.graph(), "SequenceConstruct", {1, 1}, {2});
  wire::Node* node = AddNode(builder_.graph(), "Relu", {2}, {3});
  for (const char* op : {"Relu", "Shape", "Size", "Flatten", "Dropout", "Cast", "Transpose"}) {
    node->set_operator_(op);
    node->clear_attributes();
    if (node->operator_() == "Cast") {
      wire::Attribute* to = node->add_attributes();
      to->set_name("to");
      to->set_i(1);
    }
    auto prepared = engine::Prepare(builder_.topology());
    ASSERT_TRUE(prepared.has_value()) << op << prepared.error().what;
    model_ = *std::move(prepared);
    if (blob_ == nullptr) blob_ = &builder_.Seal();
    ExpectFailure({View<float>("x", {2}, {1, 2})}, "input_invalid");
  }
}

TEST_F(Executing, LendsNarrowFloatsAsFloats) {
  builder_.Input(1, "x", {2}, ElementType::kFloat16).Output(2, "y");
  AddNode(builder_.graph(), "Sqrt", {1}, {2});
  Prepare();
  const auto outputs = Run({[] {
    static const std::vector<uint16_t> kFourAndTwo = {0x4400, 0x4000};
    NamedView view = View<uint16_t>("x", {2}, kFourAndTwo);
    view.tensor.type = ElementType::kFloat16;
    return view;
  }()});
  ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
  const TensorView view = outputs->front().tensor.View();
  EXPECT_EQ(view.type, ElementType::kFloat16);
  EXPECT_THAT(std::vector<uint8_t>(view.bytes.begin(), view.bytes.end()),
              ElementsAre(0x00, 0x40, 0xA8, 0x3D));  // 2 and sqrt(2)
}

class ExecutingOnStrings : public Executing {
 protected:
  static NamedView Texts(std::string_view name, const Bytes& encoded, int64_t count) {
    return {name, {ElementType::kString, {count}, encoded}};
  }
  const std::vector<std::string_view> texts_ = {"b", "", "a long text", "b"};
  const Bytes encoded_ = wire::EncodeStrings(texts_);
};

TEST_F(ExecutingOnStrings, MovesAndSortsThem) {
  builder_.Input(1, "x", {-1}, ElementType::kString).Output(2, "y");
  AddNode(builder_.graph(), "Unique", {1}, {2});
  Prepare();
  const auto outputs = Run({Texts("x", encoded_, 4)});
  ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
  EXPECT_THAT(*Strings(outputs->front().tensor.View()), ElementsAre("", "a long text", "b"));
}

TEST_F(ExecutingOnStrings, ComputesNothingWithThem) {
  builder_.Input(1, "x", {-1}, ElementType::kString).Output(2, "y");
  AddNode(builder_.graph(), "Add", {1, 1}, {2});
  Prepare();
  ExpectFailure({Texts("x", encoded_, 4)}, "type_unsupported");
}

TEST_F(ExecutingOnStrings, ReadsAndWritesNumbers) {
  builder_.Input(1, "x", {-1}, ElementType::kString).Output(3, "y");
  const std::pair<int, uint32_t> casts[] = {{10, 2}, {8, 3}};  // to float16 and back
  for (const auto& [to, output] : casts) {
    wire::Attribute* attribute =
        AddNode(builder_.graph(), "Cast", {output - 1}, {output})->add_attributes();
    attribute->set_name("to");
    attribute->set_i(to);
  }
  Prepare();
  const std::vector<std::string_view> numbers = {"1.50", "-INF", "nan", "1e3"};
  const Bytes encoded = wire::EncodeStrings(numbers);
  {
    const auto outputs = Run({Texts("x", encoded, 4)});
    ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
    EXPECT_THAT(*Strings(outputs->front().tensor.View()),
                ElementsAre("1.5", "-INF", "NaN", "1000"));
  }
  ExpectFailure({Texts("x", encoded_, 4)}, "input_invalid");
}

TEST_F(ExecutingOnStrings, RefusesBytesThatAreNone) {
  builder_.Input(1, "x", {-1}, ElementType::kString).Output(2, "y");
  AddNode(builder_.graph(), "Identity", {1}, {2});
  Prepare();
  ExpectFailure({Texts("x", encoded_, 5)}, "input_mismatch");
  ExpectFailure({Texts("x", {}, 1)}, "input_mismatch");
}

TEST_F(Executing, TakesOptionalsAndSequencesWhereTheModelDoes) {
  builder_.Input(1, "x", {2}).Output(2, "y");
  builder_.graph().mutable_inputs(0)->set_is_optional(true);
  builder_.graph().mutable_inputs(0)->set_is_sequence(true);
  AddNode(builder_.graph(), "OptionalHasElement", {1}, {2});
  Prepare();
  NamedView nothing{"x", {}, ValueKind::kNothing};
  {
    const auto without = Run({nothing});
    ASSERT_TRUE(without.has_value()) << without.error().what;
    EXPECT_THAT(without->front().tensor.View().bytes, ElementsAre(0));
  }
  ExpectFailure({View<float>("x", {2}, {1, 2})}, "input_mismatch");
  builder_.graph().mutable_inputs(0)->set_is_optional(false);
  model_ = *engine::Prepare(builder_.topology());
  ExpectFailure({nothing}, "input_mismatch");
}

}  // namespace
}  // namespace ephemeralml::engine

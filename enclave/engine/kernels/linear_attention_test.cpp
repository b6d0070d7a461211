#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

// Three steps of two heads, keys of two columns and values of three. Expected values are the
// definition's, computed with matrices in double precision.
const std::vector<float> kQuery = {0.5, 0.5, 0, -0.5, -1, -0.25, -0.25, -1, -1, 1, 0.25, -0.5};
const std::vector<float> kKey = {-0.25, 1, 0.75, 0.75, -0.25, 0, 0.25, -1, 0, -0.5, 0.75, -0.75};
const std::vector<float> kValue = {0.25,  0.75, -0.5,  0.75, 0.75,  -1,    0.5, -1, 0,
                                   -0.25, -0.5, -0.25, 0.5,  -0.25, -0.75, 0.5, 0,  0.5};
const std::vector<float> kPast = {0.75, -0.25, 1, -0.25, 0.75, 0, -0.5, 0.5, 0.25, 0.25, 0, -0.5};

OpTester Linear(const char* rule, int query_heads = 2, int heads = 2, std::string domain = "") {
  OpTester test("LinearAttention", domain.empty() ? 27 : 1, domain);
  test.Attr("update_rule", rule).Attr("q_num_heads", query_heads).Attr("kv_num_heads", heads);
  return test;
}

OpTester& WithHeads(OpTester& test) {
  test.Input<float>({1, 3, 4}, kQuery).Input<float>({1, 3, 4}, kKey);
  return test.Input<float>({1, 3, 6}, kValue);
}

TEST(LinearAttention, SumsUpWhatKeysBring) {
  OpTester test = Linear("linear");
  WithHeads(test).ExpectOutput<float>(
      {1, 3, 6}, {0.06629126F, 0.1988738F, -0.1325825F, -0.1988738F, -0.1988738F, 0.265165F,
                  0.08838835F, -0.1767767F, 0, -0.6629126F, -0.8286408F, 0.4971845F, 0.1325825F,
                  0.5745243F, -0.1767767F, 0, -0.2983107F, 0.2320194F});
  test.ExpectOutput<float>({1, 2, 2, 3}, {-0.1875, 0.0625, 0.125, 0, 0.875, -0.125, 0.875, 0.4375,
                                          -0.4375, 0.4375, 1.0625, -0.875})
      .Run();
}

TEST(LinearAttention, DecaysHeadByHeadAndCorrectsWithOneBetaForAll) {
  OpTester test = Linear("gated_delta");
  WithHeads(test).Input<float>({1, 2, 2, 3}, kPast);
  test.Input<float>({1, 3, 2}, {-1.5, -1.25, -0.5, -1, -1, -1.5});
  test.Input<float>({1, 3, 1}, {-1, 0.75, -0.75});
  test.ExpectOutput<float>(
      {1, 3, 6}, {-0.05273231F, -0.1113569F, 0.1966794F, 0.1877947F, 0.1703846F, -0.2002731F,
                  0.005611371F, -0.1248646F, -0.09344334F, -0.0006459157F, -0.173865F, -0.2545811F,
                  0.04315356F, -0.2032563F, -0.1324993F, -0.1912264F, -0.06154635F, -0.1631742F});
  test.ExpectOutput<float>({1, 2, 2, 3}, {0.01958342F, 0.08735092F, 0.02383526F, 0.08061176F,
                                          -0.2000969F, -0.163547F, -0.3989455F, -0.1068932F,
                                          -0.2244339F, 0.3413973F, 0.1206328F, 0.3493095F})
      .Run();
}

TEST(LinearAttention, DecaysColumnByColumnAndErasesThroughAGate) {
  OpTester test = Linear("gated_delta");
  test.Attr("scale", 1.0F);
  WithHeads(test).Weight<float>({1, 2, 2, 3}, kPast);
  test.Input<float>(
      {1, 3, 4}, {-0.75, -1.75, -0.5, -0.75, -1.25, -0.5, -1.5, -1.25, -0.5, -1.25, -0.5, -0.75});
  test.Input<float>({1, 3, 2}, {1, 1, 0.5, 0.5, -0.75, 0.5});
  test.Input<float>({1, 3, 4}, {0.75, -0.25, 0, 0, 1, -0.25, -0.25, -1, -0.25, 0.25, 0.75, 0.75});
  test.ExpectOutput<float>(
      {1, 3, 6}, {0.2700028F, 0.2912846F, 0.08189655F, -0.3402958F, -0.28125F, 0.4930916F,
                  -0.05437327F, -0.1745281F, -0.09726798F, -0.4163493F, -0.5137123F, 0.3272692F,
                  0.2263134F, 0.04436611F, -0.4529327F, 0.0736605F, -0.07217991F, 0.1809315F});
  test.ExpectOutput<float>({1, 2, 2, 3}, {0.008871716F, 0.02393257F, 0.09683529F, 0.2351852F,
                                          0.06829868F, -0.3560974F, 0.2301967F, 0.1020178F,
                                          0.09569081F, -0.03222266F, 0.1953687F, -0.3140176F})
      .Run();
}

const std::vector<float> kOneKey = {-0.25, 1, -0.5, 0.75, -0.75, -0.25};

TEST(LinearAttention, SharesAStateAmongQueries) {
  OpTester test = Linear("linear", 2, 1);
  test.Input<float>({1, 3, 4}, kQuery).Input<float>({1, 3, 2}, kOneKey);
  test.Input<float>({1, 3, 3}, {-0.75, 0.75, 0.75, -0.75, 0, -0.5, 0, 0, -0.75});
  test.ExpectOutput<float>(
      {1, 3, 6}, {-0.1988738F, 0.1988738F, 0.1988738F, 0.265165F, -0.265165F, -0.265165F,
                  -0.1657282F, 0, -0.1104854F, 0.8286408F, -0.4971845F, -0.2762136F, -1.325825F,
                  0.6629126F, -0.04419417F, 0.5634757F, -0.2983107F, -0.08838835F});
  test.UnwantedOutput().Run();
}

TEST(LinearAttention, SharesQueriesAndKeysAmongStatesWhereOnnxRuntimeDoes) {
  const std::vector<float> query = {0.75, -0.5, 0, -1, -1, -0.5};
  OpTester test = Linear("linear", 1, 2, "com.microsoft");
  test.Input<float>({1, 3, 2}, query).Input<float>({1, 3, 2}, kOneKey);
  test.Input<float>({1, 3, 6}, kValue);
  test.ExpectOutput<float>(
      {1, 3, 6}, {-0.121534F, -0.3646019F, 0.243068F, -0.3646019F, -0.3646019F, 0.4861359F,
                  -0.4419417F, 0, 0.3535534F, -0.3977476F, -0.265165F, 0.8396893F, 0.3093592F,
                  -0.3756505F, -0.3756505F, 0.1546796F, -0.1767767F, 0.4640388F});
  test.ExpectOutput<float>({1, 2, 2, 3}, {-0.6875, 0.5, 0.6875, 0.5, 0.0625, -0.3125, -0.4375,
                                          0.0625, 0, 0.4375, 0.375, -1.3125})
      .Run();
  OpTester standard = Linear("linear", 1, 2);
  standard.Input<float>({1, 3, 2}, query).Input<float>({1, 3, 2}, kOneKey);
  standard.Input<float>({1, 3, 6}, kValue).ExpectError("attribute_invalid");
}

TEST(LinearAttention, TakesTheInputsOfItsRuleAlone) {
  for (const char* rule : {"gated", "delta", "gated_delta"}) {
    OpTester test = Linear(rule);
    WithHeads(test).ExpectError("input_invalid");
  }
  OpTester decay = Linear("linear");
  WithHeads(decay).NoInput().Input<float>({1, 3, 2}, std::vector<float>(6));
  decay.ExpectError("input_invalid");
  OpTester unknown = Linear("sum");
  WithHeads(unknown).ExpectError("attribute_invalid");
}

TEST(LinearAttention, RefusesWhatDoesNotFit) {
  OpTester heads = Linear("linear", 3, 2);
  WithHeads(heads).ExpectError("attribute_invalid");
  OpTester columns = Linear("linear", 4, 4);
  WithHeads(columns).ExpectError("shape_invalid");
  OpTester past = Linear("linear");
  WithHeads(past).Input<float>({1, 2, 3, 2}, kPast).ExpectError("shape_invalid");
  OpTester decay = Linear("gated");
  WithHeads(decay).NoInput().Input<float>({1, 3, 3}, std::vector<float>(9));
  decay.ExpectError("shape_invalid");
  OpTester type = Linear("linear", 1, 1);
  type.Input<double>({1, 1, 1}, {1}).Input<double>({1, 1, 1}, {1}).Input<double>({1, 1, 1}, {1});
  type.ExpectError("type_unsupported");
}

TEST(LinearAttention, KeepsTheStateWhereThereIsNoStep) {
  OpTester test = Linear("linear");
  test.Input<float>({1, 0, 4}, {}).Input<float>({1, 0, 4}, {}).Input<float>({1, 0, 6}, {});
  test.Input<float>({1, 2, 2, 3}, kPast).ExpectOutput<float>({1, 0, 6}, {});
  test.ExpectOutput<float>({1, 2, 2, 3}, kPast).Run();
}

}  // namespace
}  // namespace ephemeralml::engine

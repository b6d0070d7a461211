#include <gtest/gtest.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::Value;

std::vector<float> Random(const Shape& shape, uint64_t seed) {
  return testing::RandomValues(*ElementCount(shape), seed, 1);
}

Value Blocked(const Shape& shape, const std::vector<float>& plain) {
  OpTester test("ToBlocked", 1, "ephemeralml");
  test.Input<float>(shape, plain);
  auto outputs = test.Outputs();
  CHECK(outputs.has_value());
  return (*outputs)[0];
}

Value Plain(const Value& blocked, int64_t channels) {
  OpTester test("FromBlocked", 1, "ephemeralml");
  test.Attr("channels", static_cast<int>(channels))
      .Input<float>(blocked.shape, blocked.Values<float>());
  auto outputs = test.Outputs();
  CHECK(outputs.has_value());
  return (*outputs)[0];
}

TEST(Blocked, PutsSixteenChannelsSideBySide) {
  const Shape shape = {2, 20, 3, 5};
  const std::vector<float> plain = Random(shape, 1);
  const Value blocked = Blocked(shape, plain);
  ASSERT_EQ(blocked.shape, (Shape{2, 2, 3, 5, 16}));
  const std::vector<float> values = blocked.Values<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t lane = i % 16, pixel = i / 16 % 15, block = i / 240 % 2, image = i / 480;
    const size_t channel = block * 16 + lane;
    const float expected = channel < 20 ? plain[(image * 20 + channel) * 15 + pixel] : 0.0f;
    ASSERT_EQ(values[i], expected);
  }
}

TEST(Blocked, ComesBackWhole) {
  for (const int64_t channels : {1, 15, 16, 17, 48, 50}) {
    const Shape shape = {2, channels, 19, 15};
    const std::vector<float> plain = Random(shape, 2);
    const Value back = Plain(Blocked(shape, plain), channels);
    EXPECT_EQ(back.shape, shape);
    EXPECT_EQ(back.Values<float>(), plain);
  }
}

TEST(Blocked, RefusesOtherShapes) {
  const auto from = [](int channels) {
    OpTester test("FromBlocked", 1, "ephemeralml");
    test.Attr("channels", channels).Input<float>({1, 2, 1, 1, 16}, std::vector<float>(32));
    return test;
  };
  from(16).ExpectError("shape_invalid");
  from(33).ExpectError("shape_invalid");
  from(0).ExpectError("attribute_invalid");
  OpTester("ToBlocked", 1, "ephemeralml")
      .Input<float>({2, 3, 4}, std::vector<float>(24))
      .ExpectError("shape_invalid");
}

// A pool over the blocked tensor must give what ONNX's gives over the plain one.
void ExpectPool(const std::string& op, const std::function<void(OpTester&)>& attributes) {
  const Shape shape = {2, 20, 9, 10};
  const std::vector<float> x = Random(shape, 3);
  OpTester plain(op);
  attributes(plain);
  plain.Input<float>(shape, x);
  const auto expected = plain.Outputs();
  ASSERT_TRUE(expected.has_value()) << expected.error().what;
  const Value blocked = Blocked(shape, x);
  OpTester test(op, 1, "ephemeralml");
  attributes(test);
  test.Input<float>(blocked.shape, blocked.Values<float>());
  const auto outputs = test.Outputs();
  ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
  const Value back = Plain((*outputs)[0], 20);
  ASSERT_EQ(back.shape, (*expected)[0].shape);
  const std::vector<float> a = back.Values<float>(), b = (*expected)[0].Values<float>();
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-6) << op << " " << i;
}

TEST(BlockedPool, EqualsThePlainOne) {
  for (const std::string op : {"MaxPool", "AveragePool"}) {
    ExpectPool(op, [](OpTester& t) { t.Ints("kernel_shape", {2, 2}).Ints("strides", {2, 2}); });
    ExpectPool(op, [](OpTester& t) {
      t.Ints("kernel_shape", {3, 3}).Ints("strides", {2, 2}).Ints("pads", {1, 1, 1, 1});
    });
    ExpectPool(op, [](OpTester& t) { t.Ints("kernel_shape", {3, 3}).Ints("pads", {1, 1, 1, 1}); });
    ExpectPool(op, [](OpTester& t) {
      t.Ints("kernel_shape", {3, 2})
          .Ints("strides", {2, 3})
          .Ints("pads", {0, 1, 2, 0})
          .Attr("ceil_mode", 1);
    });
  }
  ExpectPool("AveragePool", [](OpTester& t) {
    t.Ints("kernel_shape", {3, 3})
        .Ints("pads", {1, 2, 1, 0})
        .Ints("strides", {2, 2})
        .Attr("count_include_pad", 1)
        .Attr("ceil_mode", 1);
  });
  for (const int pad : {1, 2}) {
    for (const int64_t stride : {1, 3}) {
      ExpectPool("AveragePool", [&](OpTester& t) {
        t.Ints("kernel_shape", {3, 3})
            .Ints("pads", {1, 1, 1, pad})
            .Ints("strides", {1, stride})
            .Ints("dilations", {1, 2})
            .Attr("count_include_pad", 1)
            .Attr("ceil_mode", 1);
      });
    }
  }
  ExpectPool("GlobalAveragePool", [](OpTester&) {});
}

// How much work they are mustn't overflow: 16 lanes of 2^60 taps are 2^64.
TEST(BlockedPool, TakesHugeWindows) {
  const std::vector<float> x(16, 3);
  OpTester("MaxPool", 1, "ephemeralml")
      .Ints("kernel_shape", {int64_t{1} << 30, int64_t{1} << 30})
      .Attr("auto_pad", "SAME_UPPER")
      .Input<float>({1, 1, 1, 1, 16}, x)
      .ExpectOutput<float>({1, 1, 1, 1, 16}, x)
      .Run();
}

TEST(BlockedPool, Refuses) {
  OpTester("MaxPool", 1, "ephemeralml")
      .Ints("kernel_shape", {2, 2})
      .Input<float>({1, 16, 4, 4}, std::vector<float>(256))
      .ExpectError("shape_invalid");
  OpTester("MaxPool", 1, "ephemeralml")
      .Ints("kernel_shape", {2})
      .Input<float>({1, 1, 4, 4, 16}, std::vector<float>(256))
      .ExpectError("attribute_invalid");
  OpTester("GlobalAveragePool", 1, "ephemeralml")
      .Input<float>({1, 1, 0, 4, 16}, {})
      .ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels

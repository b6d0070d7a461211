#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::Value;

template <class T>
AttributeValue TensorAttribute(const Shape& shape, const std::vector<T>& values) {
  const Value value = Value::Of<T>(shape, values);
  return ConstantValue{value.type, value.shape, value.bytes};
}

TEST(Constant, GivesEveryFormOfValue) {
  OpTester("Constant", 9)
      .Attr("value", TensorAttribute<int8_t>({2, 1}, {1, 2}))
      .ExpectOutput<int8_t>({2, 1}, {1, 2})
      .Run();
  OpTester("Constant", 12).Attr("value_float", 2.5f).ExpectOutput<float>({}, {2.5f}).Run();
  OpTester("Constant", 12).Attr("value_int", 7).ExpectOutput<int64_t>({}, {7}).Run();
  OpTester("Constant", 12).Floats("value_floats", {1, 2}).ExpectOutput<float>({2}, {1, 2}).Run();
  OpTester("Constant", 12).Ints("value_ints", {3}).ExpectOutput<int64_t>({1}, {3}).Run();
  OpTester("Constant", 12).Ints("value_ints", {}).ExpectOutput<int64_t>({0}, {}).Run();
}

TEST(Constant, RefusesOtherForms) {
  OpTester("Constant").ExpectError("attribute_invalid");
  OpTester("Constant").Attr("value_string", "text").ExpectError("type_unsupported");
  OpTester("Constant").Attr("value_float", 1).ExpectError("attribute_invalid");
  OpTester("Constant").Attr("value_int", 1).Input<float>({}, {1}).ExpectError("input_invalid");
}

TEST(Constant, RefusesATensorThatDoesntMatchItsShape) {
  const auto constant = [](ConstantValue value) {
    OpTester test("Constant", 13);
    test.Attr("value", AttributeValue(std::move(value)));
    return test;
  };
  constant({ElementType::kFloat, {2}, Bytes(4)}).ExpectError("attribute_invalid");
  constant({ElementType::kFloat, {-1}, Bytes(4)}).ExpectError("shape_invalid");
  constant({ElementType::kString, {1}, Bytes(1)}).ExpectError("type_unsupported");
  constant({ElementType::kFloat, {INT64_MAX, 2}, Bytes(4)}).ExpectError("size_overflow");
}

TEST(ConstantOfShape, RepeatsOneElement) {
  OpTester("ConstantOfShape", 9)
      .Attr("value", TensorAttribute<int64_t>({1}, {7}))
      .Input<int64_t>({2}, {2, 3})
      .ExpectOutput<int64_t>({2, 3}, {7, 7, 7, 7, 7, 7})
      .Run();
  OpTester("ConstantOfShape", 9)
      .Attr("value", TensorAttribute<bool>({1}, {true}))
      .Input<int64_t>({1}, {2})
      .ExpectOutput<bool>({2}, {true, true})
      .Run();
  OpTester("ConstantOfShape", 9).Constant<int64_t>({1}, {2}).ExpectOutput<float>({2}, {0, 0}).Run();
  OpTester("ConstantOfShape", 9).Input<int64_t>({0}, {}).ExpectOutput<float>({}, {0}).Run();
  OpTester("ConstantOfShape", 9).Input<int64_t>({2}, {3, 0}).ExpectOutput<float>({3, 0}, {}).Run();
}

TEST(ConstantOfShape, RefusesShapesAndValuesThatDontFit) {
  OpTester("ConstantOfShape").Input<int64_t>({1}, {-1}).ExpectError("shape_invalid");
  OpTester("ConstantOfShape").Input<int64_t>({1}, {INT64_MAX}).ExpectError("size_overflow");
  OpTester("ConstantOfShape")
      .Input<int64_t>({1}, {int64_t{1} << 40})
      .ExpectError("session_memory_exceeded");
  OpTester("ConstantOfShape")
      .Attr("value", TensorAttribute<float>({2}, {1, 2}))
      .Input<int64_t>({1}, {1})
      .ExpectError("attribute_invalid");
  OpTester("ConstantOfShape").Input<float>({1}, {1}).ExpectError("type_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels

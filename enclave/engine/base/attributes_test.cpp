#include "enclave/engine/base/attributes.h"

#include <gtest/gtest.h>

namespace ephemeralml::engine {
namespace {

Attributes Some() {
  return Attributes({{"i", int64_t{3}},
                     {"f", 0.5f},
                     {"s", std::string("same")},
                     {"is", std::vector<int64_t>{1, 2}},
                     {"fs", std::vector<float>{1.5f}},
                     {"ss", std::vector<std::string>{"a"}},
                     {"t", ConstantValue{ElementType::kBool, {1}, {1}}}});
}

TEST(Attributes, AreReadByNameAndType) {
  const Attributes attributes = Some();
  EXPECT_EQ(*attributes.Int("i", 9), 3);
  EXPECT_EQ(*attributes.RequiredInt("i"), 3);
  EXPECT_EQ(*attributes.Float("f", 9), 0.5f);
  EXPECT_EQ(*attributes.String("s", ""), "same");
  EXPECT_EQ(*attributes.Ints("is", {}), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(*attributes.Floats("fs", {}), std::vector<float>{1.5f});
  EXPECT_EQ(*attributes.Strings("ss", {}), std::vector<std::string>{"a"});
  EXPECT_EQ((*attributes.Constant("t"))->bytes, Bytes{1});
  EXPECT_TRUE(attributes.Has("t"));
}

TEST(Attributes, FallBackWhereAbsent) {
  const Attributes attributes;
  EXPECT_EQ(*attributes.Int("i", 9), 9);
  EXPECT_EQ(*attributes.String("s", "no"), "no");
  EXPECT_EQ(*attributes.Ints("is", {7}), std::vector<int64_t>{7});
  EXPECT_EQ(*attributes.Constant("t"), nullptr);
  EXPECT_FALSE(attributes.Has("t"));
}

TEST(Attributes, RefuseOtherTypes) {
  const Attributes attributes = Some();
  EXPECT_EQ(attributes.Int("f", 9).error().reason, "attribute_invalid");
  EXPECT_EQ(attributes.Float("i", 9).error().reason, "attribute_invalid");
  EXPECT_EQ(attributes.Ints("i", {}).error().reason, "attribute_invalid");
  EXPECT_EQ(attributes.Constant("s").error().reason, "attribute_invalid");
  EXPECT_EQ(attributes.RequiredGraph("s").error().reason, "attribute_invalid");
}

TEST(Attributes, RefuseAbsenceOfWhatIsRequired) {
  EXPECT_EQ(Attributes().RequiredInt("i").error().reason, "attribute_invalid");
  EXPECT_EQ(Attributes().RequiredGraph("g").error().reason, "attribute_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine

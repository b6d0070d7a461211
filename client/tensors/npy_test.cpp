#include "client/tensors/npy.h"

#include <gtest/gtest.h>

#include "client/tensors/npy_header.h"
#include "client/tensors/testing.h"

namespace ephemeralml::tensors {
namespace {

using wire::ElementType;

// A file of format version `major`.0 with this dictionary and these elements.
Bytes File(int major, std::string_view header, ByteSpan elements) {
  Bytes file;
  AppendBytes(file, AsBytes("\x93NUMPY"));
  file.push_back(static_cast<uint8_t>(major));
  file.push_back(0);
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) {
    file.push_back(static_cast<uint8_t>(header.size() >> (8 * i)));
  }
  AppendBytes(file, AsBytes(header));
  AppendBytes(file, elements);
  return file;
}

Bytes File(std::string_view header, ByteSpan elements) { return File(1, header, elements); }

std::string ReasonFor(ByteSpan file) {
  const auto tensor = DecodeNpy("", file);
  return tensor.has_value() ? "accepted" : std::string(tensor.error().reason);
}

TEST(Npy, RoundTripsEveryTypeThatNumPyKnows) {
  for (const ElementType type :
       {ElementType::kFloat, ElementType::kUint8, ElementType::kInt8, ElementType::kUint16,
        ElementType::kInt16, ElementType::kInt32, ElementType::kInt64, ElementType::kBool,
        ElementType::kFloat16, ElementType::kDouble, ElementType::kUint32, ElementType::kUint64}) {
    const auto tensor =
        MakeTensor("x", type, {2, 3}, std::vector<uint8_t>(6 * wire::ElementBytes(type), 1));
    const SecretBytes file = EncodeNpy(tensor).value();
    ExpectEqual(DecodeNpy("x", file.Reveal()).value(), tensor);
  }
}

TEST(Npy, RoundTripsScalarsAndEmptyArrays) {
  const auto scalar = MakeTensor<int64_t>("", ElementType::kInt64, {}, {16000});
  SecretBytes file = EncodeNpy(scalar).value();
  ExpectEqual(DecodeNpy("", file.Reveal()).value(), scalar);
  const auto empty = MakeTensor<float>("", ElementType::kFloat, {int64_t{1} << 40, 0}, {});
  file = EncodeNpy(empty).value();
  ExpectEqual(DecodeNpy("", file.Reveal()).value(), empty);
}

TEST(Npy, AlignsElementsAsNumPyDoes) {
  const auto tensor = MakeTensor<float>("", ElementType::kFloat, {1}, {1});
  const SecretBytes file = EncodeNpy(tensor).value();
  EXPECT_EQ(file.size(), 128U + 4U);
  EXPECT_EQ(file.Reveal()[127], '\n');
}

TEST(Npy, ReadsEveryVersion) {
  const std::string_view header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
  const Bytes elements = {7, 8};
  for (const int major : {1, 2, 3}) {
    EXPECT_EQ(Values<uint8_t>(DecodeNpy("", File(major, header, elements)).value()), elements);
  }
  EXPECT_EQ(ReasonFor(File(4, header, elements)), "npy_unsupported");
  EXPECT_EQ(ReasonFor(File(0, header, elements)), "npy_unsupported");
}

TEST(Npy, TurnsFortranOrderAndBigEndianIntoOurs) {
  const Bytes elements = {0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6};
  const auto tensor =
      DecodeNpy("", File("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3)}", elements));
  EXPECT_EQ(Values<int16_t>(tensor.value()), (std::vector<int16_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, RefusesOtherElementTypes) {
  for (const std::string_view descr :
       {"'<U5'", "'|O'", "'<c8'", "'<M8[ns]'", "'|f4'", "'f4'", "''", "[('a', '<f4')]", "'<f16'"}) {
    const std::string header =
        "{'descr': " + std::string(descr) + ", 'fortran_order': False, 'shape': (0,)}";
    EXPECT_EQ(ReasonFor(File(header, {})), "npy_unsupported") << descr;
  }
  const auto bfloat = MakeTensor<uint16_t>("", ElementType::kBfloat16, {1}, {0});
  EXPECT_EQ(EncodeNpy(bfloat).error().reason, "npy_unsupported");
  const auto nibble = MakeTensor<uint8_t>("", ElementType::kInt4, {1}, {7});
  EXPECT_EQ(EncodeNpy(nibble).error().reason, "npy_unsupported");
}

TEST(Npy, RefusesHeadersThatNumPyWouldNotWrite) {
  for (const std::string_view header :
       {"", "{", "{}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,)} x",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0 0)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 0)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 0)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [0]}",
        "{'descr: '<f4', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), 'more': 1}"}) {
    EXPECT_EQ(ReasonFor(File(header, {})), "npy_malformed") << header;
  }
}

TEST(Npy, AcceptsWhatPython2Wrote) {
  const std::string_view header = "{'descr': \"<u1\", 'shape': (1L,2L,), 'fortran_order': False}";
  EXPECT_EQ(DecodeNpy("", File(header, Bytes{1, 2})).value().shape, (std::vector<int64_t>{1, 2}));
}

TEST(Npy, RefusesSizesThatTheFileDoesNotHold) {
  const std::string_view header = "{'descr': '<u2', 'fortran_order': False, 'shape': (2,)}";
  EXPECT_EQ(ReasonFor(File(header, Bytes(4))), "accepted");
  EXPECT_EQ(ReasonFor(File(header, Bytes(3))), "npy_malformed");
  EXPECT_EQ(ReasonFor(File(header, Bytes(5))), "npy_malformed");
}

TEST(Npy, RefusesSizesOverTheLimits) {
  EXPECT_EQ(ReasonFor(File("{'descr': '<f8', 'fortran_order': False, "
                           "'shape': (4294967296, 4294967296, 4294967296)}",
                           {})),
            "tensor_over_limit");
  EXPECT_EQ(ReasonFor(File("{'descr': '|u1', 'fortran_order': False, 'shape': (268435457,)}", {})),
            "tensor_over_limit");
  std::string sizes;
  for (size_t i = 0; i <= kMaxRank; ++i) sizes += "1,";
  EXPECT_EQ(
      ReasonFor(File("{'descr': '|u1', 'fortran_order': False, 'shape': (" + sizes + ")}", {})),
      "tensor_over_limit");
  EXPECT_EQ(ReasonFor(File(2, std::string(70000, ' '), {})), "npy_malformed");
}

TEST(Npy, RefusesBooleansThatAreNeitherTrueNorFalse) {
  const std::string_view header = "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}";
  EXPECT_EQ(ReasonFor(File(header, Bytes{1, 0})), "accepted");
  EXPECT_EQ(ReasonFor(File(header, Bytes{1, 2})), "npy_malformed");
}

TEST(Npy, RefusesAFileCutOffAnywhere) {
  const SecretBytes file =
      EncodeNpy(MakeTensor<float>("", ElementType::kFloat, {3}, {1, 2, 3})).value();
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_EQ(ReasonFor(OnHeap(file.Reveal().first(length))), "npy_malformed") << length;
  }
}

TEST(Npy, SurvivesEveryFlippedBit) {
  const SecretBytes file =
      EncodeNpy(MakeTensor<float>("", ElementType::kFloat, {2, 2}, {1, 2, 3, 4})).value();
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    SecretBytes flipped = file.Duplicate();
    flipped.Fill()[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto tensor = DecodeNpy("", OnHeap(flipped.Reveal()));
    if (tensor.has_value()) ExpectConsistent(*tensor);
  }
}

}  // namespace
}  // namespace ephemeralml::tensors

#include "client/decompose/onnx/tensor_data.h"

#include <gtest/gtest.h>

#include <cstring>

#include "client/decompose/onnx/read_model.h"
#include "client/decompose/testing/models.h"

namespace ephemeralml::onnx {
namespace {

using decompose::testing::ModelBuilder;
using Proto = ::onnx::TensorProto;

// What is read of an initializer that `fill` makes: hexadecimal bytes or a reason.
template <class Fill>
std::string Read(int type, std::vector<int64_t> dims, Fill&& fill) {
  ModelBuilder builder;
  auto* tensor = builder.get()->add_initializer();
  tensor->set_name("t");
  tensor->set_data_type(type);
  tensor->mutable_dims()->Add(dims.begin(), dims.end());
  fill(*tensor);
  const Bytes bytes = builder.Serialize();
  const Model model = ReadModel(bytes).value();
  ExternalFiles files;
  const auto data = ReadTensorData(model.graph.initializers.at(0), files);
  return data ? ToHex(data->bytes()) : std::string(data.error().reason);
}

void AddInt32(Proto& tensor, std::vector<int32_t> values) {
  tensor.mutable_int32_data()->Add(values.begin(), values.end());
}

TEST(ReadTensorData, ReadsRawData) {
  EXPECT_EQ(Read(Proto::FLOAT, {1}, [](Proto& t) { t.set_raw_data("\x00\x00\xC0\x3F", 4); }),
            "0000c03f");
}

TEST(ReadTensorData, ReadsFloatsAndDoubles) {
  EXPECT_EQ(Read(Proto::FLOAT, {2},
                 [](Proto& t) {
                   t.add_float_data(1.5F);
                   t.add_float_data(-2);
                 }),
            "0000c03f000000c0");
  EXPECT_EQ(Read(Proto::DOUBLE, {1}, [](Proto& t) { t.add_double_data(1.5); }), "000000000000f83f");
}

TEST(ReadTensorData, ReadsWideIntegers) {
  EXPECT_EQ(Read(Proto::INT64, {2},
                 [](Proto& t) {
                   t.add_int64_data(-2);
                   t.add_int64_data(INT64_MIN);
                 }),
            "feffffffffffffff0000000000000080");
  EXPECT_EQ(Read(Proto::UINT64, {1}, [](Proto& t) { t.add_uint64_data(UINT64_MAX); }),
            "ffffffffffffffff");
  EXPECT_EQ(Read(Proto::UINT32, {1}, [](Proto& t) { t.add_uint64_data(UINT32_MAX); }), "ffffffff");
}

TEST(ReadTensorData, ReadsAllThatIsStoredAsInt32) {
  EXPECT_EQ(Read(Proto::INT32, {2},
                 [](Proto& t) {
                   AddInt32(t, {-2, INT32_MIN});
                 }),
            "feffffff00000080");
  EXPECT_EQ(Read(Proto::INT16, {2}, [](Proto& t) { AddInt32(t, {-2, 32767}); }), "feffff7f");
  EXPECT_EQ(Read(Proto::UINT16, {1}, [](Proto& t) { AddInt32(t, {65535}); }), "ffff");
  EXPECT_EQ(Read(Proto::INT8, {2}, [](Proto& t) { AddInt32(t, {-128, 127}); }), "807f");
  EXPECT_EQ(Read(Proto::UINT8, {1}, [](Proto& t) { AddInt32(t, {255}); }), "ff");
  EXPECT_EQ(Read(Proto::BOOL, {2}, [](Proto& t) { AddInt32(t, {1, 0}); }), "0100");
  EXPECT_EQ(Read(Proto::FLOAT16, {1}, [](Proto& t) { AddInt32(t, {0x3C00}); }), "003c");
  EXPECT_EQ(Read(Proto::BFLOAT16, {1}, [](Proto& t) { AddInt32(t, {0x3F80}); }), "803f");
}

// ONNX's numbers of types that Debian's ONNX is too old to know.
constexpr int kFloat8E4M3FN = 17;
constexpr int kUint4 = 21;
constexpr int kInt4 = 22;
constexpr int kFloat4E2M1 = 23;
constexpr int kFloat8E8M0 = 24;
constexpr int kUint2 = 25;
constexpr int kInt2 = 26;

TEST(ReadTensorData, GivesEachPackedElementAByte) {
  const auto raw = [](std::string bytes) { return [bytes](Proto& t) { t.set_raw_data(bytes); }; };
  EXPECT_EQ(Read(kInt4, {5}, raw("\x21\xF8\x07")), "0102f8ff07");
  EXPECT_EQ(Read(kUint4, {1, 3}, raw("\x21\xF8")), "010208");
  EXPECT_EQ(Read(kFloat4E2M1, {2}, raw("\xF8")), "080f");
  EXPECT_EQ(Read(kInt2, {5}, raw("\xE4\x02")),
            "0001feff"
            "fe");
  EXPECT_EQ(Read(kUint2, {4}, raw("\xE4")), "00010203");
  EXPECT_EQ(Read(kUint2, {0}, raw("")), "");
  EXPECT_EQ(Read(kInt4, {3}, [](Proto& t) { AddInt32(t, {0x21, 0xF8}); }), "0102f8");
  EXPECT_EQ(Read(kFloat8E4M3FN, {2}, [](Proto& t) { AddInt32(t, {0x38, 0xFF}); }), "38ff");
  EXPECT_EQ(Read(kFloat8E8M0, {2}, raw("\x7F\x80")), "7f80");
}

TEST(ReadTensorData, RefusesPackedElementsOfAnotherNumber) {
  for (const size_t size : {0U, 1U, 3U, 5U}) {
    EXPECT_EQ(Read(kInt4, {4}, [&](Proto& t) { t.set_raw_data(std::string(size, 0)); }),
              "tensor_invalid");
    EXPECT_EQ(Read(kUint2, {5}, [&](Proto& t) { t.set_raw_data(std::string(size, 0)); }),
              "tensor_invalid");
  }
  EXPECT_EQ(Read(kInt4, {4}, [](Proto& t) { AddInt32(t, {1}); }), "tensor_invalid");
  EXPECT_EQ(Read(kInt4, {2}, [](Proto& t) { AddInt32(t, {256}); }), "tensor_invalid");
  EXPECT_EQ(Read(kFloat8E4M3FN, {1}, [](Proto& t) { AddInt32(t, {-1}); }), "tensor_invalid");
}

// A parser must take repeated numbers one by one, too: Protocol Buffers says so.
TEST(ReadTensorData, ReadsNumbersThatArentPacked) {
  // TensorProto {dims: 2, data_type: FLOAT, float_data: 1.5, float_data: -2}
  const Bytes bytes = FromHex(
                          "0802"
                          "1001"
                          "250000c03f"
                          "25000000c0")
                          .value();
  Tensor tensor{.name = "t",
                .data_type = 1,
                .dims = {2},
                .raw_data = {},
                .is_external = false,
                .external_data = {},
                .message = bytes,
                .derivation = {}};
  ExternalFiles files;
  EXPECT_EQ(ToHex(ReadTensorData(tensor, files)->bytes()), "0000c03f000000c0");
}

TEST(ReadTensorData, ReadsEmptyTensorsAndScalars) {
  EXPECT_EQ(Read(Proto::FLOAT, {0}, [](Proto&) {}), "");
  EXPECT_EQ(Read(Proto::FLOAT, {3, 0}, [](Proto& t) { t.set_raw_data(""); }), "");
  EXPECT_EQ(Read(Proto::BOOL, {}, [](Proto& t) { AddInt32(t, {1}); }), "01");
}

TEST(ReadTensorData, RefusesAnotherSizeThanTheDimensionsSay) {
  for (const size_t size : {0U, 3U, 5U, 8U}) {
    EXPECT_EQ(Read(Proto::FLOAT, {1}, [&](Proto& t) { t.set_raw_data(std::string(size, 0)); }),
              "tensor_invalid");
  }
  EXPECT_EQ(Read(Proto::INT32, {2}, [](Proto& t) { AddInt32(t, {1}); }), "tensor_invalid");
  EXPECT_EQ(Read(Proto::INT32, {2}, [](Proto& t) { AddInt32(t, {1, 2, 3}); }), "tensor_invalid");
  EXPECT_EQ(Read(Proto::INT32, {1}, [](Proto&) {}), "tensor_invalid");
  EXPECT_EQ(Read(Proto::INT64, {1}, [](Proto& t) { AddInt32(t, {1}); }), "tensor_invalid");
}

TEST(ReadTensorData, RefusesValuesThatTheTypeCantHold) {
  EXPECT_EQ(Read(Proto::INT8, {1}, [](Proto& t) { AddInt32(t, {128}); }), "tensor_invalid");
  EXPECT_EQ(Read(Proto::UINT8, {1}, [](Proto& t) { AddInt32(t, {-1}); }), "tensor_invalid");
  EXPECT_EQ(Read(Proto::BOOL, {1}, [](Proto& t) { AddInt32(t, {2}); }), "tensor_invalid");
  EXPECT_EQ(Read(Proto::BOOL, {1}, [](Proto& t) { t.set_raw_data("\x02"); }), "tensor_invalid");
  EXPECT_EQ(Read(Proto::UINT32, {1}, [](Proto& t) { t.add_uint64_data(1ULL << 32); }),
            "tensor_invalid");
}

TEST(ReadTensorData, RefusesImpossibleDimensions) {
  EXPECT_EQ(Read(Proto::FLOAT, {-1}, [](Proto&) {}), "tensor_invalid");
  EXPECT_EQ(Read(Proto::FLOAT, std::vector<int64_t>(33, 1), [](Proto&) {}), "tensor_invalid");
  EXPECT_EQ(Read(Proto::FLOAT, {1LL << 40, 1LL << 40}, [](Proto&) {}), "size_overflow");
  EXPECT_EQ(Read(Proto::FLOAT, {1LL << 40}, [](Proto&) {}), "tensor_invalid");
}

TEST(ReadTensorData, RefusesTypesWithoutAFixedWidth) {
  for (const int type : {0, 8, 14, 15, 27, 99, -1}) {
    EXPECT_EQ(Read(type, {1}, [](Proto& t) { t.set_raw_data("abcd"); }), "type_unsupported")
        << type;
  }
}

TEST(ReadTensorData, RefusesExternalDataWithoutAFolder) {
  EXPECT_EQ(Read(Proto::FLOAT, {1},
                 [](Proto& t) {
                   t.set_data_location(Proto::EXTERNAL);
                   auto* entry = t.add_external_data();
                   entry->set_key("location");
                   entry->set_value("weights.bin");
                 }),
            "external_data_invalid");
}

}  // namespace
}  // namespace ephemeralml::onnx

#include <gtest/gtest.h>

#include "common/cose/cbor_reader.h"
#include "common/cose/cbor_writer.h"

namespace ephemeralml::cose {
namespace {

Bytes Hex(std::string_view text) { return FromHex(text).value(); }

std::string_view ReasonForUnsigned(std::string_view hex) {
  const Bytes bytes = Hex(hex);
  return CborReader(bytes).ReadUnsigned().error().reason;
}

TEST(Cbor, RoundTripsNumbersOfEveryWidth) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{23}, uint64_t{24}, uint64_t{255}, uint64_t{256}, uint64_t{65535},
        uint64_t{65536}, uint64_t{UINT32_MAX}, uint64_t{UINT32_MAX} + 1, UINT64_MAX}) {
    const Bytes bytes = CborWriter().Unsigned(value).Finish();
    CborReader reader(bytes);
    EXPECT_EQ(reader.ReadUnsigned().value(), value);
    EXPECT_TRUE(reader.ExpectEnd());
  }
}

TEST(Cbor, RoundTripsStrings) {
  for (const size_t size : {0, 1, 23, 24, 255, 256, 70000}) {
    const std::string text(size, 'x');
    const Bytes bytes = CborWriter().Text(text).ByteString(AsBytes(text)).Finish();
    CborReader reader(bytes);
    EXPECT_EQ(reader.ReadText().value(), text);
    EXPECT_EQ(AsText(reader.ReadByteString().value()), text);
    EXPECT_TRUE(reader.ExpectEnd());
  }
}

TEST(Cbor, RoundTripsBooleans) {
  const Bytes bytes = CborWriter().Boolean(true).Boolean(false).Finish();
  EXPECT_EQ(ToHex(bytes), "f5f4");
  CborReader reader(bytes);
  EXPECT_TRUE(reader.ReadBoolean().value());
  EXPECT_FALSE(reader.ReadBoolean().value());
  EXPECT_TRUE(reader.ExpectEnd());
}

TEST(Cbor, RefusesWhatIsNoBoolean) {
  for (const char* hex : {"00", "01", "40", "60", "80", "a0", "f6", "f7", "f94000", "ff"}) {
    const Bytes bytes = Hex(hex);
    EXPECT_EQ(CborReader(bytes).ReadBoolean().error().reason, "cbor_type_unexpected") << hex;
  }
  const Bytes longer = Hex("f815");  // RFC 8949 §3.3: not well-formed
  EXPECT_EQ(CborReader(longer).ReadBoolean().error().reason, "cbor_malformed");
}

TEST(Cbor, RefusesNumbersAndLengthsInALongerFormThanNeeded) {
  for (const char* hex : {"1817", "1900ff", "1a0000ffff", "1b00000000ffffffff"}) {
    EXPECT_EQ(ReasonForUnsigned(hex), "cbor_malformed") << hex;
  }
  const Bytes text = Hex("780161");
  EXPECT_EQ(CborReader(text).ReadText().error().reason, "cbor_malformed");
  const Bytes bytes = Hex("59000161");
  EXPECT_EQ(CborReader(bytes).ReadByteString().error().reason, "cbor_malformed");
  const Bytes map = Hex("b800");
  EXPECT_EQ(CborReader(map).ReadMap().error().reason, "cbor_malformed");
  const Bytes array = Hex("9800");
  EXPECT_EQ(CborReader(array).ReadArray().error().reason, "cbor_malformed");
  const Bytes tag = Hex("d81200");
  EXPECT_FALSE(CborReader(tag).TakeTag(18));
}

TEST(Cbor, RefusesTruncationAtEveryByte) {
  const Bytes whole = CborWriter().ByteString(Bytes(300, 7)).Finish();
  for (size_t size = 0; size < whole.size(); ++size) {
    CborReader reader(ByteSpan(whole).first(size));
    EXPECT_EQ(reader.ReadByteString().error().reason, "cbor_malformed");
  }
}

TEST(Cbor, RefusesALengthBeyondTheAddressSpace) {
  const Bytes huge = Hex("5bffffffffffffffff00");
  EXPECT_EQ(CborReader(huge).ReadByteString().error().reason, "cbor_malformed");
}

TEST(Cbor, RefusesReservedHeads) {
  for (const char* hex : {"1c", "1d", "1e", "1f", "5c", "7d", "9e", "bc", "dc", "fc", "f8ff"}) {
    EXPECT_EQ(ReasonForUnsigned(hex), "cbor_malformed") << hex;
  }
}

TEST(Cbor, RefusesOtherTypesThanAskedFor) {
  for (const char* hex : {"20", "40", "60", "80", "a0", "c0", "f4", "f5", "f6", "f7", "f90000",
                          "fa00000000", "fb0000000000000000", "ff", "5f", "7f", "9f", "bf"}) {
    EXPECT_EQ(ReasonForUnsigned(hex), "cbor_type_unexpected") << hex;
  }
  const Bytes number = Hex("00");
  EXPECT_EQ(CborReader(number).ReadByteString().error().reason, "cbor_type_unexpected");
  EXPECT_EQ(CborReader(number).ReadText().error().reason, "cbor_type_unexpected");
  EXPECT_EQ(CborReader(number).ReadMap().error().reason, "cbor_type_unexpected");
  EXPECT_EQ(CborReader(number).ReadArray().error().reason, "cbor_type_unexpected");
  EXPECT_EQ(CborReader(number).ReadByteStringOrNull().error().reason, "cbor_type_unexpected");
  const Bytes indefinite = Hex("9f");
  EXPECT_EQ(CborReader(indefinite).ReadDefiniteArray().error().reason, "cbor_type_unexpected");
}

TEST(Cbor, RefusesStringsOfIndefiniteLength) {
  const Bytes bytes = Hex("5f4101ff");
  EXPECT_EQ(CborReader(bytes).ReadByteString().error().reason, "cbor_type_unexpected");
  const Bytes text = Hex("7f6161ff");
  EXPECT_EQ(CborReader(text).ReadText().error().reason, "cbor_type_unexpected");
}

size_t CountEntries(ByteSpan bytes) {
  CborReader reader(bytes);
  CborContainer map = reader.ReadMap().value();
  size_t count = 0;
  while (reader.HasNext(map).value()) {
    EXPECT_TRUE(reader.ReadUnsigned());
    EXPECT_TRUE(reader.ReadByteStringOrNull());
    ++count;
  }
  EXPECT_TRUE(reader.ExpectEnd());
  return count;
}

TEST(Cbor, ReadsMapsOfBothForms) {
  EXPECT_EQ(
      CountEntries(CborWriter().Map(2).Unsigned(1).Null().Unsigned(2).ByteString({}).Finish()), 2U);
  EXPECT_EQ(CountEntries(CborWriter().IndefiniteMap().Unsigned(1).Null().Break().Finish()), 1U);
  EXPECT_EQ(CountEntries(CborWriter().Map(0).Finish()), 0U);
  EXPECT_EQ(CountEntries(CborWriter().IndefiniteMap().Break().Finish()), 0U);
}

TEST(Cbor, RefusesAMapOfIndefiniteLengthWithoutItsBreak) {
  const Bytes bytes = CborWriter().IndefiniteMap().Finish();
  CborReader reader(bytes);
  CborContainer map = reader.ReadMap().value();
  EXPECT_EQ(reader.HasNext(map).error().reason, "cbor_malformed");
}

TEST(Cbor, RefusesTrailingBytes) {
  const Bytes bytes = Hex("0000");
  CborReader reader(bytes);
  ASSERT_TRUE(reader.ReadUnsigned());
  EXPECT_EQ(reader.ExpectEnd().error().reason, "cbor_malformed");
}

}  // namespace
}  // namespace ephemeralml::cose

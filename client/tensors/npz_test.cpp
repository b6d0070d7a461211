#include "client/tensors/npz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "client/tensors/npy.h"
#include "client/tensors/testing.h"

namespace ephemeralml::tensors {
namespace {

using wire::ElementType;

SecretBytes SmallArchive() {
  std::vector<NamedTensor> tensors;
  tensors.push_back(MakeTensor<float>("x", ElementType::kFloat, {1, 2}, {1, 2}));
  tensors.push_back(MakeTensor<int64_t>("encoder/sr", ElementType::kInt64, {}, {8000}));
  return EncodeNpz(tensors).value();
}

std::string ReasonFor(ByteSpan file) {
  const auto tensors = DecodeNpz(file);
  return tensors.has_value() ? "accepted" : std::string(tensors.error().reason);
}

// Overwrites each occurrence of `from`, which has the length of `to`.
void Replace(MutableByteSpan file, std::string_view from, std::string_view to) {
  CHECK(from.size() == to.size());
  auto at = file.begin();
  while ((at = std::search(at, file.end(), from.begin(), from.end())) != file.end()) {
    at = std::copy(to.begin(), to.end(), at);
  }
}

TEST(Npz, RoundTripsNamesTypesAndOrder) {
  const SecretBytes file = SmallArchive();
  const auto tensors = DecodeNpz(file.Reveal()).value();
  ASSERT_EQ(tensors.size(), 2U);
  ExpectEqual(tensors[0], MakeTensor<float>("x", ElementType::kFloat, {1, 2}, {1, 2}));
  ExpectEqual(tensors[1], MakeTensor<int64_t>("encoder/sr", ElementType::kInt64, {}, {8000}));
}

TEST(Npz, RoundTripsAnArchiveOfNothing) {
  const SecretBytes file = EncodeNpz({}).value();
  EXPECT_TRUE(DecodeNpz(file.Reveal()).value().empty());
}

TEST(Npz, MakesEqualFilesOfEqualTensors) {
  const SecretBytes a = SmallArchive();
  const SecretBytes b = SmallArchive();
  EXPECT_TRUE(std::ranges::equal(a.Reveal(), b.Reveal()));
}

TEST(Npz, CompressesZerosAndReadsThemBack) {
  std::vector<NamedTensor> tensors;
  tensors.push_back(
      MakeTensor("zeros", ElementType::kFloat, {1 << 20}, std::vector<float>(1 << 20)));
  const SecretBytes file = EncodeNpz(tensors).value();
  EXPECT_LT(file.size(), 8U << 10);
  ExpectEqual(DecodeNpz(file.Reveal()).value().front(), tensors.front());
}

TEST(Npz, RefusesAFileCutOffAnywhere) {
  const SecretBytes file = SmallArchive();
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_EQ(ReasonFor(OnHeap(file.Reveal().first(length))), "npz_malformed") << length;
  }
}

TEST(Npz, SurvivesEveryFlippedBitAndNeverReturnsOtherElements) {
  const SecretBytes file = SmallArchive();
  const auto wanted = DecodeNpz(file.Reveal()).value();
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    SecretBytes flipped = file.Duplicate();
    flipped.Fill()[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto tensors = DecodeNpz(OnHeap(flipped.Reveal()));
    if (!tensors.has_value()) continue;
    ASSERT_EQ(tensors->size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(Values<uint8_t>((*tensors)[i]), Values<uint8_t>(wanted[i])) << bit;
    }
  }
}

TEST(Npz, RefusesMembersThatAreNotNpy) {
  SecretBytes file = SmallArchive();
  Replace(file.Fill(), "x.npy", "x.txt");
  EXPECT_EQ(ReasonFor(file.Reveal()), "npz_unsupported");
}

// Offsets of the fields of the first entry in the archive's directory.
size_t FirstDirectoryEntry(ByteSpan file) {
  const std::string_view signature = "PK\x01\x02";
  const auto at = std::search(file.begin(), file.end(), signature.begin(), signature.end());
  return static_cast<size_t>(at - file.begin());
}

TEST(Npz, RefusesOtherCompressionsAndEncryption) {
  SecretBytes file = SmallArchive();
  const size_t entry = FirstDirectoryEntry(file.Reveal());
  for (const size_t field : {entry + 10, size_t{8}}) file.Fill()[field] = 12;  // bzip2
  EXPECT_EQ(ReasonFor(file.Reveal()), "npz_unsupported");
  file = SmallArchive();
  for (const size_t field : {entry + 8, size_t{6}}) file.Fill()[field] |= 1;  // encrypted
  EXPECT_EQ(ReasonFor(file.Reveal()), "npz_unsupported");
}

TEST(Npz, RefusesSizesThatDeflateCannotReach) {
  SecretBytes file = SmallArchive();
  const size_t entry = FirstDirectoryEntry(file.Reveal());
  const std::array<uint8_t, 4> claim = {0, 0, 0, 8};  // 128 MiB
  for (const size_t field : {entry + 24, size_t{22}}) {
    std::ranges::copy(claim, file.Fill().begin() + static_cast<ptrdiff_t>(field));
  }
  EXPECT_EQ(ReasonFor(file.Reveal()), "npz_implausible_size");
}

TEST(Npz, RefusesADamagedMember) {
  std::vector<NamedTensor> tensors;
  tensors.push_back(MakeTensor("x", ElementType::kUint8, {256}, Bytes(256, 'a')));
  SecretBytes file = EncodeNpz(tensors).value();
  const size_t checksum = FirstDirectoryEntry(file.Reveal()) + 16;
  for (const size_t field : {checksum, size_t{14}}) file.Fill()[field] ^= 1;
  EXPECT_EQ(ReasonFor(file.Reveal()), "npz_malformed");
}

TEST(Npz, RefusesMoreTensorsThanTheLimit) {
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i <= kMaxTensors; ++i) {
    tensors.push_back(MakeTensor<uint8_t>("x" + std::to_string(i), ElementType::kUint8, {1}, {1}));
  }
  const SecretBytes file = EncodeNpz(tensors).value();
  EXPECT_EQ(ReasonFor(file.Reveal()), "tensor_over_limit");
}

TEST(Npz, RefusesTooMuchInAllThoughEachPartIsSmall) {
  const size_t size = 100 << 10;
  std::vector<NamedTensor> tensors;
  for (const char* name : {"a", "b"}) {
    tensors.push_back({name, ElementType::kUint8, {static_cast<int64_t>(size)}, SecretBytes(size)});
  }
  const SecretBytes file = EncodeNpz(tensors).value();
  EXPECT_TRUE(DecodeNpz(file.Reveal(), 2 * size).has_value());
  EXPECT_EQ(DecodeNpz(file.Reveal(), size).error().reason, "tensor_over_limit");
}

}  // namespace
}  // namespace ephemeralml::tensors

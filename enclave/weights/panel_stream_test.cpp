#include "enclave/weights/panel_stream.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <thread>

#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::weights {
namespace {

using testing::TestBlob;
using wire::ElementType;

constexpr size_t kArenaBytes = size_t{64} << 20;

Bytes Numbered(size_t count) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + i / 256);
  return bytes;
}

// One weight between two others, so that neither end of it is an end of the blob.
struct Fixture {
  Fixture(std::vector<int64_t> shape, PanelLayout layout, uint64_t extent,
          ElementType type = ElementType::kUint8)
      : arena(*Arena::Create(kArenaBytes)) {
    size_t bytes = wire::ElementBytes(type);
    for (const int64_t dim : shape) bytes *= static_cast<size_t>(dim);
    plain = Numbered(bytes);
    const Bytes before = Numbered(20'000);
    blob.Add(ElementType::kUint8, {20'000}, before, PanelLayout::kRows, 0);
    weight = blob.Add(type, shape, plain, layout, extent);
    blob.Add(ElementType::kUint8, {20'000}, before, PanelLayout::kRows, 0);
    blob.Seal();
    model = blob.model();
  }

  PanelStream Stream() { return {model, weight, *arena, ledger}; }

  void ExpectAllWiped() const {
    EXPECT_EQ(arena->bytes_in_use(), 0u);
    const Ledger::Totals totals = ledger.Read();
    EXPECT_EQ(totals.bytes_opened, totals.bytes_wiped);
  }

  std::unique_ptr<Arena> arena;
  TestBlob blob;
  Ledger ledger;
  Bytes plain;
  WeightInfo weight;
  SealedModel model;
};

Bytes Copy(ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

TEST(PanelStream, RowPanelsJoinedAreTheWeight) {
  EXPECT_TRUE(rc::check([] {
    const auto rows = *rc::gen::inRange<int64_t>(1, 90);
    const auto columns = *rc::gen::inRange<int64_t>(1, 3000);
    Fixture fixture({rows, columns}, PanelLayout::kRows, *rc::gen::inRange<uint64_t>(1, 100));
    const PanelStream stream = fixture.Stream();
    Bytes joined;
    int64_t next = 0;
    for (size_t i = 0; i < stream.panel_count(); ++i) {
      const auto panel = stream.Open(i);
      RC_ASSERT(panel.has_value());
      RC_ASSERT(panel->begin() == next);
      next = panel->end();
      AppendBytes(joined, panel->bytes());
    }
    RC_ASSERT(next == rows);
    RC_ASSERT(joined == fixture.plain);
    fixture.ExpectAllWiped();
  }));
}

TEST(PanelStream, OpensColumnPanelsAndPutsThemTogether) {
  EXPECT_TRUE(rc::check([] {
    const auto rows = *rc::gen::inRange<int64_t>(1, 60);
    const auto columns = *rc::gen::inRange<int64_t>(1, 400);
    Fixture fixture({rows, columns}, PanelLayout::kColumns, *rc::gen::inRange<uint64_t>(1, 300),
                    ElementType::kFloat);
    const PanelStream stream = fixture.Stream();
    {
      const auto whole = stream.OpenRowMajor();
      RC_ASSERT(whole.has_value());
      RC_ASSERT(Copy(whole->bytes()) == fixture.plain);
      RC_ASSERT(whole->begin() == 0);
      RC_ASSERT(whole->end() == columns);
    }
    const auto last = stream.Open(stream.panel_count() - 1);
    RC_ASSERT(last.has_value());
    const auto width = static_cast<size_t>(last->end() - last->begin()) * 4;
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      const size_t at =
          (row * static_cast<size_t>(columns) + static_cast<size_t>(last->begin())) * 4;
      RC_ASSERT(std::ranges::equal(last->bytes().subspan(row * width, width),
                                   ByteSpan(fixture.plain).subspan(at, width)));
    }
  }));
}

TEST(PanelStream, OpensRowsWithTheirChunksAlone) {
  Fixture fixture({100, 4096}, PanelLayout::kRows, 100);
  const PanelStream stream = fixture.Stream();
  {
    const auto rows = stream.OpenRows(7, 9);
    ASSERT_TRUE(rows.has_value());
    EXPECT_EQ(Copy(rows->bytes()), Copy(ByteSpan(fixture.plain).subspan(7 * 4096, 2 * 4096)));
    EXPECT_EQ(rows->begin(), 7);
    EXPECT_EQ(rows->end(), 9);
  }
  EXPECT_LE(fixture.ledger.Read().chunks_opened, 2u);
  ASSERT_TRUE(stream.OpenRows(5, 5).has_value());
  fixture.ExpectAllWiped();
}

TEST(SealedBytesOf, AreThoseOfTheChunks) {
  constexpr int64_t kRows = 5000;
  constexpr size_t kRowBytes = 8;  // so that rows end where chunks do
  Fixture fixture({kRows, kRowBytes}, PanelLayout::kRows, kRows);
  const size_t chunk = fixture.model.cipher->chunk_bytes();
  const size_t sealed = fixture.model.cipher->sealed_chunk_bytes();
  const auto place_of = [&](int64_t row) {
    return fixture.weight.offset + static_cast<size_t>(row) * kRowBytes;
  };
  const auto sealed_rows = [&](int64_t begin, int64_t end) {
    return SealedBytesOf(fixture.model, place_of(begin), place_of(end));
  };
  for (int64_t row = 0; row < kRows; ++row) {
    const int64_t begin = row % 2 == 0 ? row : row / 3;
    const int64_t end = row + 1;
    const size_t first = place_of(begin) / chunk;
    const ByteSpan bytes = sealed_rows(begin, end);
    ASSERT_EQ(bytes.data(), fixture.model.sealed_chunks.data() + first * sealed);
    ASSERT_EQ(bytes.size(), ((place_of(end) - 1) / chunk + 1 - first) * sealed);
  }
  fixture.model.sealed_chunks =
      fixture.model.sealed_chunks.first(place_of(0) / chunk * sealed + 10);
  EXPECT_EQ(sealed_rows(0, kRows).size(), 10u);
  EXPECT_TRUE(sealed_rows(kRows - 1, kRows).empty());
}

TEST(PanelStream, OpensAScalar) {
  Fixture fixture({}, PanelLayout::kRows, 1);
  const auto panel = fixture.Stream().Open(0);
  ASSERT_TRUE(panel.has_value());
  EXPECT_EQ(Copy(panel->bytes()), fixture.plain);
}

TEST(PanelStream, OpensWeightsOfOneChunkTogether) {
  TestBlob blob(wire::kChunkBytes);
  const Bytes plain = Numbered(9000);
  const auto part = [&](size_t at, size_t count) { return ByteSpan(plain).subspan(at, count); };
  const auto add = [&](size_t at, size_t count) {
    return blob.Add(ElementType::kUint8, {static_cast<int64_t>(count)}, part(at, count),
                    PanelLayout::kRows, count);
  };
  const WeightInfo first = add(0, 100);
  const WeightInfo second = add(100, 1000);
  const WeightInfo far = add(0, 9000);
  const WeightInfo last = add(0, 9000);
  blob.Seal();
  const SealedModel model = blob.model();
  const auto arena = *Arena::Create(kArenaBytes);
  Ledger ledger;
  EXPECT_EQ(PanelStream::OnlyChunkOf(model, first), 0U);
  EXPECT_EQ(PanelStream::OnlyChunkOf(model, far), 0U);
  EXPECT_EQ(PanelStream::OnlyChunkOf(model, last), std::nullopt) << "two chunks hold it";
  {
    const WeightInfo* both[] = {&first, &second};
    const auto opened = PanelStream::OpenTogether(model, both, *arena, ledger).value();
    ASSERT_EQ(opened.size(), 2U);
    EXPECT_TRUE(std::ranges::equal(opened[0].bytes(), part(0, 100)));
    EXPECT_TRUE(std::ranges::equal(opened[1].bytes(), part(100, 1000)));
    EXPECT_EQ(ledger.Read().chunks_opened, 1U);
    blob.sealed()[1234] ^= 1;
    EXPECT_EQ(PanelStream::OpenTogether(model, both, *arena, ledger).error().reason,
              "weights_unauthentic");
  }
  EXPECT_EQ(arena->bytes_in_use(), 0U);
  EXPECT_EQ(ledger.Read().bytes_opened, ledger.Read().bytes_wiped);
}

TEST(PanelStream, OpensNothingOfAChunkThatWasAltered) {
  Fixture fixture({10, 5000}, PanelLayout::kRows, 10);
  const size_t sealed_chunk = wire::kSmallestChunkBytes + wire::kTagBytes;
  for (size_t chunk = 1; chunk < 5; ++chunk) {
    for (const size_t at : {size_t{0}, size_t{9000}, sealed_chunk - 1}) {
      fixture.blob.sealed()[chunk * sealed_chunk + at] ^= 0x10;
      const auto whole = fixture.Stream().OpenWhole();
      ASSERT_EQ(whole.has_value(), chunk * wire::kSmallestChunkBytes >=
                                       fixture.weight.offset + fixture.weight.byte_count);
      if (!whole.has_value()) {
        EXPECT_EQ(whole.error().reason, "weights_unauthentic");
      }
      fixture.blob.sealed()[chunk * sealed_chunk + at] ^= 0x10;
    }
  }
  fixture.ExpectAllWiped();
}

TEST(OpenChunks, LeavesNothingIfOneWasAltered) {
  Fixture fixture({10, 5000}, PanelLayout::kRows, 10);
  const size_t chunk_bytes = fixture.blob.chunk_bytes();
  constexpr size_t kChunks = 3;
  for (size_t altered = 0; altered < kChunks; ++altered) {
    Ledger ledger;
    Bytes plaintext(kChunks * chunk_bytes, 0xAA);
    uint8_t& byte = fixture.blob.sealed()[altered * (chunk_bytes + wire::kTagBytes) + 7];
    byte ^= 1;
    const Done done = OpenChunks(fixture.model, 0, plaintext, ledger, Distance::kNear);
    byte ^= 1;
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().reason, "weights_unauthentic");
    EXPECT_EQ(plaintext, Bytes(plaintext.size()));
    EXPECT_EQ(ledger.Read().chunks_opened, altered);
  }
}

TEST(PanelStream, RefusesChunksThatAreSwappedOrMissing) {
  Fixture fixture({10, 5000}, PanelLayout::kRows, 10);
  Bytes& sealed = fixture.blob.sealed();
  const auto chunk = static_cast<std::ptrdiff_t>(wire::kSmallestChunkBytes + wire::kTagBytes);
  std::swap_ranges(sealed.begin() + chunk, sealed.begin() + 2 * chunk, sealed.begin() + 2 * chunk);
  EXPECT_EQ(fixture.Stream().OpenWhole().error().reason, "weights_unauthentic");
  std::swap_ranges(sealed.begin() + chunk, sealed.begin() + 2 * chunk, sealed.begin() + 2 * chunk);
  ASSERT_TRUE(fixture.Stream().OpenWhole().has_value());
  fixture.model.sealed_chunks = fixture.model.sealed_chunks.first(static_cast<size_t>(3 * chunk));
  EXPECT_EQ(fixture.Stream().OpenWhole().error().reason, "weights_unauthentic");
  fixture.model.sealed_chunks = {};
  EXPECT_EQ(fixture.Stream().OpenWhole().error().reason, "weights_unauthentic");
  fixture.ExpectAllWiped();
}

// Of memory that was given back, which AddressSanitizer forbids to read.
[[gnu::no_sanitize_address]] int64_t CountZeros(ByteSpan bytes) {
  int64_t count = 0;
  for (size_t i = 0; i < bytes.size(); ++i) count += bytes.data()[i] == 0 ? 1 : 0;
  return count;
}

TEST(PanelStream, WipesAPanelWhenItGoes) {
  Fixture fixture({4, 1000}, PanelLayout::kRows, 2);
  ByteSpan place;
  {
    const auto panel = fixture.Stream().Open(1);
    ASSERT_TRUE(panel.has_value());
    place = panel->bytes();
    ASSERT_NE(std::ranges::count(place, 0), 2000);
  }
  // The arena's pages stay mapped.
  EXPECT_EQ(CountZeros(place), 2000);
}

TEST(PanelStream, CountsWhatIsOpenEdgesOfChunksIncluded) {
  Fixture fixture({4, 1000}, PanelLayout::kRows, 2);
  {
    auto panel = fixture.Stream().Open(0);
    ASSERT_TRUE(panel.has_value());
    const OpenPanel moved = *std::move(panel);
    EXPECT_EQ(fixture.ledger.Read().peak_plaintext_bytes, 2000 + wire::kSmallestChunkBytes);
    EXPECT_EQ(fixture.ledger.Read().bytes_wiped, wire::kSmallestChunkBytes);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const Ledger::Totals totals = fixture.ledger.Read();
  EXPECT_EQ(totals.bytes_wiped, 2000 + wire::kSmallestChunkBytes);
  EXPECT_GE(totals.longest_plaintext_ns, 2'000'000u);
  EXPECT_GE(totals.plaintext_byte_ns, 2000u * 2'000'000u);
  EXPECT_EQ(totals.chunks_opened, 1u);
}

TEST(PanelStream, FailsWhenASessionsMemoryIsUsedUp) {
  Fixture fixture({4, 40'000}, PanelLayout::kRows, 4);
  fixture.arena = *Arena::Create(100'000);
  const auto whole = fixture.Stream().OpenWhole();
  ASSERT_FALSE(whole.has_value());
  EXPECT_EQ(whole.error().reason, "session_memory_exceeded");
  fixture.arena = *Arena::Create(160'064);  // room for the panel, none for an edge
  EXPECT_EQ(fixture.Stream().OpenWhole().error().reason, "session_memory_exceeded");
  fixture.ExpectAllWiped();
}

TEST(PanelStream, ServesSeveralThreads) {
  Fixture fixture({64, 3000}, PanelLayout::kRows, 1);
  const PanelStream stream = fixture.Stream();
  const auto open_all = [&] {
    for (size_t i = 0; i < stream.panel_count(); ++i) {
      const auto panel = stream.Open(i);
      ASSERT_TRUE(panel.has_value());
      ASSERT_TRUE(
          std::ranges::equal(panel->bytes(), ByteSpan(fixture.plain).subspan(i * 3000, 3000)));
    }
  };
  std::thread other(open_all);
  open_all();
  other.join();
  fixture.ExpectAllWiped();
}

}  // namespace
}  // namespace ephemeralml::weights

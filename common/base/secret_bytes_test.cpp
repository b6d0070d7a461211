#include "common/base/secret_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace ephemeralml {
namespace {

// True if any readable mapping of this process holds `needle`, which is given with every byte
// inverted so that the search itself leaves no match.
bool ProcessHolds(const Bytes& inverted) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char mode[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, mode) != 3 || mode[0] != 'r')
      continue;
    if (line.find("rw") == std::string::npos || end - begin > (64UL << 20)) continue;
    for (const uint8_t* p = reinterpret_cast<const uint8_t*>(begin);
         p + inverted.size() <= reinterpret_cast<const uint8_t*>(end); p += 8) {
      size_t i = 0;
      while (i < inverted.size() && p[i] == static_cast<uint8_t>(~inverted[i])) ++i;
      if (i == inverted.size()) return true;
    }
  }
  return false;
}

// Sanitizers reserve address space that can't be read byte by byte.
#ifdef EPHEMERAL_SANITIZED
constexpr bool kCanSearchOwnMemory = false;
#else
constexpr bool kCanSearchOwnMemory = true;
#endif

const Bytes kInverted = {0x51, 0x13, 0xc7, 0xe2, 0x9a, 0x44, 0x0f, 0xb8,
                         0x6d, 0x21, 0xf0, 0x35, 0x8c, 0xd9, 0x7e, 0x02};

void FillInverted(SecretBytes& secret) {
  for (size_t i = 0; i < kInverted.size(); ++i)
    secret.Fill()[i] = static_cast<uint8_t>(~kInverted[i]);
}

TEST(SecretBytes, IsFoundWhileItLivesAndGoneAfter) {
  if (!kCanSearchOwnMemory) return;
  {
    SecretBytes secret(kInverted.size());
    FillInverted(secret);
    EXPECT_TRUE(ProcessHolds(kInverted));
  }
  EXPECT_FALSE(ProcessHolds(kInverted));
}

TEST(SecretBytes, WipesWhenAssignedOver) {
  SecretBytes secret(kInverted.size());
  FillInverted(secret);
  secret = SecretBytes(4);
  EXPECT_EQ(secret.size(), 4U);
  if (kCanSearchOwnMemory) {
    EXPECT_FALSE(ProcessHolds(kInverted));
  }
}

TEST(SecretBytes, IsZeroAtBirthWhereAnotherWasBefore) {
  for (const size_t size : {size_t{16}, size_t{5000}, size_t{1} << 20, size_t{5} << 20}) {
    for (int round = 0; round < 20; ++round) {
      SecretBytes secret(size - static_cast<size_t>(round % 3));
      EXPECT_TRUE(std::ranges::all_of(secret.Reveal(), [](uint8_t byte) { return byte == 0; }));
      std::ranges::fill(secret.Fill(), uint8_t{0x5a});
    }
  }
}

TEST(SecretBytes, KeepsLittleOfWhatIsGone) {
  const auto resident = [] {
    size_t total = 0;
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> total >> pages;
    return pages * 4096;
  };
  const size_t before = resident();
  {
    std::vector<SecretBytes> many;
    for (int i = 0; i < 64; ++i) std::ranges::fill(many.emplace_back(1 << 20).Fill(), uint8_t{1});
    EXPECT_GE(resident(), before + (size_t{48} << 20));
  }
  EXPECT_LE(resident(), before + (size_t{8} << 20));
}

TEST(SecretBytes, MovesLeaveNothingBehind) {
  SecretBytes first(kInverted.size());
  FillInverted(first);
  SecretBytes second = std::move(first);
  EXPECT_EQ(first.size(), 0U);  // NOLINT(bugprone-use-after-move): the moved-from state is promised
  EXPECT_EQ(second.Reveal()[0], static_cast<uint8_t>(~kInverted[0]));
}

TEST(SecretBytes, DuplicatesAreIndependent) {
  SecretBytes first(1);
  first.Fill()[0] = 7;
  SecretBytes second = first.Duplicate();
  first.Fill()[0] = 8;
  EXPECT_EQ(second.Reveal()[0], 7);
}

TEST(Wipe, ZeroesAndTakesEmptySpans) {
  Bytes bytes = {1, 2, 3};
  Wipe(bytes);
  EXPECT_EQ(bytes, (Bytes{0, 0, 0}));
  Wipe({});
}

}  // namespace
}  // namespace ephemeralml

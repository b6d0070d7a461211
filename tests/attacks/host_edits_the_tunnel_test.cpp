// The host alters, drops, repeats, or cuts off what passes through its tunnel, in either direction
// and at every stage: handshake, nonce, evidence, request, reply, key updates.

#include <array>
#include <map>
#include <mutex>
#include <random>

#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

using testing_support::Direction;
using testing_support::Passed;

constexpr size_t kHeaderBytes = 5;      // RFC 8446 §5.1
constexpr uint8_t kProtectedType = 23;  // §5.2
constexpr auto kBothWays = std::to_array({Direction::kToTarget, Direction::kFromTarget});

// Counts whole TLS records and lets `edit` change each.
class Records {
 public:
  using Edit = std::function<Passed(Direction, size_t index, Bytes record)>;

  explicit Records(Edit edit) : edit_(std::move(edit)) {}

  Passed operator()(Direction direction, Bytes bytes) {
    Way& way = ways_[direction];
    AppendBytes(way.waiting, bytes);
    Passed passed;
    while (!passed.then_cut && way.waiting.size() >= kHeaderBytes) {
      const size_t size = kHeaderBytes + way.waiting[3] * 256U + way.waiting[4];
      if (way.waiting.size() < size) break;
      const auto end = way.waiting.begin() + static_cast<std::ptrdiff_t>(size);
      Passed record = edit_(direction, way.count++, Bytes(way.waiting.begin(), end));
      way.waiting.erase(way.waiting.begin(), end);
      AppendBytes(passed.bytes, record.bytes);
      passed.then_cut = record.then_cut;
    }
    return passed;
  }

 private:
  struct Way {
    Bytes waiting;
    size_t count = 0;
  };

  Edit edit_;
  std::map<Direction, Way> ways_;
};

struct Seen {
  size_t size = 0;
  bool is_protected = false;
};

class HostEditsTheTunnel : public testing::TestWithParam<Direction> {
 protected:
  void SetUp() override {
    tunnel_.SetTarget(attacked_.system().enclave_port());
    TakeCensus();
  }

  // Two requests in one session. The reason for which this ended early, or empty; each answer that
  // comes is checked.
  std::string Outcome() {
    auto session = attacked_.system().Connect();
    if (!session) return std::string(session.error().reason);
    for (int request = 0; request < 2; ++request) {
      std::string reason = Attacked::Ask(*session, model_);
      if (!reason.empty()) return reason;
    }
    return "";
  }

  // The outcome if `edit` is done to one record of that direction.
  std::string OutcomeOf(size_t index, std::function<Passed(Bytes)> edit) {
    tunnel_.SetAttack([=] {
      return Records([=](Direction direction, size_t at, Bytes record) {
        if (direction != GetParam() || at != index) return Passed{std::move(record)};
        return edit(std::move(record));
      });
    });
    std::string outcome = Outcome();
    tunnel_.SetAttack({});
    return outcome;
  }

  std::string OutcomeOfFlip(size_t index, size_t byte, int bit) {
    SCOPED_TRACE(byte);
    return OutcomeOf(index, [=](Bytes record) {
      record.at(byte) ^= static_cast<uint8_t>(1 << bit);
      return Passed{std::move(record)};
    });
  }

  // Records of the handshake, the evidence, the first request and what answers it: all that an
  // edit of must show by the end of the second request.
  size_t record_count() const { return records_.size(); }

  void TakeCensus() {
    struct Census {
      std::mutex mutex;
      std::vector<Seen> seen;
    };
    const auto census = std::make_shared<Census>();  // the connection may outlive its session
    tunnel_.SetAttack([census] {
      return Records([census](Direction direction, size_t, Bytes record) {
        const std::lock_guard lock(census->mutex);
        if (direction == GetParam()) {
          census->seen.push_back({record.size(), record[0] == kProtectedType});
        }
        return Passed{std::move(record)};
      });
    });
    auto session = attacked_.system().Connect().value();
    ASSERT_EQ(Attacked::Ask(session, model_), "");
    const std::lock_guard lock(census->mutex);
    records_ = census->seen;
    tunnel_.SetAttack({});
    // At least ClientHello, Finished, nonce, request; ServerHello, the rest of the handshake,
    // evidence, reply.
    ASSERT_GE(records_.size(), 4U);
    ASSERT_LE(records_.size(), 20U);
  }

  static System::Options Options(const testing_support::Proxy& tunnel) {
    System::Options options = ThroughTunnel(tunnel);
    // An edited length makes one end wait for bytes that nobody sent: let the enclave lose patience
    // soon, and before the client does.
    options.enclave_arguments = {"--handshake-timeout", "4000", "--idle-timeout", "4000",
                                 "--transfer-timeout",  "4000"};
    return options;
  }

  testing_support::Proxy tunnel_;
  Attacked attacked_{Options(tunnel_)};
  SmallModel model_ = attacked_.Make(1);
  std::vector<Seen> records_;
};

TEST_P(HostEditsTheTunnel, FlippingAnyBitOfARecordsBody) {
  std::mt19937_64 random(20240603);
  for (size_t index = 0; index < record_count(); ++index) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      // Lengths may differ by a few bytes from one session to the next: signatures do.
      const size_t body = std::max(kHeaderBytes + 1, records_[index].size - 8);
      const size_t byte = kHeaderBytes + random() % (body - kHeaderBytes);
      const int bit = static_cast<int>(random() % 8);
      EXPECT_EQ(OutcomeOfFlip(index, byte, bit), "channel_broken")
          << "bit " << bit << " of byte " << byte << " of record " << index;
    }
  }
  attacked_.ExpectHealthy(model_);
}

TEST_P(HostEditsTheTunnel, FlippingABitOfARecordsHeader) {
  std::mt19937_64 random(20240604);
  for (size_t index = 0; index < record_count(); ++index) {
    for (size_t byte = 0; byte < kHeaderBytes; ++byte) {
      // RFC 8446 §5.1: the version of an unprotected record means nothing and must be ignored.
      const bool is_ignored = !records_[index].is_protected && (byte == 1 || byte == 2);
      if (is_ignored) continue;
      // Of the length's bits one that shortens or lengthens a little, or by too much: what
      // lengthens by some hundred bytes only makes both wait.
      const int bit = byte == 3 ? 7 : static_cast<int>(random() % 5);
      EXPECT_EQ(OutcomeOfFlip(index, byte, bit), "channel_broken")
          << "bit " << bit << " of byte " << byte << " of record " << index;
    }
  }
  attacked_.ExpectHealthy(model_);
}

TEST_P(HostEditsTheTunnel, CuttingInsideARecord) {
  for (size_t index = 0; index < record_count(); ++index) {
    EXPECT_EQ(OutcomeOf(index,
                        [](Bytes record) {
                          record.resize(record.size() / 2);
                          return Passed{std::move(record), true};
                        }),
              "channel_broken")
        << index;
  }
  attacked_.ExpectHealthy(model_);
}

TEST_P(HostEditsTheTunnel, RepeatingARecord) {
  for (size_t index = 0; index < record_count(); ++index) {
    EXPECT_EQ(OutcomeOf(index,
                        [](Bytes record) {
                          const Bytes copy = record;
                          AppendBytes(record, copy);
                          return Passed{std::move(record)};
                        }),
              "channel_broken")
        << index;
  }
  attacked_.ExpectHealthy(model_);
}

INSTANTIATE_TEST_SUITE_P(OnTheWay, HostEditsTheTunnel, testing::ValuesIn(kBothWays),
                         [](const auto& each) {
                           return each.param == Direction::kToTarget ? "ToTheEnclave"
                                                                     : "ToTheClient";
                         });

}  // namespace
}  // namespace ephemeralml::attacks

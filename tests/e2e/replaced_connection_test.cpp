// A client whose connection ends, or whose enclave is gone, goes on with another that it verified.

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "client/session/lasting_session.h"
#include "tests/e2e/small_models.h"
#include "tests/support/proxy.h"

namespace ephemeralml {
namespace {

using session::LastingSession;
using testing_support::SplitModel;
using testing_support::System;

constexpr auto kConnectionTime = std::chrono::milliseconds(1500);

class ReplacedConnection : public testing::Test {
 protected:
  static System::Options Options(const testing_support::Proxy& tunnel) {
    return {.enclave_arguments = {"--threads", "1", "--connection-time",
                                  std::to_string(kConnectionTime.count())},
            .enclave_dialled_at = tunnel.port()};
  }
  ReplacedConnection() { tunnel_.SetTarget(system_.enclave_port()); }

  LastingSession Open() const {
    return LastingSession::Open(system_.Settings(), system_.Policy(), system_.Root()).value();
  }
  std::string Reason(LastingSession& session) const {
    const auto answer = session.Infer(model_.topology, InputFor(small_, 3));
    return answer ? "" : std::string(answer.error().reason);
  }

  testing_support::Proxy tunnel_;
  System system_{Options(tunnel_)};
  const testing_support::SmallModel small_ = testing_support::DenseModel();
  const SplitModel model_ = testing_support::Install(system_, small_);
};

TEST_F(ReplacedConnection, ComesAfterTheEnclaveEndsOneThatHadItsTime) {
  LastingSession session = Open();
  EXPECT_EQ(Reason(session), "");
  EXPECT_EQ(session.replacements(), 0);
  std::this_thread::sleep_for(kConnectionTime);
  EXPECT_EQ(Reason(session), "");  // the last reply of the old one
  EXPECT_EQ(session.replacements(), 0);
  EXPECT_EQ(Reason(session), "");
  EXPECT_EQ(session.replacements(), 1);
}

TEST_F(ReplacedConnection, ComesAfterTheWorkerIsGone) {
  const pid_t worker = system_.SpareWorker();
  LastingSession session = Open();
  EXPECT_EQ(Reason(session), "");
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  EXPECT_EQ(Reason(session), "");
  EXPECT_EQ(session.replacements(), 1);
}

TEST_F(ReplacedConnection, IsTriedOnceForARequest) {
  const pid_t worker = system_.SpareWorker();
  LastingSession session = Open();
  const testing_support::Listener hangs_up([](UniqueFd, const std::atomic<bool>&) {});
  tunnel_.SetTarget(hangs_up.port());
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  const auto answer = session.Infer(model_.topology, InputFor(small_, 3));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().what.find("the connection was lost, and no other"), 0U)
      << answer.error().what;
  tunnel_.SetTarget(system_.enclave_port());
  EXPECT_EQ(Reason(session), "");
  EXPECT_EQ(session.replacements(), 1);
}

TEST_F(ReplacedConnection, DoesNotComeFromAnEnclaveOfAnotherRoot) {
  const System other;
  const pid_t worker = system_.SpareWorker();
  LastingSession session = Open();
  tunnel_.SetTarget(other.enclave_port());
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  EXPECT_EQ(Reason(session), "root_mismatch");
  EXPECT_EQ(session.replacements(), 0);
}

}  // namespace
}  // namespace ephemeralml

#include "host/proxy/metrics.h"

#include <gmock/gmock.h>

#include <thread>

#include "host/proxy/testing/fake_enclave.h"
#include "host/proxy/testing/server_fixture.h"

namespace ephemeralml::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

std::string_view ReasonOf(std::string_view text) {
  const auto counters = ParseCounters(text);
  return counters.has_value() ? "" : counters.error().reason;
}

TEST(EnclaveCounters, AreReadInTheirOrder) {
  EXPECT_THAT(ParseCounters("sessions 2\nworkers_died_total 18446744073709551615\n").value(),
              ElementsAre(Pair("sessions", 2), Pair("workers_died_total", ~uint64_t{0})));
  EXPECT_TRUE(ParseCounters("").value().empty());
}

TEST(EnclaveCounters, ThatAreAnythingElseAreRefused) {
  for (const std::string_view text :
       {"a", "a 1", "a 1\nb", " 1\n", "a\n", "a 1 2\n", "a -1\n", "a 0x1\n", "a 1.5\n", "A 1\n",
        "a{b=\"c\"} 1\n", "a 18446744073709551616\n", "a 1\na 1\n", "\n", "a  1\n", "a 1\r\n"}) {
    EXPECT_EQ(ReasonOf(text), "counters_malformed") << text;
  }
  const std::string long_name(kLargestCountersBytes - 2, 'a');
  EXPECT_EQ(ReasonOf(long_name + " 1\n"), "counters_malformed");
  EXPECT_EQ(ReasonOf(long_name.substr(1) + " 1\n"), "");
}

class MetricsPage : public ::testing::Test {
 protected:
  static ServerSettings Settings() {
    ServerSettings settings;
    settings.metrics_port = uint16_t{0};
    return settings;
  }

  // The status and the body.
  static std::string Ask(testing::RunningServer& server, std::string_view target) {
    testing::HttpPeer peer(static_cast<uint16_t>(server.server().metrics_port()));
    const testing::Answer answer = peer.Ask(testing::MakeRequest("GET", target));
    return std::to_string(answer.status) + "\n" + answer.body;
  }

  // The page of a host whose enclave gives `counters`.
  static std::string PageWith(std::string_view counters) {
    testing::FakeEnclave enclave;
    ServerSettings settings = Settings();
    settings.enclave_counters = net::Address{"127.0.0.1", enclave.port()};
    testing::RunningServer server(settings, {});
    std::thread answering([&] { testing::SendText(enclave.Accept(), counters); });
    std::string page = Ask(server, "/metrics");
    answering.join();
    return page;
  }
};

TEST_F(MetricsPage, CountsWhatTheHostDid) {
  testing::RunningServer server(Settings(), {});
  testing::HttpPeer peer(server.port());
  const std::string id(32, 'a');
  const std::string blob = "/v1/blobs/" + id;
  EXPECT_EQ(peer.Ask(testing::MakeRequest("PUT", blob, server.Authorization(), "hello")).status,
            201U);
  EXPECT_EQ(peer.Ask(testing::MakeRequest("GET", blob)).status, 200U);
  EXPECT_EQ(peer.Ask(testing::MakeRequest("GET", "/nothing")).status, 404U);
  EXPECT_EQ(peer.Ask(testing::MakeRequest("GET", "/readyz")).status, 200U);
  const std::string page = Ask(server, "/metrics");
  for (const std::string_view line :
       {"200\n", "\nephemeralml_host_connections 1\n",
        "\nephemeralml_host_blob_operations_total{operation=\"write\"} 1\n",
        "\nephemeralml_host_blob_operations_total{operation=\"read\"} 1\n",
        "\nephemeralml_host_blob_operations_total{operation=\"remove\"} 0\n",
        "\nephemeralml_host_blob_bytes_total{direction=\"in\"} 5\n",
        "\nephemeralml_host_blob_bytes_total{direction=\"out\"} 5\n",
        "\nephemeralml_host_errors_total{reason=\"target_unknown\"} 1\n",
        "\nephemeralml_host_errors_total{reason=\"draining\"} 0\n",
        "\nephemeralml_enclave_reachable 0\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
  EXPECT_THAT(page, Not(HasSubstr(id)));
}

TEST_F(MetricsPage, CountsATunnelWhileItIsOpen) {
  testing::FakeEnclave enclave;
  ServerSettings settings = Settings();
  settings.enclave = net::Address{"127.0.0.1", enclave.port()};
  testing::RunningServer server(settings, {});
  testing::HttpPeer peer(server.port());
  peer.Send("CONNECT enclave:8082 HTTP/1.1\r\nHost: enclave:8082\r\n\r\n");
  const UniqueFd connection = enclave.Accept();
  EXPECT_EQ(peer.Receive(false).status, 200U);
  testing::SendText(connection, "four");
  EXPECT_EQ(peer.ReceiveBytes(4), "four");
  const std::string page = Ask(server, "/metrics");
  for (const std::string_view line :
       {"\nephemeralml_host_tunnels_open 1\n", "\nephemeralml_host_tunnels_total 1\n",
        "\nephemeralml_host_tunnel_bytes_total{direction=\"to_client\"} 4\n",
        "\nephemeralml_enclave_reachable 1\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

TEST_F(MetricsPage, IsNotOnTheClientsPortAndHasNothingElse) {
  testing::RunningServer server(Settings(), {});
  testing::HttpPeer peer(server.port());
  EXPECT_EQ(peer.Ask(testing::MakeRequest("GET", "/metrics")).status, 404U);
  EXPECT_EQ(Ask(server, "/v1/blobs/" + std::string(32, 'a')), "404\n");
}

TEST_F(MetricsPage, PassesTheEnclavesCountersOn) {
  const std::string page = PageWith("sessions 3\nworkers_died_total 1\n");
  EXPECT_THAT(page, HasSubstr("# TYPE ephemeralml_enclave_sessions gauge\n"
                              "ephemeralml_enclave_sessions 3\n"));
  EXPECT_THAT(page, HasSubstr("# TYPE ephemeralml_enclave_workers_died_total counter\n"
                              "ephemeralml_enclave_workers_died_total 1\n"));
  EXPECT_THAT(page, HasSubstr("\nephemeralml_enclave_reachable 1\n"));
}

TEST_F(MetricsPage, PassesNothingOnThatIsNoCounter) {
  const std::string page = PageWith("sessions 3\nevil{x=\"\n\"} 1\n");
  EXPECT_THAT(page, Not(HasSubstr("evil")));
  EXPECT_THAT(page, Not(HasSubstr("ephemeralml_enclave_sessions")));
}

}  // namespace
}  // namespace ephemeralml::proxy

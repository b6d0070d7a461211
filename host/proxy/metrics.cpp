#include "host/proxy/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "host/proxy/refusals.h"

namespace ephemeralml::proxy {
namespace {

// Source: Prometheus, "Exposition formats", text-based format.
class Page {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                   type);
  }
  void Sample(std::string_view name, uint64_t value) {
    fmt::format_to(std::back_inserter(text_), "{} {}\n", name, value);
  }
  void Sample(std::string_view name, std::string_view label, std::string_view label_value,
              uint64_t value) {
    fmt::format_to(std::back_inserter(text_), "{}{{{}=\"{}\"}} {}\n", name, label, label_value,
                   value);
  }
  void Gauge(std::string_view name, std::string_view help, uint64_t value) {
    Family(name, "gauge", help);
    Sample(name, value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void WriteTunnels(Page& page, const Metrics& metrics) {
  page.Gauge("ephemeralml_host_tunnels_open", "Tunnels under way.", metrics.tunnels_open);
  page.Family("ephemeralml_host_tunnels_total", "counter", "Tunnels that reached the enclave.");
  page.Sample("ephemeralml_host_tunnels_total", metrics.tunnels);
  constexpr std::string_view kBytes = "ephemeralml_host_tunnel_bytes_total";
  page.Family(kBytes, "counter", "Bytes moved in tunnels.");
  page.Sample(kBytes, "direction", "to_enclave", metrics.bytes_to_enclave);
  page.Sample(kBytes, "direction", "to_client", metrics.bytes_to_client);
}

void WriteBlobs(Page& page, const Metrics& metrics) {
  constexpr std::string_view kOperations = "ephemeralml_host_blob_operations_total";
  page.Family(kOperations, "counter", "Requests for blobs that were met.");
  page.Sample(kOperations, "operation", "read", metrics.blob_reads);
  page.Sample(kOperations, "operation", "write", metrics.blob_writes);
  page.Sample(kOperations, "operation", "remove", metrics.blob_removals);
  constexpr std::string_view kBytes = "ephemeralml_host_blob_bytes_total";
  page.Family(kBytes, "counter", "Bytes of blobs received and sent.");
  page.Sample(kBytes, "direction", "in", metrics.blob_bytes_in);
  page.Sample(kBytes, "direction", "out", metrics.blob_bytes_out);
}

}  // namespace

Metrics::Metrics() : refusals(Refusals().size()) {}

void Metrics::CountRefusal(std::string_view reason) {
  const auto all = Refusals();
  const auto found = std::ranges::find(all, FindRefusal(reason).reason, &Refusal::reason);
  ++refusals[static_cast<size_t>(found - all.begin())];
}

Result<EnclaveCounters> ParseCounters(std::string_view text) {
  const Error malformed{Code::kMalformed, "counters_malformed",
                        "the enclave's counters aren't lines of a name and a number"};
  if (text.size() > kLargestCountersBytes) return malformed;
  EnclaveCounters counters;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t space = text.find(' ');
    if (end == std::string_view::npos || space == 0 || space >= end) return malformed;
    const std::string_view name = text.substr(0, space);
    const bool is_name = std::ranges::all_of(
        name, [](char one) { return (one >= 'a' && one <= 'z') || one == '_'; });
    uint64_t value = 0;
    const auto [rest, error] = std::from_chars(text.data() + space + 1, text.data() + end, value);
    if (!is_name || error != std::errc() || rest != text.data() + end) return malformed;
    const bool is_known =
        std::ranges::any_of(counters, [&](const auto& counter) { return counter.first == name; });
    if (is_known) return malformed;
    counters.emplace_back(name, value);
    text.remove_prefix(end + 1);
  }
  return counters;
}

std::string ToPrometheus(const Metrics& metrics, uint32_t connections, uint32_t requests,
                         const std::optional<EnclaveCounters>& counters) {
  Page page;
  page.Gauge("ephemeralml_host_connections", "Clients connected.", connections);
  page.Gauge("ephemeralml_host_requests", "Requests under way, tunnels included.", requests);
  WriteTunnels(page, metrics);
  WriteBlobs(page, metrics);
  constexpr std::string_view kErrors = "ephemeralml_host_errors_total";
  page.Family(kErrors, "counter", "Requests refused, by reason.");
  for (size_t i = 0; i < metrics.refusals.size(); ++i) {
    page.Sample(kErrors, "reason", Refusals()[i].reason, metrics.refusals[i]);
  }
  page.Gauge("ephemeralml_enclave_reachable", "1 if the enclave answered when last dialled.",
             metrics.enclave_reachable ? 1 : 0);
  if (!counters.has_value()) return page.Take();
  for (const auto& [name, value] : *counters) {
    const std::string full = "ephemeralml_enclave_" + name;
    page.Family(full, name.ends_with("_total") ? "counter" : "gauge", "As the enclave counts.");
    page.Sample(full, value);
  }
  return page.Take();
}

}  // namespace ephemeralml::proxy

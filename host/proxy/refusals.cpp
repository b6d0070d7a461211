#include "host/proxy/refusals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ephemeralml::proxy {
namespace {

// Sorted by reason; docs/host.md has the same list.
constexpr std::array kRefusals = {
    Refusal{"blob_conflict", 409, "another blob has this id; seal anew under a new id"},
    Refusal{"blob_id_malformed", 400, "a blob id has exactly 32 lower-case hexadecimal digits"},
    Refusal{"blob_not_found", 404, "no blob has this id; upload it first"},
    Refusal{"blob_too_large", 413, "the blob is larger than this host accepts"},
    Refusal{"blob_unreadable", 500, "the host can't read the blob; see its log"},
    Refusal{"blob_unwritable", 500, "the host can't write the blob; see its log"},
    Refusal{"body_unexpected", 400, "only PUT takes a body"},
    Refusal{"disk_full", 507, "the host's disk has no room for the blob"},
    Refusal{"draining", 503, "the host is going down; try again elsewhere or later"},
    Refusal{"enclave_unreachable", 502, "the host can't reach the enclave; is it running?"},
    Refusal{"expectation_unknown", 417, "the only expectation met is 100-continue"},
    Refusal{"header_too_large", 431, "the request's header is larger than this host accepts"},
    Refusal{"host_header_missing", 400, "HTTP/1.1 needs exactly one Host header"},
    Refusal{"internal", 500, "the host failed; see its log"},
    Refusal{"length_required", 411, "PUT needs a Content-Length"},
    Refusal{"method_not_allowed", 405, "the target doesn't take this method; see Allow"},
    Refusal{"range_malformed", 416, "Range must be bytes=FIRST-LAST, FIRST- or -LENGTH"},
    Refusal{"range_multiple", 416, "one range at a time is served"},
    Refusal{"range_unsatisfiable", 416, "the range lies beyond the blob's end"},
    Refusal{"request_malformed", 400, "the request isn't HTTP/1.1"},
    Refusal{"target_unknown", 404, "the API has no such target"},
    Refusal{"token_required", 401, "PUT and DELETE need the host's bearer token"},
    Refusal{"too_many_connections", 503, "the host serves all the connections it may; try later"},
    Refusal{"tunnel_target_forbidden", 403, "the tunnel goes to the configured enclave alone"},
};
static_assert(std::ranges::is_sorted(kRefusals, {}, &Refusal::reason));

}  // namespace

std::string Refusal::Json() const {
  return fmt::format(R"({{"error":{{"reason":"{}","message":"{}"}}}})"
                     "\n",
                     reason, message);
}

const Refusal& FindRefusal(std::string_view reason) {
  const auto found = std::ranges::lower_bound(kRefusals, reason, {}, &Refusal::reason);
  if (found != kRefusals.end() && found->reason == reason) return *found;
  return FindRefusal("internal");
}

std::span<const Refusal> Refusals() { return kRefusals; }

}  // namespace ephemeralml::proxy

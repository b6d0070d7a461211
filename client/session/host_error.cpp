#include "client/session/host_error.h"

namespace ephemeralml::session {

std::string ExplainStatus(unsigned status) {
  switch (status) {
    case 401:
      return "the token isn't the host's; give its token file with --token-file";
    case 403:
      return "it forwards to its own enclave alone; check --enclave-name";
    case 404:
      return "it has nothing under this id; upload the blob first";
    case 409:
      return "it has other content under this id; a blob never changes, decompose anew";
    case 413:
      return "the blob is larger than the host takes; raise its --blob-limit";
    case 502:
      return "it can't reach the enclave; is the enclave running?";
    case 503:
      return "it has too many connections or is stopping; try again later";
    case 507:
      return "its disk is too full";
    default:
      return "see the host's log";
  }
}

}  // namespace ephemeralml::session

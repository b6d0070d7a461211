#include "common/wire/wiped_secret.h"

#include <string>

#include "common/base/secret_bytes.h"
#include "common/wire/topology.pb.h"

namespace ephemeralml::wire {

WipedSecret::~WipedSecret() {
  if (!topology_.has_blob()) return;
  std::string& secret = *topology_.mutable_blob()->mutable_secret();
  // All that it has room for: a longer secret may have stood there before.
  secret.resize(secret.capacity());
  Wipe({reinterpret_cast<uint8_t*>(secret.data()), secret.size()});
  secret.clear();
}

}  // namespace ephemeralml::wire

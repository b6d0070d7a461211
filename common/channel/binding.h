#pragma once
// What client and enclave must agree on to bind evidence to a connection: docs/formats/evidence.md.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/strong.h"

namespace ephemeralml::channel {

/// The client's challenge: fresh for every connection, the only thing it sends before it has
/// verified.
inline constexpr size_t kNonceBytes = 32;
struct Nonce : FixedBytes<struct NonceTag, kNonceBytes> {};

/// RFC 9266 §2: the exporter's label, with an empty context.
inline constexpr std::string_view kExporterLabel = "EXPORTER-Channel-Binding";
inline constexpr size_t kExporterBytes = 32;
struct ExporterBinding : FixedBytes<struct ExporterBindingTag, kExporterBytes> {};

/// The evidence's user_data: this version byte, then the connection's exporter.
inline constexpr uint8_t kUserDataVersion = 1;
inline constexpr size_t kUserDataBytes = 1 + kExporterBytes;

}  // namespace ephemeralml::channel

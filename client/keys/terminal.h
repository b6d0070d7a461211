#pragma once
// Reads a secret line from a terminal that doesn't show it.

#include <string_view>

#include "common/base/secret_bytes.h"

namespace ephemeralml::keys {

/// Writes `prompt` to the terminal, reads one line without echo, and puts the terminal back as it
/// was. The line comes without its end. Errors: kIo `terminal_unavailable`; kInvalidArgument
/// `passphrase_invalid` (longer than `limit_bytes`, Ctrl-C, end of input).
Result<SecretBytes> ReadSecretLine(int terminal_fd, std::string_view prompt, size_t limit_bytes);

}  // namespace ephemeralml::keys

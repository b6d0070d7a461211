#include "host/proxy/token.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string>

#include "common/base/file.h"

namespace ephemeralml::proxy {
namespace {

constexpr std::string_view kScheme = "bearer ";
constexpr size_t kLargestFileBytes = 4096;
constexpr std::string_view kHexDigits = "0123456789abcdef";

bool IsHexDigit(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

SecretBytes DrawDigits() {
  std::array<uint8_t, Token::kDigits / 2> random;
  CHECK(getrandom(random.data(), random.size(), 0) == static_cast<ssize_t>(random.size()));
  SecretBytes digits(Token::kDigits);
  for (size_t i = 0; i < random.size(); ++i) {
    digits.Fill()[2 * i] = static_cast<uint8_t>(kHexDigits[random[i] >> 4]);
    digits.Fill()[2 * i + 1] = static_cast<uint8_t>(kHexDigits[random[i] & 15]);
  }
  Wipe(random);
  return digits;
}

Done RefuseExposed(const std::filesystem::path& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) {
    return ErrnoError("file_unreadable", "can't stat " + path.string());
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  return Error{Code::kInvalidArgument, "token_exposed",
               "others may read the token file " + path.string() + "; chmod 600 it"};
}

}  // namespace

Result<Token> Token::LoadOrMake(const std::filesystem::path& path) {
  auto contents = ReadSecretFile(path, kLargestFileBytes);
  if (contents) {
    TRY_OK(RefuseExposed(path));
    return Parse(contents->Reveal());
  }
  if (contents.error().reason != "file_not_found") return contents.error();
  SecretBytes digits = DrawDigits();
  TRY_OK(WriteFileAtomically(path, digits.Reveal(), S_IRUSR | S_IWUSR));
  return Token(std::move(digits));
}

Result<Token> Token::Parse(ByteSpan contents) {
  if (!contents.empty() && contents.back() == '\n') contents = contents.first(contents.size() - 1);
  if (contents.size() != kDigits || !std::ranges::all_of(contents, IsHexDigit)) {
    return Error{Code::kMalformed, "token_malformed",
                 "a token file holds 64 hexadecimal digits; remove it and a new one is made"};
  }
  return Token(SecretBytes::CopyOf(contents));
}

bool Token::Authorizes(std::string_view authorization) const {
  if (authorization.size() != kScheme.size() + kDigits ||
      !std::ranges::equal(authorization.substr(0, kScheme.size()), kScheme, {}, ToLower)) {
    return false;
  }
  const ByteSpan given = AsBytes(authorization.substr(kScheme.size()));
  const ByteSpan right = digits_.Reveal();
  // Volatile, so that no compiler ends the loop at the first difference.
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < kDigits; ++i) {
    difference = static_cast<uint8_t>(difference | (given[i] ^ right[i]));
  }
  return difference == 0;
}

}  // namespace ephemeralml::proxy

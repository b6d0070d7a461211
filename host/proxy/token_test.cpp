#include "host/proxy/token.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <iterator>
#include <string>

namespace ephemeralml::proxy {
namespace {

namespace fs = std::filesystem;

class TokenFile : public testing::Test {
 protected:
  TokenFile() {
    std::string name = (fs::temp_directory_path() / "token_test.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    path_ = folder_ / "token";
  }
  ~TokenFile() override { fs::remove_all(folder_); }

  std::string Contents() {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(const std::string& text, fs::perms permissions = fs::perms::owner_read) {
    fs::remove(path_);
    std::ofstream(path_) << text;
    fs::permissions(path_, permissions);
  }
  std::string_view ReasonOfLoading() { return Token::LoadOrMake(path_).error().reason; }

  fs::path folder_;
  fs::path path_;
  const std::string digits_ = std::string(32, '0') + std::string(32, 'f');
};

TEST_F(TokenFile, IsMadeOnceAndForItsUserAlone) {
  const Token made = Token::LoadOrMake(path_).value();
  const std::string digits = Contents();
  EXPECT_EQ(digits.size(), Token::kDigits);
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(made.Authorizes("Bearer " + digits));
  EXPECT_TRUE(Token::LoadOrMake(path_).value().Authorizes("Bearer " + digits));
  EXPECT_EQ(Contents(), digits);
}

TEST_F(TokenFile, IsAnotherEveryTime) {
  ASSERT_TRUE(Token::LoadOrMake(path_));
  const std::string first = Contents();
  fs::remove(path_);
  ASSERT_TRUE(Token::LoadOrMake(path_));
  EXPECT_NE(Contents(), first);
}

TEST_F(TokenFile, MayEndItsLine) {
  Write(digits_ + "\n");
  EXPECT_TRUE(Token::LoadOrMake(path_).value().Authorizes("Bearer " + digits_));
}

TEST_F(TokenFile, IsRefusedIfOthersMayReadIt) {
  Write(digits_, fs::perms::owner_read | fs::perms::group_read);
  EXPECT_EQ(ReasonOfLoading(), "token_exposed");
  Write(digits_, fs::perms::owner_read | fs::perms::others_read);
  EXPECT_EQ(ReasonOfLoading(), "token_exposed");
}

TEST_F(TokenFile, IsRefusedIfMalformed) {
  for (size_t length = 0; length < digits_.size(); ++length) {
    Write(digits_.substr(0, length));
    EXPECT_EQ(ReasonOfLoading(), "token_malformed") << length;
  }
  for (const std::string& text : {digits_ + "0", digits_ + "\n\n", digits_ + "\r\n", " " + digits_,
                                  std::string(64, 'g'), std::string(64, '\0')}) {
    Write(text);
    EXPECT_EQ(ReasonOfLoading(), "token_malformed");
  }
}

TEST_F(TokenFile, IsNeverMadeOverSomethingElse) {
  fs::create_directory(path_);
  EXPECT_FALSE(Token::LoadOrMake(path_));
  EXPECT_FALSE(Token::LoadOrMake(folder_ / "missing" / "token"));
}

TEST_F(TokenFile, AuthorizesNothingButItself) {
  Write(digits_);
  const Token token = Token::LoadOrMake(path_).value();
  const std::string valid = "Bearer " + digits_;
  EXPECT_TRUE(token.Authorizes(valid));
  EXPECT_TRUE(token.Authorizes("bearer " + digits_));
  for (size_t length = 0; length < valid.size(); ++length) {
    EXPECT_FALSE(token.Authorizes(valid.substr(0, length)));
  }
  for (const std::string& header :
       {valid + "0", valid + " ", " " + valid, "Bearer  " + digits_.substr(1), digits_,
        "Basic  " + digits_, "Bearer\t" + digits_}) {
    EXPECT_FALSE(token.Authorizes(header)) << header;
  }
}

TEST_F(TokenFile, AuthorizesNoFlippedBit) {
  Write(digits_);
  const Token token = Token::LoadOrMake(path_).value();
  const std::string valid = "Bearer " + digits_;
  for (size_t bit = 0; bit < valid.size() * 8; ++bit) {
    std::string header = valid;
    header[bit / 8] = static_cast<char>(header[bit / 8] ^ (1 << bit % 8));
    const bool is_only_case = bit / 8 < 6 && bit % 8 == 5;  // the scheme's name has no case
    EXPECT_EQ(token.Authorizes(header), is_only_case) << header;
  }
}

}  // namespace
}  // namespace ephemeralml::proxy

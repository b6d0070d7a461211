// The test's security module against the enclave's own side of it and the client's verifier, before
// any machine boots.

#include "tests/production/nsm_responder.h"

#include <gtest/gtest.h>

#include "client/verify/chain.h"
#include "client/verify/time.h"
#include "common/cose/sign1.h"
#include "enclave/attest/nsm_module.h"

namespace ephemeralml::production {
namespace {

cose::PcrBank Measured() {
  cose::PcrBank bank;
  for (const uint8_t index : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) bank[index].fill(index + 1);
  return bank;
}

class ResponderTest : public testing::Test {
 protected:
  attest::NsmModule ModuleOver(NsmResponder& responder) {
    return attest::NsmModule(
        [&](ByteSpan request) -> Result<Bytes> { return responder.Answer(request); });
  }
  cose::AttestationDocument Ask(Bytes* evidence = nullptr) {
    const Bytes bytes = module_.Attest(AsBytes("key"), AsBytes("nonce"), AsBytes("data")).value();
    if (evidence != nullptr) *evidence = bytes;
    return cose::DecodeDocument(cose::DecodeSign1(bytes).value().payload).value();
  }

  Conduct conduct_ = Conduct::kHonest;
  const cose::Issuer root_ = MakeRoot();
  NsmResponder responder_{root_, Measured(), [this] { return conduct_; }};
  const attest::NsmModule module_ = ModuleOver(responder_);
};

TEST_F(ResponderTest, LetsAnEnclaveStart) {
  EXPECT_TRUE(attest::GatherEntropy(module_).has_value());
  const Done secured = attest::SecureRegisters(module_, attest::DebugMode::kRefused);
  EXPECT_TRUE(secured.has_value()) << secured.error().reason;
  EXPECT_TRUE(module_.Describe()->locked.all());
}

TEST_F(ResponderTest, LetsNoEnclaveStartInDebugMode) {
  NsmResponder debug(root_, {}, [] { return Conduct::kHonest; });
  EXPECT_EQ(attest::SecureRegisters(ModuleOver(debug), attest::DebugMode::kRefused).error().reason,
            "enclave_in_debug_mode");
}

TEST_F(ResponderTest, ExtendsARegisterUntilItIsLocked) {
  const cose::Pcr once = module_.Extend(16, AsBytes("x")).value();
  EXPECT_NE(module_.Extend(16, AsBytes("x")).value(), once);
  ASSERT_TRUE(module_.Lock(17).has_value());
  EXPECT_EQ(module_.Extend(16, AsBytes("x")).error().reason, "nsm_refused");
  EXPECT_EQ(module_.Extend(0, AsBytes("x")).error().reason, "nsm_refused");
  EXPECT_TRUE(module_.DescribeRegister(16)->locked);
  EXPECT_FALSE(module_.DescribeRegister(17)->locked);
  EXPECT_EQ(module_.DescribeRegister(32).error().reason, "nsm_refused");
  EXPECT_EQ(module_.Lock(33).error().reason, "nsm_refused");
}

TEST_F(ResponderTest, SignsWhatItWasAsked) {
  Bytes evidence;
  const cose::AttestationDocument document = Ask(&evidence);
  EXPECT_EQ(AsText(*document.public_key), "key");
  EXPECT_EQ(AsText(*document.nonce), "nonce");
  EXPECT_EQ(AsText(*document.user_data), "data");
  EXPECT_EQ(document.pcrs.size(), 16U);
  EXPECT_EQ(document.pcrs.at(2), Measured().at(2));
  EXPECT_EQ(document.cabundle.front(), root_.certificate);
  EXPECT_TRUE(verify::VerifyChain(document.cabundle, document.certificate, verify::Now()));
}

TEST_F(ResponderTest, MisbehavesWhenItIsTold) {
  conduct_ = Conduct::kDebug;
  EXPECT_TRUE(Ask().pcrs.at(1).IsZero());
  conduct_ = Conduct::kOtherRoot;
  const cose::AttestationDocument document = Ask();
  EXPECT_NE(document.cabundle.front(), root_.certificate);
  EXPECT_TRUE(verify::VerifyChain(document.cabundle, document.certificate, verify::Now()));
}

TEST_F(ResponderTest, RefusesNonsense) {
  for (const std::string_view request : {"", "\xa0", "\x63xyz", "\xa1\x63xyz\xa0", "\x01"}) {
    const Bytes reply = responder_.Answer(AsBytes(request));
    EXPECT_EQ(attest::DecodeLockReply(reply).error().reason, "nsm_refused") << request;
  }
}

}  // namespace
}  // namespace ephemeralml::production

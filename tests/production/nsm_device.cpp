// A Nitro Security Module for QEMU's vhost-user-test-device, with a root of the test's own.
//
// usage: nsm_device make-root FOLDER     writes root.key, root.der and test_root.h
//        nsm_device serve --socket PATH --root FOLDER [--pcr INDEX=HEX ...] [--conduct FILE]
//          serves one QEMU. FILE, if it is there, says what documents are like from now on:
//          honest, debug or other-root.

#include <poll.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "common/base/file.h"
#include "tests/production/nsm_responder.h"
#include "tests/production/vhost_user.h"

namespace ephemeralml::production {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestFile = 64 * 1024;
constexpr size_t kLargestRequest = 0x1000;

Done WriteRoot(const fs::path& folder) {
  const cose::Issuer root = MakeRoot();
  const SecretBytes key = root.key.ToPem();
  TRY_OK(WriteFileAtomically(folder / "root.key", key.Reveal(), 0600));
  TRY_OK(WriteFileAtomically(folder / "root.der", root.certificate, 0644));
  std::string header =
      "// Made by nsm_device: the root that the test's client trusts.\n#pragma once\n"
      "#include <string_view>\ninline constexpr std::string_view kTestRoot =\n    \"";
  header += ToHex(root.certificate) + "\";\n";
  return WriteFileAtomically(folder / "test_root.h", AsBytes(header), 0644);
}

Result<cose::Issuer> ReadRoot(const fs::path& folder) {
  TRY(const SecretBytes pem, ReadSecretFile(folder / "root.key", kLargestFile));
  TRY(const cose::Es384Key key, cose::Es384Key::FromPem(pem));
  TRY(Bytes certificate, ReadFile(folder / "root.der", kLargestFile));
  return cose::Issuer{key, std::move(certificate)};
}

Result<cose::PcrBank> ReadRegisters(const std::vector<std::string>& texts) {
  cose::PcrBank bank;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    CHECK(equals != std::string::npos);
    TRY(const Bytes value, FromHex(std::string_view(text).substr(equals + 1)));
    CHECK(value.size() == cose::Pcr::kSize);
    std::ranges::copy(value, bank[static_cast<uint8_t>(std::stoul(text))].begin());
  }
  return bank;
}

Conduct ReadConduct(const std::string& file) {
  const auto contents = ReadFile(file, kLargestFile);
  if (!contents || AsText(*contents) == "honest") return Conduct::kHonest;
  if (AsText(*contents) == "debug") return Conduct::kDebug;
  CHECK(AsText(*contents) == "other-root");
  return Conduct::kOtherRoot;
}

// The driver makes two chains available for each request: one that holds it, one for the reply.
void ServeQueue(VhostUserDevice& device, NsmResponder& responder) {
  bool has_served = false;
  while (device.Has(0, 2)) {
    const Chain asked = *device.Take(0);
    const Chain answered = *device.Take(0);
    const Bytes request = asked.Read();
    CHECK(asked.writable.empty() && request.size() <= kLargestRequest);
    const Bytes reply = responder.Answer(request);
    answered.Write(reply);
    device.Give(0, asked, 0);
    device.Give(0, answered, reply.size());
    has_served = true;
    // The first bytes name the request, and no request holds a secret.
    std::cout << "request of " << request.size() << " bytes "
              << ToHex(ByteSpan(request).first(std::min<size_t>(request.size(), 16)))
              << ", reply of " << reply.size() << std::endl;
  }
  if (has_served) device.Signal(0);
}

struct Options {
  std::string folder;
  std::string socket;
  std::vector<std::string> registers;
  std::string conduct;
};

Done Serve(const Options& options) {
  TRY(const cose::Issuer root, ReadRoot(options.folder));
  TRY(cose::PcrBank bank, ReadRegisters(options.registers));
  NsmResponder responder(root, std::move(bank),
                         [file = options.conduct] { return ReadConduct(file); });
  VhostUserDevice device(AcceptFrom(ListenAt(options.socket)), 1, {});
  for (;;) {
    std::vector<pollfd> set = device.PollSet();
    CHECK(poll(set.data(), set.size(), -1) > 0);
    if (set[1].revents != 0) {
      device.TakeKick(0);
      ServeQueue(device, responder);
    }
    if (set[0].revents != 0 && !device.Obey()) return {};
  }
}

int Report(const Done& done) {
  if (done) return 0;
  std::cerr << "nsm_device: " << done.error().what << " [" << done.error().reason << "]\n";
  return 1;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("A Nitro Security Module for QEMU, with a root of the test's own.", "nsm_device");
  app.require_subcommand(1);
  CLI::App* make_root = app.add_subcommand("make-root", "Makes a root");
  make_root->add_option("folder", options.folder, "Where to")->required();
  CLI::App* serve = app.add_subcommand("serve", "Serves one QEMU");
  serve->add_option("--socket", options.socket, "Where QEMU connects")->required();
  serve->add_option("--root", options.folder, "Folder of the root")->required();
  serve->add_option("--pcr", options.registers, "INDEX=HEX: what was measured");
  serve->add_option("--conduct", options.conduct, "File: honest, debug or other-root");
  CLI11_PARSE(app, argc, argv);
  return Report(make_root->parsed() ? WriteRoot(options.folder) : Serve(options));
}

}  // namespace
}  // namespace ephemeralml::production

int main(int argc, char** argv) { return ephemeralml::production::Main(argc, argv); }

// ephemeralml-eif: builds enclave images and says what an image is.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "client/image/build.h"
#include "client/image/describe.h"
#include "common/base/exit_status.h"
#include "common/base/file.h"

namespace {

using namespace ephemeralml;

constexpr size_t kLargestImageBytes = size_t{4} << 30;
constexpr std::string_view kKernelAdvice =
    "A real Nitro enclave needs a kernel with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES: AWS's own\n"
    "(/usr/share/nitro_enclaves/blobs of nitro-cli), or one built with it. Debian's lacks it.\n";
// A reset by the keyboard controller is what Nitro's machine takes for the end; it has no PCI.
constexpr const char* kDefaultCommandLine = "reboot=k panic=-1 pci=off console=ttyS0 quiet";

struct Output {
  std::string policy;
  bool json = false;

  void AddTo(CLI::App& app) {
    app.add_option("--policy", policy, "Also write a policy that accepts this image alone")
        ->type_name("FILE");
    app.add_flag("--json", json, "Print JSON");
  }
};

Done Show(ByteSpan file, const std::string& path, const Output& output) {
  TRY(const image::Description description, image::Describe(file));
  if (!output.policy.empty()) {
    const std::string policy = image::ToPolicy(description, path);
    TRY_OK(WriteFileAtomically(output.policy, AsBytes(policy), 0644));
  }
  fmt::print("{}", output.json ? image::ToJson(description) : image::ToText(description));
  if (description.signature.has_value() && !description.signature->has_value()) {
    return description.signature->error();
  }
  return {};
}

void Advise(const image::BuiltImage& built) {
  for (const auto& [path, source] : built.libraries) {
    fmt::print(stderr, "packed {} from {}\n", path, source);
  }
  if (!built.missing_for_nitro.has_value()) {
    fmt::print(stderr, "no --kernel-config was given, so the kernel wasn't judged.\n{}",
               kKernelAdvice);
  } else if (built.missing_for_nitro->empty()) {
    fmt::print(stderr, "the kernel has what a real Nitro enclave needs\n");
  } else {
    fmt::print(stderr, "NOT FOR REAL NITRO: the kernel lacks {}\n{}",
               fmt::join(*built.missing_for_nitro, ", "), kKernelAdvice);
  }
}

void AddFiles(CLI::App& build, image::BuildRequest& request) {
  build.add_option("--kernel", request.kernel, "bzImage (x86_64) or Image (aarch64)")
      ->required()
      ->type_name("FILE");
  build
      .add_option("--kernel-config", request.kernel_configuration,
                  "The kernel's configuration, to say whether it suits a real Nitro enclave")
      ->type_name("FILE");
  build
      .add_option("--module", request.modules,
                  "A kernel module, .ko or .ko.xz; again for each, in the order of loading")
      ->type_name("FILE");
  build.add_option("--init", request.init, "ephemeralml-init")->required()->type_name("FILE");
  build.add_option("--program", request.program, "A production build's ephemeralml-enclave")
      ->required()
      ->type_name("FILE");
  build
      .add_option("--library-folder", request.library_folders,
                  "Where the program's shared libraries are; by default Debian's own folders")
      ->type_name("FOLDER");
  build
      .add_option("--packages", request.packages,
                  "Lines of NAME VERSION: what the image was compiled with, for its metadata")
      ->type_name("FILE");
}

void AddBuild(CLI::App& app, std::function<Done()>& action) {
  auto request = std::make_shared<image::BuildRequest>();
  auto output = std::make_shared<Output>();
  auto out = std::make_shared<std::string>();
  auto signing = std::make_shared<image::SigningFiles>();
  CLI::App* build = app.add_subcommand(
      "build", "Write an enclave image. The same files make the same image, bit for bit");
  AddFiles(*build, *request);
  request->command_line = kDefaultCommandLine;
  build
      ->add_option("--command-line", request->command_line,
                   "The kernel's; init_on_alloc=1 init_on_free=1 always follow")
      ->capture_default_str();
  request->name = "ephemeralml";
  request->version = EPHEMERAL_VERSION;
  build->add_option("--name", request->name, "The image's name")->capture_default_str();
  build->add_option("--image-version", request->version, "Its version")->capture_default_str();
  CLI::Option* certificate =
      build->add_option("--signing-certificate", signing->certificate, "PEM; PCR8 measures it")
          ->type_name("FILE");
  CLI::Option* key =
      build->add_option("--signing-key", signing->key, "PEM of its P-384 key")->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);
  build->add_option("--out", *out, "The image to write")->required()->type_name("FILE");
  build->add_option("ARGUMENTS", request->arguments, "After `--`: the program's own arguments");
  output->AddTo(*build);
  build->callback([=, &action] {
    action = [=]() -> Done {
      if (!signing->key.empty()) request->signing = *signing;
      TRY(const image::BuiltImage built, image::Build(*request));
      TRY_OK(WriteFileAtomically(*out, built.file, 0644));
      Advise(built);
      return Show(built.file, *out, *output);
    };
  });
}

void AddDescribe(CLI::App& app, std::function<Done()>& action) {
  auto file = std::make_shared<std::string>();
  auto output = std::make_shared<Output>();
  CLI::App* describe = app.add_subcommand(
      "describe", "Check any enclave image; print its sections, measurements and packages");
  describe->add_option("IMAGE", *file, "The image")->required();
  output->AddTo(*describe);
  describe->callback([=, &action] {
    action = [=]() -> Done {
      TRY(const Bytes contents, ReadFile(*file, kLargestImageBytes));
      return Show(contents, *file, *output);
    };
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Builds and describes AWS Nitro enclave images.", "ephemeralml-eif");
  app.set_version_flag("--version", EPHEMERAL_VERSION);
  app.require_subcommand(1);
  std::function<Done()> action;
  AddBuild(app, action);
  AddDescribe(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : ExitStatus(Code::kInvalidArgument);
  }
  const Done done = action();
  if (done) return 0;
  std::cerr << "ephemeralml-eif: " << done.error().what << " [" << done.error().reason << "]\n";
  return ExitStatus(done.error().code);
}

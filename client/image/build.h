#pragma once
// From a kernel, its modules and a program to an enclave image. The same files make the same image;
// a signature alone differs from one signing to the next.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "client/image/enclave_image.h"
#include "common/base/secret_bytes.h"

namespace ephemeralml::image {

/// Memory is zeroed when it is given and when it is given back, by the kernel too.
inline constexpr std::string_view kWipingOptions = "init_on_alloc=1 init_on_free=1";

struct SigningFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

struct BuildRequest {
  std::filesystem::path kernel;
  std::optional<std::filesystem::path> kernel_configuration;
  std::string command_line;
  std::filesystem::path init;
  std::vector<std::filesystem::path> modules;  ///< in the order of loading
  std::filesystem::path program;
  std::vector<std::string> arguments;                  ///< of the program
  std::vector<std::filesystem::path> library_folders;  ///< empty: the system's own
  std::optional<std::filesystem::path> packages;       ///< NAME VERSION a line
  std::string name;
  std::string version;
  std::optional<SigningFiles> signing;
};

struct BuiltImage {
  Bytes file;
  /// Of each library: its name, and where it was found.
  std::vector<std::pair<std::string, std::string>> libraries;
  /// What the kernel lacks for a real Nitro enclave. Absent: no configuration was given to judge
  /// by.
  std::optional<std::vector<std::string>> missing_for_nitro;
};

/// Two ramdisks: the first holds the init and the modules, the second the program, its libraries
/// and its arguments, so that PCR1 stays while the program changes. Errors: kInvalidArgument
/// `image_argument_invalid` (an argument that a line can't hold); as of the modules that it
/// sequences.
Result<BuiltImage> Build(const BuildRequest& request);

}  // namespace ephemeralml::image

// Writes requests for the target `topology` to start from: ONNX's own test cases of single
// operators, decomposed, each with its inputs.
//
// usage: topology_seeds CASES FOLDER

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "client/decompose/decompose.h"
#include "client/session/messages.h"
#include "tests/conformance/case_files.h"

namespace {

using namespace ephemeralml;

constexpr size_t kLargestSeed = 32 * 1024;

Result<SecretBytes> RequestOf(const conformance::Case& given) {
  const std::string model = given.model.SerializeAsString();
  TRY(const decompose::DecomposeReport report,
      decompose::DecomposeBytes(AsBytes(model), [](ByteSpan) { return Done(); }, {}, {}));
  return session::EncodeRequest(report.topology_message, given.sets.front().inputs);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::filesystem::path cases = argv[1];
  const std::filesystem::path folder = argv[2];
  size_t written = 0;
  for (const std::string& name : conformance::FindCases(cases)) {
    const auto given = conformance::ReadCase(cases, name);
    if (!given) continue;
    const auto request = RequestOf(*given);
    if (!request || request->size() > kLargestSeed) continue;
    std::string file = name;
    for (char& letter : file) letter = letter == '/' ? '-' : letter;
    const ByteSpan bytes = request->Reveal();
    std::ofstream(folder / file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    ++written;
  }
  std::printf("topology_seeds: %zu requests\n", written);
  return written == 0 ? 1 : 0;
}

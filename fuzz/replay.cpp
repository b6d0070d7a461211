// Runs a fuzz target without libFuzzer: every file of a corpus, each also cut short and with bits
// flipped, from a fixed seed, and changed as the target's own mutator does, if it has one. What a
// fuzzer once found stays found, with any compiler.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" [[gnu::weak]] size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most,
                                                        unsigned seed);

namespace {

namespace fs = std::filesystem;

constexpr int kVariants = 200;
constexpr int kMutations = 60;
constexpr size_t kMostMutated = 64 * 1024;
constexpr uint32_t kSeed = 1;

std::vector<fs::path> SortedFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void Run(std::vector<uint8_t> input) {
  input.shrink_to_fit();  // so that a read past the end is a read past the allocation
  (void)LLVMFuzzerTestOneInput(input.data(), input.size());
}

void RunVariants(const std::vector<uint8_t>& original, std::mt19937& random) {
  if (original.empty()) return;
  for (int i = 0; i < kVariants; ++i) {
    std::vector<uint8_t> variant = original;
    if (i % 4 == 0) variant.resize(random() % variant.size());
    for (uint32_t flips = random() % 4; flips > 0 && !variant.empty(); --flips) {
      variant[random() % variant.size()] ^= static_cast<uint8_t>(1U << random() % 8);
    }
    Run(variant);
  }
}

// One to four changes of the original.
void RunMutations(const std::vector<uint8_t>& original, std::mt19937& random) {
  if (&LLVMFuzzerCustomMutator == nullptr) return;
  std::vector<uint8_t> mutated(kMostMutated);
  for (int i = 0; i < kMutations; ++i) {
    size_t size = original.size();
    if (size > mutated.size()) return;
    std::copy(original.begin(), original.end(), mutated.begin());
    for (int changes = i % 4; changes >= 0; --changes) {
      size = LLVMFuzzerCustomMutator(mutated.data(), size, mutated.size(),
                                     static_cast<unsigned>(random()));
    }
    Run({mutated.begin(), mutated.begin() + static_cast<std::ptrdiff_t>(size)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: replay CORPUS-FOLDER\n");
    return 2;
  }
  std::mt19937 random(kSeed);
  size_t count = 0;
  Run({});
  for (const fs::path& path : SortedFiles(argv[1])) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<uint8_t> input{std::istreambuf_iterator<char>(file), {}};
    Run(input);
    RunVariants(input, random);
    RunMutations(input, random);
    ++count;
  }
  std::printf("%zu files, seed %u\n", count, kSeed);
  return count == 0 ? 1 : 0;
}

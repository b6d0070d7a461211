#include "bench/read_inputs.h"

namespace ephemeralml::bench {

Result<std::vector<tensors::NamedTensor>> ReadInputs(const std::filesystem::path& folder) {
  std::vector<tensors::NamedTensor> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    TRY(std::vector<tensors::NamedTensor> read, tensors::ReadTensors(entry.path()));
    read.front().name = entry.path().stem();
    inputs.push_back(std::move(read.front()));
  }
  return inputs;
}

}  // namespace ephemeralml::bench

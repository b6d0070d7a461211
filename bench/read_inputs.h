#pragma once
// The inputs that a case was given as files.

#include <filesystem>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::bench {

/// Every NAME.npy of a folder, as the tensor NAME. Errors: those of tensors::ReadTensors.
Result<std::vector<tensors::NamedTensor>> ReadInputs(const std::filesystem::path& folder);

}  // namespace ephemeralml::bench

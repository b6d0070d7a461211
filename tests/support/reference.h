#pragma once
// ONNX Runtime's outputs for the demonstration's models, and the comparison with them.

#include <filesystem>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::testing_support {

struct ReferenceCase {
  std::string name;
  std::vector<tensors::NamedTensor> inputs;
  std::vector<tensors::NamedTensor> outputs;
};

/// All cases of a model, sorted by name.
std::vector<ReferenceCase> ReferenceCases(const std::string& model);

/// A network that bench/models/make_models has made, and the inputs of one of its cases.
std::filesystem::path GeneratedModel(const std::string& model);
std::vector<tensors::NamedTensor> GeneratedInputs(const std::string& name);

/// The named tensor; a failed CHECK if there is none.
const tensors::NamedTensor& Named(std::span<const tensors::NamedTensor> list,
                                  std::string_view name);

/// The elements of a float tensor.
std::span<const float> Floats(const tensors::NamedTensor& tensor);

/// The largest |ours − ref| / (1e-5 + 1e-4·|ref|) over all elements: at most 1 is agreement.
/// Infinite if shapes or types differ or an element isn't a number.
double Disagreement(const tensors::NamedTensor& ours, const tensors::NamedTensor& reference);

/// A copy, which SecretBytes don't make by themselves.
std::vector<tensors::NamedTensor> Copy(std::span<const tensors::NamedTensor> list);

/// Greedy CTC decoding of the recognition model's output [1, T, classes].
std::string ReadText(const tensors::NamedTensor& probabilities);

}  // namespace ephemeralml::testing_support

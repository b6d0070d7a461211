#include "tests/support/reference.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "tests/support/system.h"

namespace ephemeralml::testing_support {
namespace {

namespace fs = std::filesystem;

constexpr double kAbsolute = 1e-5;
constexpr double kRelative = 1e-4;

fs::path GeneratedFolder() { return fs::path(EPHEMERAL_SOURCE_DIR) / "build" / "bench-models"; }

ReferenceCase ReadCase(const fs::path& path) {
  ReferenceCase result{path.stem().string(), {}, {}};
  auto tensors = tensors::ReadTensors(path);
  CHECK(tensors.has_value());
  for (tensors::NamedTensor& tensor : *tensors) {
    const size_t slash = tensor.name.find('/');
    const bool is_input = tensor.name.substr(0, slash) == "inputs";
    tensor.name = tensor.name.substr(slash + 1);
    (is_input ? result.inputs : result.outputs).push_back(std::move(tensor));
  }
  return result;
}

}  // namespace

std::vector<ReferenceCase> ReferenceCases(const std::string& model) {
  std::vector<ReferenceCase> cases;
  const fs::path folder = fs::path(EPHEMERAL_SOURCE_DIR) / "examples" / "reference" / model;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".npz") cases.push_back(ReadCase(entry.path()));
  }
  std::ranges::sort(cases, {}, &ReferenceCase::name);
  return cases;
}

fs::path GeneratedModel(const std::string& model) { return GeneratedFolder() / (model + ".onnx"); }

std::vector<tensors::NamedTensor> GeneratedInputs(const std::string& name) {
  std::vector<tensors::NamedTensor> inputs;
  for (const auto& entry : fs::directory_iterator(GeneratedFolder() / "inputs" / name)) {
    inputs.push_back(std::move(tensors::ReadTensors(entry.path()).value().at(0)));
    inputs.back().name = entry.path().stem().string();
  }
  return inputs;
}

const tensors::NamedTensor& Named(std::span<const tensors::NamedTensor> list,
                                  std::string_view name) {
  const auto found = std::ranges::find(list, name, &tensors::NamedTensor::name);
  CHECK(found != list.end());
  return *found;
}

std::span<const float> Floats(const tensors::NamedTensor& tensor) {
  CHECK(tensor.type == wire::ElementType::kFloat);
  const ByteSpan bytes = tensor.data.Reveal();
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

double Disagreement(const tensors::NamedTensor& ours, const tensors::NamedTensor& reference) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (ours.type != reference.type || ours.shape != reference.shape) return kInfinite;
  const auto mine = Floats(ours);
  const auto theirs = Floats(reference);
  double worst = 0;
  for (size_t i = 0; i < mine.size(); ++i) {
    const double difference = std::abs(static_cast<double>(mine[i]) - theirs[i]);
    if (!std::isfinite(difference)) return kInfinite;
    worst = std::max(worst, difference / (kAbsolute + kRelative * std::abs(theirs[i])));
  }
  return worst;
}

std::vector<tensors::NamedTensor> Copy(std::span<const tensors::NamedTensor> list) {
  std::vector<tensors::NamedTensor> copy;
  for (const auto& tensor : list) {
    copy.push_back({tensor.name, tensor.type, tensor.shape, tensor.data.Duplicate()});
  }
  return copy;
}

std::string ReadText(const tensors::NamedTensor& probabilities) {
  std::vector<std::string> characters = {""};  // class 0 is CTC's blank
  std::ifstream file(ModelsFolder() / "ocr_characters.txt");
  for (std::string line; std::getline(file, line);) characters.push_back(line);
  characters.emplace_back(" ");
  const auto classes = static_cast<size_t>(probabilities.shape.at(2));
  CHECK(classes == characters.size());
  const auto values = Floats(probabilities);
  std::string text;
  size_t previous = 0;
  for (size_t step = 0; step + classes <= values.size(); step += classes) {
    const auto row = values.subspan(step, classes);
    const auto best = static_cast<size_t>(std::ranges::max_element(row) - row.begin());
    if (best != previous) text += characters[best];
    previous = best;
  }
  return text;
}

}  // namespace ephemeralml::testing_support

#pragma once
// Small models whose weights and inputs are canaries: one float repeated, so that any 16 bytes of
// them are the same 16 bytes in whatever layout a kernel keeps them.

#include <string>

#include "client/decompose/testing/models.h"
#include "client/tensors/tensors.h"
#include "tests/support/system.h"

namespace ephemeralml::testing_support {

inline constexpr uint32_t kWeightBits = 0x3A5C71E9;  // about 0.00084
inline constexpr uint32_t kInputBits = 0x3F9E3779;   // about 1.24
inline constexpr const char* kInputName = "canary of an input's name";
inline constexpr const char* kDimensionName = "canary of a dimension's name";

struct SmallModel {
  std::string name;
  Bytes onnx;
  std::vector<int64_t> shape;  ///< of the input; its first dimension is free
};

/// A chain of dense layers; convolutions of all kinds; an LSTM. Each takes kInputName and returns
/// `y`.
SmallModel DenseModel();
SmallModel ConvolutionModel();
SmallModel LstmModel();

/// Splits the model within the system's folder and stores its blob on the host.
SplitModel Install(const System& system, const SmallModel& model);

/// An input that holds nothing but kInputBits; the first dimension is `length`.
std::vector<tensors::NamedTensor> InputFor(const SmallModel& model, int64_t length);

}  // namespace ephemeralml::testing_support

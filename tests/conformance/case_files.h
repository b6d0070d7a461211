#pragma once
// ONNX's test cases as they lie on disk: a folder with model.onnx and data sets of protocol
// buffers. Source: ONNX, docs/OnnxBackendTest.md.

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <string>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::conformance {

using Value = tensors::NamedTensor;

struct DataSet {
  std::vector<Value> inputs;   ///< named as the model's inputs
  std::vector<Value> outputs;  ///< named as the model's outputs
};

struct Case {
  std::string name;  ///< the folder's path below the data's
  ::onnx::ModelProto model;
  std::vector<DataSet> sets;
};

/// Names of all folders below `data` that hold a model, sorted.
std::vector<std::string> FindCases(const std::filesystem::path& data);

/// Errors: kIo `file_unreadable`; kMalformed `case_malformed`.
Result<Case> ReadCase(const std::filesystem::path& data, const std::string& name);

Value Copy(const Value& value);

/// An initializer's message with the tensor's elements. The value must be a tensor.
::onnx::TensorProto ToProto(const Value& value);

}  // namespace ephemeralml::conformance

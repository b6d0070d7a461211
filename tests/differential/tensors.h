#pragma once
// What both sides of the differential test compute with and on.

#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/wire/data_type.h"

namespace ephemeralml::differential {

struct NamedTensor {
  std::string name;
  wire::ElementType type = wire::ElementType::kUndefined;
  std::vector<int64_t> shape;
  Bytes data;
};

/// What one side makes of a model.
struct Outcome {
  std::vector<NamedTensor> outputs;
  std::string reason;   ///< empty: it ran
  std::string message;  ///< why it didn't

  bool ran() const { return reason.empty(); }
};

}  // namespace ephemeralml::differential

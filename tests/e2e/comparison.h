#pragma once
// A prepared graph beside the model's own, through all three processes.

#include <gtest/gtest.h>

#include "client/decompose/inspect.h"
#include "tests/support/reference.h"
#include "tests/support/system.h"

namespace ephemeralml {

/// A model as it is prepared, and as it is, and what both forms of it answer.
class Comparison {
 public:
  explicit Comparison(const std::filesystem::path& model) {
    prepared_ = system_.Split(model);
    plain_ = system_.Split(model, {.preparation = false});
    system_.Upload(prepared_);
    system_.Upload(plain_);
  }

  /// Of the model as it is prepared, and as it is.
  struct Answers {
    std::vector<tensors::NamedTensor> prepared;
    std::vector<tensors::NamedTensor> plain;
  };

  Answers Ask(const std::vector<tensors::NamedTensor>& inputs) const {
    session::Session session = system_.Connect().value();
    auto prepared = session.Infer(prepared_.topology, inputs);
    auto plain = session.Infer(plain_.topology, inputs);
    for (const auto* answer : {&prepared, &plain}) {
      if (!*answer) ADD_FAILURE() << answer->error().what;
    }
    CHECK(prepared.has_value() && plain.has_value());
    return {std::move(prepared->outputs), std::move(plain->outputs)};
  }

  void Compare(const std::vector<tensors::NamedTensor>& inputs, const std::string& name) const {
    const auto [prepared, plain] = Ask(inputs);
    ASSERT_EQ(prepared.size(), plain.size());
    for (const auto& expected : plain) {
      EXPECT_LE(
          testing_support::Disagreement(testing_support::Named(prepared, expected.name), expected),
          1.0)
          << name << ", output " << expected.name;
    }
  }

  /// How many nodes of that operator of ours the prepared form has.
  size_t CountOf(const std::string& op) const {
    const auto inspection = decompose::Inspect(prepared_.topology).value();
    const auto found = inspection.operators.find("ephemeralml::" + op);
    return found == inspection.operators.end() ? 0 : found->second;
  }
  size_t NodesOf(bool prepared) const {
    size_t nodes = 0;
    const auto inspection =
        decompose::Inspect(prepared ? prepared_.topology : plain_.topology).value();
    for (const auto& [op, count] : inspection.operators) nodes += count;
    return nodes;
  }

 private:
  testing_support::System system_;
  testing_support::SplitModel prepared_;
  testing_support::SplitModel plain_;
};

}  // namespace ephemeralml

#pragma once
// The product's path in one process: decompose, seal, fetch, authenticate, open, execute, reply.
// Only the network and the processes' confinement are missing.

#include <memory>
#include <thread>

#include "common/base/arena.h"
#include "common/base/file.h"
#include "enclave/engine/base/threads.h"
#include "tests/conformance/case_files.h"

namespace ephemeralml::conformance {

class Product {
 public:
  Product();
  ~Product();
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  /// The model's outputs, in its order. Errors: whatever the path's steps report.
  Result<std::vector<Value>> Run(const ::onnx::ModelProto& model, const std::vector<Value>& inputs,
                                 bool preparation);

 private:
  // Plays supervisor and fetcher: answers every order with the blob that was just made.
  void AnswerFetches();

  engine::Threads threads_;
  std::unique_ptr<Arena> arena_;
  UniqueFd supervisor_;
  UniqueFd worker_;
  UniqueFd blob_;
  std::thread fetcher_;
};

}  // namespace ephemeralml::conformance

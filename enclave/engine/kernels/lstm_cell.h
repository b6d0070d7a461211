#pragma once
// What an LSTM does to one row of gates, and the activation functions that its node may name.

#include <array>
#include <span>
#include <string>
#include <vector>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

/// One of ONNX's activation functions of recurrent operators, with its two parameters.
struct RecurrentActivation {
  float (*function)(float x, float alpha, float beta) = nullptr;
  float alpha = 0;
  float beta = 0;
  float operator()(float x) const { return function(x, alpha, beta); }
};

/// The functions of a node's `activations`, `activation_alpha` and `activation_beta`: three for
/// each direction. Parameters are taken in order by the functions that have any. Errors: kMalformed
/// `attribute_invalid` (another count, an unknown name).
Result<std::vector<RecurrentActivation>> ReadActivations(const Attributes& attributes,
                                                         size_t directions);

/// The cell of one direction.
struct LstmCell {
  std::array<RecurrentActivation, 3> activations;  // of gates, of the cell's input, of its output
  float clip = 0;                                  // 0: none
  bool couples_input_and_forget = false;
  std::span<const float> peepholes;  // [3 * hidden] for i, o, f; empty: none

  /// `gates` [4 * hidden] hold the sums for i, o, f, c; `c` [hidden] goes from the last state to
  /// the next one, `h` [hidden] becomes the next output. Source: ONNX operator LSTM, equations.
  void Step(std::span<float> gates, std::span<float> c, std::span<float> h) const;
};

}  // namespace ephemeralml::engine::kernels

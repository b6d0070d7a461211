#pragma once
// What several passes' patterns are made of.

#include "client/decompose/prepare/facts.h"
#include "client/decompose/prepare/rewriter.h"

namespace ephemeralml::decompose {

/// True if a float constant is this number, or its rounding as exporters write it.
bool IsNear(std::optional<float> value, double number);

/// True for a number that a graph's author writes and no training finds: a whole one up to 1000, an
/// infinity, the largest float, a power of ten. Only such constants may become attributes: see
/// docs/decisions/0004-what-the-topology-key-may-hold.md.
bool IsWritten(float number);

/// The float that `scalar` is, if an elementwise operator can take it beside `other` without
/// changing `other`'s shape.
std::optional<float> ScalarBeside(const Facts& facts, ValueId scalar, ValueId other);

/// A node's operand and the float beside it.
struct ScaledBy {
  ValueId value = 0;
  float scalar = 0;
};

/// The operands of a node with two inputs, one being a scalar on either side.
std::optional<ScaledBy> WithScalar(const Facts& facts, const ProgramNode& node);

/// As WithScalar, for a division by a scalar.
std::optional<ScaledBy> DividedByScalar(const Facts& facts, const ProgramNode& node);

/// The exponent of a Pow node, if it is a constant that leaves the base's shape alone.
std::optional<float> ExponentOf(const Facts& facts, const ProgramNode& pow);

/// The other operand of a node with two inputs, one being `value`; 0 if none is, or both are.
ValueId OtherOperand(const ProgramNode& node, ValueId value);

/// The factors of a product that nobody else sees the parts of; `product` itself if it is none.
std::vector<ValueId> FactorsOf(const Rewriter& rewriter, ValueId product);

/// The tensor of a constant of floats; null if it is anything else.
const onnx::Tensor* FloatConstant(const Program& program, ValueId value);

/// The constant's tensor, if it is a row of `columns` floats that can be added to every row of
/// `matrix` without changing its shape; else null.
const onnx::Tensor* RowConstant(const Program& program, const Facts& facts, ValueId value,
                                int64_t columns, ValueId matrix);

/// A node of our own domain.
ProgramNode OwnNode(std::string_view op, std::vector<ValueId> inputs, ValueId output,
                    std::vector<ProgramAttribute> attributes);

}  // namespace ephemeralml::decompose

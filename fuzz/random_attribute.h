#pragma once
// Attributes made from a fuzzer's bytes: those that an operator has, with values of their types.

#include <string_view>
#include <vector>

#include "common/wire/topology.pb.h"
#include "fuzz/byte_source.h"

namespace ephemeralml::fuzz {

/// The attributes of an operator, by name.
std::vector<std::string_view> AttributesOf(std::string_view op);

/// Gives an attribute of that name a value; at times one of another type. False if it is a graph,
/// which is the caller's to make.
bool MakeAttribute(std::string_view name, ByteSource& source, wire::Attribute& attribute);

/// Elements of a type, row-major: `count` of them.
std::string MakeElements(wire::DataType type, size_t count, ByteSource& source);

}  // namespace ephemeralml::fuzz

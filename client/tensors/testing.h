#pragma once
// What the tests of this folder share.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::tensors {

template <class T>
NamedTensor MakeTensor(std::string name, wire::ElementType type, std::vector<int64_t> shape,
                       const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  return {std::move(name), type, std::move(shape),
          SecretBytes::CopyOf({bytes, values.size() * sizeof(T)})};
}

template <class T>
std::vector<T> Values(const NamedTensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  if (!values.empty()) {
    std::memcpy(values.data(), tensor.data.Reveal().data(), tensor.data.size());
  }
  return values;
}

inline void ExpectEqual(const NamedTensor& ours, const NamedTensor& wanted) {
  EXPECT_EQ(ours.name, wanted.name);
  EXPECT_EQ(ours.type, wanted.type);
  EXPECT_EQ(ours.shape, wanted.shape);
  EXPECT_EQ(Values<uint8_t>(ours), Values<uint8_t>(wanted));
}

/// A copy with nothing behind it: AddressSanitizer sees a read past the end there, which it can't
/// in the pages of a SecretBytes.
inline Bytes OnHeap(ByteSpan bytes) {
  Bytes copy(bytes.begin(), bytes.end());
  copy.shrink_to_fit();
  return copy;
}

/// Whatever a hostile file made a reader return, its parts fit together.
inline void ExpectConsistent(const NamedTensor& tensor) {
  EXPECT_EQ(tensor.data.size(), ByteCount(tensor.type, tensor.shape).value());
}

}  // namespace ephemeralml::tensors

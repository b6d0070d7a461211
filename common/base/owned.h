#pragma once
// Ownership of what a C library allocates: std::unique_ptr with the library's own function for
// freeing.

#include <memory>

namespace ephemeralml {

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

/// Frees with `kFree`: `Owned<X509, X509_free>`.
template <class T, auto kFree>
using Owned = std::unique_ptr<T, FreeWith<kFree>>;

}  // namespace ephemeralml

#pragma once
// A parsed topology holds the model's secret on the heap, where nothing wipes it. Whoever parses or
// fills one outside the enclave keeps one of these beside it.

namespace ephemeralml::wire {

class Topology;

/// Wipes the secret in `topology` at the end of its scope, also of a message that was parsed in
/// part.
class WipedSecret {
 public:
  explicit WipedSecret(Topology& topology) : topology_(topology) {}
  ~WipedSecret();
  WipedSecret(const WipedSecret&) = delete;
  WipedSecret& operator=(const WipedSecret&) = delete;

 private:
  Topology& topology_;
};

}  // namespace ephemeralml::wire

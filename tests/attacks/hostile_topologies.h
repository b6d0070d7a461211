#pragma once
// Graphs that no honest client sends, for the enclave to refuse or to survive.

#include <string>
#include <vector>

#include "common/wire/session.pb.h"

namespace ephemeralml::attacks {

struct HostileGraph {
  std::string name;
  std::string reason;  ///< that the enclave gives
  wire::Topology topology;
};

/// Answered with an error, after which the session goes on.
std::vector<HostileGraph> RefusedGraphs();
/// Without an end, or with one that nobody lives to see: stopped between two operators.
std::vector<HostileGraph> EndlessGraphs();
/// One operator that doesn't come back in any useful time: it takes its session with it.
HostileGraph EndlessOperator();
/// A sequence of few tensors in memory and many bytes in a reply.
HostileGraph HugeAnswer();
/// `levels` Ifs in each other.
wire::Topology NestedIfs(size_t levels);

}  // namespace ephemeralml::attacks

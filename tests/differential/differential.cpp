// Runs random graphs here and by ONNX Runtime, and compares what comes out.
//
// usage: differential [--graphs N] [--seed S] [--only OPERATOR] [--verbose]
// Exits 77 if ONNX Runtime isn't installed, 1 if anything disagrees.

#include <rapidcheck.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <map>

#include "common/wire/message_library.h"
#include "tests/differential/compare.h"
#include "tests/differential/engine.h"
#include "tests/differential/peer.h"
#include "tests/differential/random_graph.h"

namespace ephemeralml::differential {
namespace {

constexpr int kSkipped = 77;

// What became of the graphs.
struct Tally {
  uint64_t agreed = 0;
  uint64_t refused_by_both = 0;
  std::map<std::string, uint64_t> refused_by_peer;  // by operator
  std::map<std::string, uint64_t> unsupported;      // by our message
  std::map<std::string, uint64_t> operators;        // of graphs that agreed
};

// Empty if the sides agree on the graph.
std::string Disagreement(const RandomGraph& graph, const Outcome& ours, const Outcome& theirs,
                         Tally& tally) {
  if (!theirs.ran()) {
    if (!ours.ran()) ++tally.refused_by_both;
    if (ours.ran()) ++tally.refused_by_peer[graph.operators + ": " + theirs.message.substr(0, 160)];
    return "";
  }
  if (!ours.ran()) {
    if (ours.reason == "type_unsupported" || ours.reason == "operator_unsupported") {
      ++tally.unsupported[ours.message.substr(0, 200)];
      return "";
    }
    return "ours refuses: " + ours.reason + ": " + ours.message;
  }
  if (ours.outputs.size() != theirs.outputs.size()) return "another number of outputs";
  for (const NamedTensor& output : theirs.outputs) {
    const auto found = std::ranges::find(ours.outputs, output.name, &NamedTensor::name);
    if (found == ours.outputs.end()) return "output " + output.name + " is missing";
    const std::string difference = Difference(*found, output, graph.rounds);
    if (!difference.empty()) return "output " + output.name + ": " + difference;
  }
  ++tally.agreed;
  for (const std::string& op : graph.operator_names) ++tally.operators[op];
  return "";
}

void Print(const char* title, const std::map<std::string, uint64_t>& counts, bool verbose) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  std::cout << title << ": " << sum << "\n";
  if (!verbose) return;
  for (const auto& [name, count] : counts) std::cout << "  " << count << " " << name << "\n";
}

bool Check(Peer& peer, const std::string& only, Tally& tally) {
  return rc::check("graphs give what ONNX Runtime gives", [&] {
    const RandomGraph graph = MakeRandomGraph(only);
    const Outcome theirs = peer.Run(graph.model, graph.inputs);
    const Outcome ours = RunOurs(graph.model, graph.inputs, graph.with_preparation);
    const std::string difference = Disagreement(graph, ours, theirs, tally);
    if (!difference.empty()) RC_FAIL(graph.text + difference);
  });
}

int Main(int argc, char** argv) {
  CLI::App app("Compares random graphs' outputs with ONNX Runtime's.");
  uint64_t graphs = 300;
  uint64_t seed = 1;
  std::string only;
  bool verbose = false;
  app.add_option("--graphs", graphs);
  app.add_option("--seed", seed);
  app.add_option("--only", only, "every graph has this operator");
  app.add_flag("--verbose", verbose, "say what was refused, and how often each operator agreed");
  CLI11_PARSE(app, argc, argv);
  wire::SilenceMessageLibrary();
  const auto peer = Peer::Start();
  if (peer == nullptr) {
    std::cout << "skipped: ONNX Runtime isn't installed (scripts/fetch-models --reference)\n";
    return kSkipped;
  }
  const std::string parameters =
      "seed=" + std::to_string(seed) + " max_size=100 max_success=" + std::to_string(graphs);
  (void)setenv("RC_PARAMS", parameters.c_str(), 1);
  Tally tally;
  const bool agrees = Check(*peer, only, tally);
  std::cout << "seed " << seed << ", graphs " << graphs << ", agreed " << tally.agreed
            << ", refused by both " << tally.refused_by_both << "\n";
  Print("refused by the peer alone", tally.refused_by_peer, verbose);
  Print("types and operators that we lack", tally.unsupported, verbose);
  Print("operators in graphs that agreed", tally.operators, verbose);
  return agrees ? 0 : 1;
}

}  // namespace
}  // namespace ephemeralml::differential

int main(int argc, char** argv) { return ephemeralml::differential::Main(argc, argv); }

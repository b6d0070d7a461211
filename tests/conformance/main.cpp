// Runs ONNX's test cases through the product and compares the outcome with the list of exclusions:
// a case fails that isn't on it, or that is on it and passes.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>

#include "tests/conformance/run_case.h"

namespace ephemeralml::conformance {
namespace {

struct Options {
  std::filesystem::path data;
  std::vector<std::filesystem::path> exclusions;
  std::string only;
  size_t shard = 0;
  size_t shards = 1;
  bool list = false;
};

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("--data", options.data, "Folder of test cases, searched deeply")->required();
  app.add_option("--exclusions", options.exclusions, "Lists of CASE: REASON lines");
  app.add_option("--only", options.only, "Run cases alone whose names hold this");
  app.add_option("--shard", options.shard, "Which part of the cases to run, from 0");
  app.add_option("--shards", options.shards, "How many parts there are");
  app.add_flag("--list", options.list, "Print failures and missing operators; exit with 0");
}

using Exclusions = std::map<std::string, std::string>;

// "CASE: REASON" lines; "#" begins a comment.
Done ReadExclusions(const std::filesystem::path& path, Exclusions& exclusions) {
  std::ifstream file(path);
  if (!file) return Error{Code::kIo, "file_unreadable", "can't read " + path.string()};
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    const size_t colon = line.find(": ");
    if (colon == std::string::npos ||
        !exclusions.emplace(line.substr(0, colon), line.substr(colon + 2)).second) {
      return Error{Code::kMalformed, "case_malformed", "not 'CASE: REASON', or twice: " + line};
    }
  }
  return {};
}

std::string GroupOf(const std::string& name) { return name.substr(0, name.find('/')); }

class Tally {
 public:
  explicit Tally(const Exclusions& exclusions) : exclusions_(exclusions) {}

  void Take(const std::string& name, const Outcome& outcome,
            const std::vector<std::string>& missing) {
    const bool listed = exclusions_.contains(name);
    ++(outcome.passed ? groups_[GroupOf(name)].passed
       : listed       ? groups_[GroupOf(name)].listed
                      : groups_[GroupOf(name)].failed);
    if (outcome.passed && listed) {
      std::cout << "PASSES BUT IS LISTED " << name << "\n";
      ++wrong_;
    }
    if (outcome.passed || listed) return;
    std::cout << "FAILED " << name << ": " << outcome.why << "\n";
    ++wrong_;
    for (const std::string& op : missing) ++missing_[op];
  }

  void Print() const {
    std::vector<std::pair<size_t, std::string>> rows;
    for (const auto& [op, count] : missing_) rows.emplace_back(count, op);
    std::ranges::sort(rows, std::greater<>{});
    for (const auto& [count, op] : rows) std::cout << count << " cases lack " << op << "\n";
    for (const auto& [group, counts] : groups_) {
      std::cout << group << ": " << counts.passed << " passed, " << counts.listed << " listed, "
                << counts.failed << " failed\n";
    }
  }

  size_t wrong() const { return wrong_; }

 private:
  struct Counts {
    size_t passed = 0;
    size_t listed = 0;
    size_t failed = 0;
  };

  const Exclusions& exclusions_;
  std::map<std::string, Counts> groups_;
  std::map<std::string, size_t> missing_;
  size_t wrong_ = 0;
};

// Names on the list that aren't in the data, which is wrong only where all of the data is there.
size_t CountStale(const Exclusions& exclusions, const std::vector<std::string>& names) {
  size_t stale = 0;
  for (const auto& [name, reason] : exclusions) {
    if (std::ranges::binary_search(names, name)) continue;
    std::cout << "LISTED BUT NOT THERE " << name << "\n";
    ++stale;
  }
  return stale;
}

Result<size_t> Run(const Options& options) {
  if (!std::filesystem::is_directory(options.data)) {
    return Error{Code::kNotFound, "file_not_found",
                 options.data.string() + " isn't there; scripts/install-dependencies --tests"};
  }
  Exclusions exclusions;
  for (const auto& path : options.exclusions) TRY_OK(ReadExclusions(path, exclusions));
  const std::vector<std::string> names = FindCases(options.data);
  if (names.empty()) {
    return Error{Code::kNotFound, "file_not_found", "no case in " + options.data.string()};
  }
  Product product;
  Tally tally(exclusions);
  for (size_t i = options.shard; i < names.size(); i += options.shards) {
    if (names[i].find(options.only) == std::string::npos) continue;
    TRY(const Case test, ReadCase(options.data, names[i]));
    tally.Take(names[i], RunCase(product, test), MissingOperators(test.model));
  }
  tally.Print();
  return tally.wrong() + CountStale(exclusions, names);
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Runs ONNX's own test cases through the product.", "conformance");
  AddOptions(app, options);
  CLI11_PARSE(app, argc, argv);
  const auto wrong = Run(options);
  if (!wrong) {
    std::cerr << "conformance: " << wrong.error().what << " [" << wrong.error().reason << "]\n";
    return 2;
  }
  return *wrong == 0 || options.list ? 0 : 1;
}

}  // namespace
}  // namespace ephemeralml::conformance

int main(int argc, char** argv) { return ephemeralml::conformance::Main(argc, argv); }

// Measures the service as its client has it: a real host, a real enclave (mock mode), loopback.
// Prints one JSON object; scripts/bench runs it and compares.

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

#include "bench/read_inputs.h"
#include "bench/service_measurements.h"

namespace ephemeralml::bench {
namespace {

using Measurement = Result<Json> (*)(const ServiceCase&);

const std::map<std::string, Measurement> kMeasurements = {{"cold", MeasureCold},
                                                          {"memory", MeasureMemory},
                                                          {"relay", MeasureRelay},
                                                          {"sessions", MeasureSessions}};

Result<Json> Run(Measurement measure, const std::filesystem::path& folder, ServiceCase& given) {
  TRY(given.inputs, ReadInputs(folder));
  return measure(given);
}

int Main(int argc, char** argv) {
  CLI::App app("Measures the whole service.", "service_bench");
  std::string measurement;
  ServiceCase given;
  std::filesystem::path folder;
  app.add_option("measurement", measurement, "What to measure")
      ->required()
      ->check(CLI::IsMember(&kMeasurements));
  app.add_option("model", given.model, "ONNX file")->required()->check(CLI::ExistingFile);
  app.add_option("--inputs", folder, "Folder of NAME.npy files")->required();
  app.add_option("--threads", given.threads, "Of every worker")->capture_default_str();
  app.add_option("--rounds", given.rounds, "Measured in turn")->capture_default_str();
  app.add_option("--window-seconds", given.window_seconds, "Length of a round's window")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto report = Run(kMeasurements.at(measurement), folder, given);
  if (!report) {
    std::cerr << "service_bench: " << report.error().what << " [" << report.error().reason << "]\n";
    return 1;
  }
  std::cout << report->dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace ephemeralml::bench

int main(int argc, char** argv) { return ephemeralml::bench::Main(argc, argv); }

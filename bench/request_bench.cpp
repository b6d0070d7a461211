// How long a request takes, from its bytes in memory to the reply's bytes: parse, check, plan, open
// with every tag checked, compute, wipe. The sealed blob is in memory already. The same run says
// how much plaintext there was and how far the outputs are from another runtime's.
//
// Prints one JSON object. scripts/bench runs it beside ort_peer.mjs, which prints the same fields.

#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/measured_worker.h"
#include "bench/process_times.h"
#include "bench/read_inputs.h"
#include "client/decompose/decompose.h"
#include "client/decompose/onnx/mapped_file.h"
#include "client/session/messages.h"
#include "client/tensors/tensors.h"

namespace ephemeralml::bench {
namespace {

using Json = nlohmann::json;
using tensors::NamedTensor;

constexpr double kNanosecondsPerMillisecond = 1e6;

struct Options {
  std::filesystem::path model;
  std::filesystem::path inputs;
  std::filesystem::path reference;
  size_t threads = 1;
  size_t windows = 3;
  double window_seconds = 0.5;
  double others_limit = 0.08;
  size_t tries = 5;
  uint64_t session_memory_bytes = uint64_t{4} << 30;
  bool resident = false;
  bool in_bfloat16 = false;
};

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("model", options.model, "ONNX file")->required()->check(CLI::ExistingFile);
  app.add_option("--inputs", options.inputs, "Folder of NAME.npy files")->required();
  app.add_option("--reference", options.reference, "npz of the outputs to compare with");
  app.add_option("--threads", options.threads, "Threads to compute with")->capture_default_str();
  app.add_option("--windows", options.windows, "Windows of requests to keep")
      ->capture_default_str();
  app.add_option("--window-seconds", options.window_seconds, "Length of a window")
      ->capture_default_str();
  app.add_option("--others-limit", options.others_limit,
                 "Processors that others may use in a window that counts")
      ->capture_default_str();
  app.add_option("--tries", options.tries, "Windows tried for one that counts")
      ->capture_default_str();
  app.add_flag("--resident", options.resident,
               "Lifetime `resident`; only later requests are timed");
  app.add_flag("--bfloat16", options.in_bfloat16, "As decompose's --compute bfloat16");
  app.add_option("--session-memory", options.session_memory_bytes, "As ephemeralml-enclave's")
      ->capture_default_str();
}

struct Decomposed {
  SecretBytes topology;
  UniqueFd blob;
  uint64_t blob_bytes = 0;
};

// Into a memory file, as the fetcher leaves it in the enclave's cache.
Result<Decomposed> DecomposeToMemory(const std::filesystem::path& path, bool in_bfloat16) {
  TRY(const onnx::MappedFile model, onnx::MappedFile::Open(path));
  Decomposed decomposed;
  decomposed.blob = UniqueFd(memfd_create("sealed-blob", MFD_CLOEXEC));
  if (!decomposed.blob.IsOpen()) return ErrnoError("memory_unavailable", "can't make a file");
  const auto sink = [&decomposed](ByteSpan sealed) -> Done {
    return WriteAll(decomposed.blob.Get(), sealed);
  };
  decompose::DecomposeOptions options;
  if (in_bfloat16) options.compute = wire::ElementType::kBfloat16;
  TRY(auto report, decompose::DecomposeBytes(model.bytes(), sink, {}, options));
  decomposed.blob_bytes = report.blob_bytes;
  decomposed.topology = std::move(report.topology_message);
  return decomposed;
}

// As many requests a window as fill it, judged by a few; at least 3, for a median.
Result<uint32_t> RequestsPerWindow(MeasuredWorker& worker, double window_seconds) {
  TRY(const Answered tried, worker.Answer(3));
  const auto fastest = std::ranges::min(tried.samples, {}, &Sample::wall_ns);
  const double count = window_seconds * 1e9 / static_cast<double>(fastest.wall_ns);
  return static_cast<uint32_t>(std::clamp(std::ceil(count), 3.0, 10'000.0));
}

Json WindowJson(const std::vector<Sample>& samples, double others) {
  std::vector<double> wall;
  std::vector<double> processor;
  for (const Sample& sample : samples) {
    wall.push_back(static_cast<double>(sample.wall_ns) / kNanosecondsPerMillisecond);
    processor.push_back(static_cast<double>(sample.processor_ns) / kNanosecondsPerMillisecond);
  }
  return {{"others", others}, {"wall_ms", wall}, {"processor_ms", processor}};
}

struct Measured {
  Json windows = Json::array();
  size_t thrown_away = 0;
  SecretBytes last_reply;
};

// One window that counts: the first that others leave alone, or else the quietest one tried, which
// its `others` then gives away.
Result<Json> MeasureWindow(MeasuredWorker& worker, const Options& options, uint32_t requests,
                           Measured& measured) {
  Json quietest;
  for (size_t i = 0; i < options.tries; ++i) {
    const Window window({getpid(), worker.pid()});
    TRY(Answered answered, worker.Answer(requests));
    const double others = window.OthersUse();
    measured.last_reply = std::move(answered.last_reply);
    if (i > 0) ++measured.thrown_away;
    if (quietest.is_null() || others < quietest["others"].get<double>()) {
      quietest = WindowJson(answered.samples, others);
    }
    if (others < options.others_limit) break;
  }
  return quietest;
}

Result<Measured> Measure(MeasuredWorker& worker, const Options& options) {
  Measured measured;
  TRY(const uint32_t requests, RequestsPerWindow(worker, options.window_seconds));
  for (size_t i = 0; i < options.windows; ++i) {
    TRY(Json window, MeasureWindow(worker, options, requests, measured));
    measured.windows.push_back(std::move(window));
  }
  return measured;
}

// Differences of float32 outputs; relative to the reference's element, or to a thousandth of its
// largest where the element is smaller. A NaN that isn't in both counts as infinitely far.
struct Difference {
  double absolute = 0;
  double relative = 0;
  double largest_reference = 0;

  void Take(std::span<const float> ours, std::span<const float> theirs) {
    for (const float value : theirs) {
      largest_reference = std::max(largest_reference, std::abs(double{value}));
    }
    for (size_t i = 0; i < theirs.size(); ++i) {
      double far = std::abs(double{ours[i]} - double{theirs[i]});
      if (std::isnan(far)) far = std::isnan(ours[i]) && std::isnan(theirs[i]) ? 0 : INFINITY;
      absolute = std::max(absolute, far);
      const double scale = std::max(std::abs(double{theirs[i]}), largest_reference / 1000);
      relative = std::max(relative, far == 0 ? 0 : far / scale);
    }
  }
};

std::span<const float> Floats(const NamedTensor& tensor) {
  const ByteSpan bytes = tensor.data.Reveal();
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

Result<Json> Compare(const std::vector<NamedTensor>& outputs,
                     const std::filesystem::path& reference) {
  TRY(const std::vector<NamedTensor> expected, tensors::ReadTensors(reference));
  Difference difference;
  for (const NamedTensor& theirs : expected) {
    const auto ours = std::ranges::find(outputs, theirs.name, &NamedTensor::name);
    if (ours == outputs.end() || ours->shape != theirs.shape || ours->type != theirs.type ||
        theirs.type != wire::ElementType::kFloat) {
      return Error{Code::kMalformed, "reply_malformed",
                   "no output like the reference's " + theirs.name};
    }
    difference.Take(Floats(*ours), Floats(theirs));
  }
  return Json{{"outputs", expected.size()},
              {"largest_absolute", difference.absolute},
              {"largest_relative", difference.relative},
              {"largest_reference_value", difference.largest_reference}};
}

Json MeasurementsJson(const session::Measurements& measured) {
  return {{"peak_plaintext_weight_bytes", measured.peak_plaintext_weight_bytes},
          {"longest_plaintext_us", measured.longest_plaintext_us},
          {"plaintext_byte_us", measured.plaintext_byte_us},
          {"bytes_opened", measured.bytes_opened},
          {"bytes_wiped", measured.bytes_wiped},
          {"chunks_opened", measured.chunks_opened},
          {"prepare_us", measured.prepare_us},
          {"fetch_us", measured.fetch_us},
          {"execute_us", measured.execute_us},
          {"peak_activation_bytes", measured.peak_activation_bytes}};
}

Result<Json> Run(const Options& options) {
  TRY(MeasuredWorker worker, MeasuredWorker::Start(options.threads, options.session_memory_bytes));
  TRY(const std::vector<NamedTensor> inputs, ReadInputs(options.inputs));
  TRY(const Decomposed model, DecomposeToMemory(options.model, options.in_bfloat16));
  const auto lifetime =
      options.resident ? session::Lifetime::kResident : session::Lifetime::kRequest;
  TRY(const SecretBytes request, session::EncodeRequest(model.topology, inputs, lifetime));
  SecretBytes further;
  if (options.resident) {
    TRY(further, session::EncodeFurtherRequest(inputs, lifetime));
  }
  TRY_OK(worker.GiveRequest(request, model.blob.Get(), further));
  TRY(const Measured measured, Measure(worker, options));
  const MemoryUse memory = worker.Memory();
  TRY(const session::Answer answer, session::DecodeReply(measured.last_reply));
  Json report = {{"runtime", "ephemeralml"},
                 {"threads", options.threads},
                 {"request_bytes", request.size()},
                 {"sealed_bytes", model.blob_bytes},
                 {"windows", measured.windows},
                 {"windows_thrown_away", measured.thrown_away},
                 {"reply", MeasurementsJson(answer.measured)},
                 {"peak_resident_bytes", memory.peak_bytes},
                 {"resident_before_request_bytes", memory.before_request_bytes}};
  if (!options.reference.empty()) {
    TRY(report["difference"], Compare(answer.outputs, options.reference));
  }
  return report;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Times requests in a worker that is confined as the enclave's.", "request_bench");
  AddOptions(app, options);
  CLI11_PARSE(app, argc, argv);
  const auto report = Run(options);
  if (!report) {
    std::cerr << "request_bench: " << report.error().what << " [" << report.error().reason << "]\n";
    return 1;
  }
  std::cout << report->dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace ephemeralml::bench

int main(int argc, char** argv) { return ephemeralml::bench::Main(argc, argv); }

#pragma once
// Progress of long work on a person's terminal; silent where standard error isn't one.

#include <cstdint>
#include <string>

namespace ephemeralml::cli {

/// Threads: one.
class ProgressLine {
 public:
  explicit ProgressLine(std::string label);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(uint64_t done, uint64_t total);

 private:
  std::string label_;
  bool visible_;
  int shown_percent_ = -1;
};

/// `1.5 MiB` and the like.
std::string HumanBytes(uint64_t bytes);

}  // namespace ephemeralml::cli

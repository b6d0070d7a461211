#include "client/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

namespace ephemeralml::cli {

ProgressLine::ProgressLine(std::string label)
    : label_(std::move(label)), visible_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (shown_percent_ >= 0) fmt::print(stderr, "\n");
}

void ProgressLine::Show(uint64_t done, uint64_t total) {
  if (!visible_ || total == 0) return;
  const int percent =
      static_cast<int>(static_cast<double>(done) / static_cast<double>(total) * 100);
  if (percent == shown_percent_) return;
  shown_percent_ = percent;
  fmt::print(stderr, "\r{}: {:3}% of {}", label_, percent, HumanBytes(total));
  (void)std::fflush(stderr);
}

std::string HumanBytes(uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace ephemeralml::cli

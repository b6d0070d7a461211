#include "tests/forensics/memory_sampler.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/process_memory.h"

namespace ephemeralml::forensics {
namespace {

using testing_support::FrozenProcess;
using testing_support::kPageBytes;
using testing_support::Mapping;
using testing_support::OpenOf;

constexpr size_t kBlockBytes = sizeof(uint64_t);
constexpr size_t kMostDescribed = 20;

}  // namespace

uint64_t Sample::BytesOf(Kind kind) const {
  uint64_t bytes = 0;
  uint64_t covered_until = 0;
  for (const Finding& finding : findings) {
    if ((finding.kinds & kind) == 0) continue;
    if (kind == kWeight && (finding.kinds & kLookedUp) != 0) continue;
    const uint64_t end = finding.address + kBlockBytes;
    bytes += end - std::max(finding.address, covered_until);
    covered_until = end;
  }
  return bytes;
}

std::string Sample::Describe() const {
  std::string text = fmt::format("{} findings\n", findings.size());
  for (size_t i = 0; i < std::min(findings.size(), kMostDescribed); ++i) {
    const Finding& each = findings[i];
    text += fmt::format("  {:#018x} at {:#x} in {}, kinds {}{}{}\n", each.value, each.address,
                        *each.mapping, each.kinds, each.text == nullptr ? "" : ", ",
                        each.text == nullptr ? "" : *each.text);
  }
  return text;
}

bool MayRead(pid_t pid) {
  const auto first = testing_support::MappingsOf(pid);
  const UniqueFd memory = testing_support::TryOpenOf(pid, "mem");
  uint8_t byte = 0;
  return memory.IsOpen() && !first.empty() &&
         pread(memory.Get(), &byte, 1, static_cast<off_t>(first[0].begin)) == 1;
}

MemorySampler::MemorySampler(pid_t pid, const SecretBlocks& blocks)
    : pid_(pid), blocks_(blocks), memory_(OpenOf(pid, "mem")), pagemap_(OpenOf(pid, "pagemap")) {}

Sample MemorySampler::Take() {
  std::swap(before_, now_);
  {
    const FrozenProcess frozen(pid_);
    Read();
  }
  Sample sample;
  for (Run& run : now_.runs) {
    Search(run, sample);
    sample.read_bytes += run.size;
    sample.findings.insert(sample.findings.end(), run.findings.begin(), run.findings.end());
  }
  return sample;
}

void MemorySampler::Read() {
  now_.runs.clear();
  size_t size = 0;
  for (const Mapping& mapping : testing_support::MappingsOf(pid_)) {
    const auto name = std::make_shared<const std::string>(
        mapping.name.empty() ? fmt::format("{:#x}-{:#x}", mapping.begin, mapping.end)
                             : mapping.name);
    for (const auto& run : testing_support::ExistingRuns(pagemap_.Get(), mapping)) {
      now_.runs.push_back({run.begin, run.end - run.begin, size, name, {}});
      size += run.end - run.begin;
    }
  }
  if (now_.bytes.size() < size) now_.bytes.resize(size);
  for (const Run& run : now_.runs) {
    const ssize_t count =
        pread(memory_.Get(), &now_.bytes[run.at], run.size, static_cast<off_t>(run.begin));
    CHECK(count == static_cast<ssize_t>(run.size));
  }
}

const MemorySampler::Run* MemorySampler::RunBefore(uint64_t page) const {
  auto after = std::ranges::upper_bound(before_.runs, page, {}, &Run::begin);
  if (after == before_.runs.begin()) return nullptr;
  --after;
  return page < after->begin + after->size ? &*after : nullptr;
}

bool MemorySampler::Differs(const Run& run, size_t index) const {
  const uint64_t page = run.begin + index * kPageBytes;
  const Run* before = RunBefore(page);
  if (before == nullptr) return true;
  const uint8_t* old = &before_.bytes[before->at + (page - before->begin)];
  return std::memcmp(old, &now_.bytes[run.at + index * kPageBytes], kPageBytes) != 0;
}

// A block may reach into the next page: a page counts as changed if that one did.
std::vector<bool> MemorySampler::ChangedPages(const Run& run) const {
  std::vector<bool> changed(run.size / kPageBytes);
  bool next_differs = true;
  for (size_t i = changed.size(); i-- > 0;) {
    const bool differs = Differs(run, i);
    changed[i] = differs || next_differs;
    next_differs = differs;
  }
  return changed;
}

void MemorySampler::Search(Run& run, Sample& sample) const {
  const std::vector<bool> changed = ChangedPages(run);
  const uint8_t* begin = &now_.bytes[run.at];
  const uint8_t* end = begin + run.size;
  for (size_t i = 0; i < changed.size(); ++i) {
    const uint64_t page = run.begin + i * kPageBytes;
    if (!changed[i]) {
      const auto& known = RunBefore(page)->findings;
      auto each = std::ranges::lower_bound(known, page, {}, &Finding::address);
      for (; each != known.end() && each->address < page + kPageBytes; ++each) {
        run.findings.push_back(*each);
      }
      continue;
    }
    sample.scanned_bytes += kPageBytes;
    const uint8_t* first = begin + i * kPageBytes;
    const uint8_t* last = std::min(first + kPageBytes, end - (kBlockBytes - 1));
    for (const uint8_t* at = first; at < last; ++at) {
      uint64_t value;
      std::memcpy(&value, at, sizeof value);
      if (value == 0) continue;
      const std::string* text = nullptr;
      const uint8_t kinds = blocks_.Find(at, end, &text);
      if (kinds == 0) continue;
      run.findings.push_back(
          {page + static_cast<uint64_t>(at - first), value, kinds, text, run.mapping});
    }
  }
}

}  // namespace ephemeralml::forensics

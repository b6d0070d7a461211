#pragma once
// Reads another process's whole memory, again and again, and says what of SecretBlocks lies in it.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "tests/forensics/secret_blocks.h"

namespace ephemeralml::forensics {

struct Finding {
  uint64_t address = 0;
  uint64_t value = 0;  ///< the first eight bytes
  uint8_t kinds = 0;
  const std::string* text = nullptr;           ///< a text's name; lives as long as the SecretBlocks
  std::shared_ptr<const std::string> mapping;  ///< the kernel's name for where it lies
};

struct Sample {
  std::vector<Finding> findings;
  uint64_t read_bytes = 0;
  uint64_t scanned_bytes = 0;  ///< of pages that weren't as they were in the sample before

  /// Bytes of memory that findings of this kind cover; of weights those that nothing looked up.
  uint64_t BytesOf(Kind kind) const;
  bool Has(Kind kind) const { return BytesOf(kind) > 0; }
  /// A line for each of the first findings, for a test's report.
  std::string Describe() const;
};

/// True if this process may read that one's memory: root with CAP_SYS_PTRACE may.
bool MayRead(pid_t pid);

/// Samples one process. What didn't change between two samples is compared, not searched again.
class MemorySampler {
 public:
  MemorySampler(pid_t pid, const SecretBlocks& blocks);

  /// Stops every thread of the process, reads the pages that exist of all mappings, lets it go on,
  /// and searches at every byte offset. A failed CHECK if a page can't be read.
  Sample Take();

 private:
  // Memory without a gap, and what was found in it.
  struct Run {
    uint64_t begin = 0;
    size_t size = 0;
    size_t at = 0;  // in the image's bytes
    std::shared_ptr<const std::string> mapping;
    std::vector<Finding> findings;
  };
  struct Image {
    std::vector<uint8_t> bytes;
    std::vector<Run> runs;  // by address
  };

  void Read();
  void Search(Run& run, Sample& sample) const;
  bool Differs(const Run& run, size_t page) const;
  std::vector<bool> ChangedPages(const Run& run) const;
  const Run* RunBefore(uint64_t page) const;

  pid_t pid_;
  const SecretBlocks& blocks_;
  UniqueFd memory_;
  UniqueFd pagemap_;
  Image before_;
  Image now_;
};

}  // namespace ephemeralml::forensics

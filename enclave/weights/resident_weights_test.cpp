#include "enclave/weights/resident_weights.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::weights {
namespace {

// For this process and from now on.
void ForbidLockingMemory() {
  const rlimit none = {0, 0};
  CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct no_capabilities[_LINUX_CAPABILITY_U32S_3] = {};
  CHECK(syscall(SYS_capset, &header, no_capabilities) == 0);
}

TEST(ResidentWeights, AreRefusedWhereMemoryCannotBeLocked) {
  testing::TestBlob blob;
  blob.Add(wire::ElementType::kUint8, {20'000}, Bytes(20'000, 1), PanelLayout::kRows, 0);
  blob.Seal();
  const auto refused = [&] {
    ForbidLockingMemory();
    const auto arena = *Arena::Create(size_t{1} << 20);
    const auto resident = ResidentWeights::Create(blob.model(), *arena);
    _exit(!resident && resident.error().reason == "memory_not_lockable" ? 0 : 1);
  };
  EXPECT_EXIT(refused(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ephemeralml::weights

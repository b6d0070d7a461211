#pragma once
// The steps from the kernel's hand-over to the enclave's own program, in the order in which main
// takes them. A step that fails ends the machine.

#include <string>
#include <vector>

namespace ephemeralml::init {

/// Loads kernel modules, each after those before it. One that the kernel has already is no error.
void LoadModules(const std::vector<std::string>& paths);

/// Tells the parent machine that the enclave has booted: one byte to port 9000 there, and the same
/// byte back. Nitro's launcher calls the start failed unless it comes. Source:
/// aws-nitro-enclaves-sdk-bootstrap, init/init.c, enclave_ready().
void SendHeartbeat();

/// Mounts /proc, /sys and /dev.
void MountSystem();

/// Takes the machine's console for standard input, output and errors.
void OpenConsole();

/// No core files; memory may be locked; no module, no other kernel, no new interface, no mount but
/// by the supervisor: everything that follows has CAP_SYS_ADMIN at most, which crediting entropy
/// needs.
void SetLimits();

/// No file system can be written from here on.
void MakeEverythingReadOnly();

/// No network interface is up, the loopback included.
void RequireNoNetwork();

}  // namespace ephemeralml::init

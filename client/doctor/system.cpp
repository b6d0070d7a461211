// What the kernel and the TLS library offer: the system call filter, the clock, groups.

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timex.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <memory>

#include "client/doctor/child.h"
#include "client/doctor/doctor.h"

namespace ephemeralml::doctor {
namespace {

constexpr int64_t kEarliestPlausible = 1767225600;  // 2026-01-01: this program is younger
constexpr int64_t kLatestPlausible = 4102444800;    // 2100-01-01
constexpr std::string_view kHybridGroup = "X25519MLKEM768";

// Loads a filter as the enclave's processes do, for all threads, that ends whoever calls getppid;
// then calls it.
int CallWhatIsForbidden() {
  std::array<sock_filter, 4> program = {{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  // What the filter ends would leave a core.
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return 1;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0) {
    return 1;
  }
  (void)syscall(SYS_getppid);
  return 2;
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// True if the library takes the group for a TLS 1.3 handshake.
bool HasGroup(std::string_view name) {
  const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
  // An array, since the library's macro casts constness away.
  std::array<char, 64> group = {};
  name.copy(group.data(), group.size() - 1);
  const bool taken =
      context != nullptr && SSL_CTX_set1_groups_list(context.get(), group.data()) == 1;
  ERR_clear_error();
  return taken;
}

}  // namespace

Check CheckSystemCallFilter() {
  const int status = StatusOfChild(CallWhatIsForbidden);
  const bool works = status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
  Check check{.name = "system_call_filter"};
  check.facts = {{"works", works}};
  if (works) {
    check.found = "a process that called what its filter forbids was ended";
    return check;
  }
  check.verdict = Verdict::kUnfit;
  check.found = "the kernel takes no filter, or doesn't enforce it";
  check.costs = "no enclave starts here (confinement_failed); a client works";
  check.remedy = "a kernel with seccomp; in a container, a profile that allows the call `seccomp`";
  return check;
}

Check CheckClock() {
  timespec now = {};
  (void)clock_gettime(CLOCK_REALTIME, &now);
  timex state = {};
  const int result = adjtimex(&state);
  const bool is_known = result != -1;
  const bool is_synchronized = is_known && result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  Check check{.name = "clock"};
  check.facts = {{"unix_seconds", static_cast<int64_t>(now.tv_sec)},
                 {"synchronized", is_synchronized},
                 {"max_error_us", is_known ? static_cast<int64_t>(state.maxerror) : int64_t{-1}}};
  if (now.tv_sec < kEarliestPlausible || now.tv_sec > kLatestPlausible) {
    check.verdict = Verdict::kUnfit;
    check.found = fmt::format("it shows {} seconds since 1970, which can't be", now.tv_sec);
    check.costs = "every certificate and every document of an enclave is refused";
    check.remedy = "set it";
  } else if (!is_synchronized) {
    check.verdict = Verdict::kWeaker;
    check.found = is_known ? "it is plausible, and nothing keeps it synchronized"
                           : "it is plausible; the kernel doesn't say whether it is synchronized";
    check.costs =
        "an enclave's evidence may be refused as too old or from the future, or a replayed one be "
        "accepted for longer, by as much as the clock is wrong";
    check.remedy = "run a time service (chrony, systemd-timesyncd), here or on the machine below";
  } else {
    check.found = fmt::format("it is synchronized to within {} ms", state.maxerror / 1000);
  }
  return check;
}

Check CheckTlsLibrary() {
  const bool is_new_enough = OPENSSL_version_major() >= 3;
  const bool has_hybrid = HasGroup(kHybridGroup);
  const bool has_classical = HasGroup("X25519");
  Check check{.name = "tls_library"};
  check.found = fmt::format("{}; {} {}", OpenSSL_version(OPENSSL_VERSION), kHybridGroup,
                            has_hybrid ? "works" : "isn't there, so X25519 is used");
  check.facts = {{"version", std::string(OpenSSL_version(OPENSSL_FULL_VERSION_STRING))},
                 {"x25519mlkem768", has_hybrid},
                 {"x25519", has_classical}};
  if (!is_new_enough || !(has_classical || has_hybrid)) {
    check.verdict = Verdict::kUnfit;
    check.costs = "no channel to an enclave (tls_unavailable)";
    check.remedy = "OpenSSL 3.0 or newer; 3.5 has the post-quantum group";
  } else if (!has_hybrid) {
    check.verdict = Verdict::kWeaker;
    check.costs =
        "whoever records a session and has a large quantum computer one day can read it then: the "
        "model's secret, inputs and outputs";
    check.remedy = "OpenSSL 3.5 or newer (Debian 13), here and in the enclave";
  }
  return check;
}

}  // namespace ephemeralml::doctor

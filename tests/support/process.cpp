#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

namespace ephemeralml::testing_support {
namespace {

using Clock = std::chrono::steady_clock;

// A file of a process that ends meanwhile can't be read any more, which an iterator would throw.
std::string ReadText(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

template <class Condition>
bool Await(int64_t timeout_ms, Condition condition) {
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::vector<pid_t> Children(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code ignored;
  std::filesystem::directory_iterator task("/proc/" + std::to_string(pid) + "/task", ignored);
  for (; task != std::filesystem::directory_iterator(); task.increment(ignored)) {
    std::istringstream list(ReadText(task->path() / "children"));
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ephemeralml.XXXXXX").string();
  CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(std::vector<std::string> arguments, std::filesystem::path log,
                 std::map<std::string, std::string> environment)
    : log_(std::move(log)) {
  environment.emplace("PATH", "/usr/bin:/bin");
  environment.emplace("HOME", log_.parent_path());
  std::vector<std::string> entries;
  for (const auto& [name, value] : environment) entries.push_back(name + "=" + value);
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& entry : entries) envp.push_back(entry.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  pid_ = fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) {
    const int fd = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || dup2(null, 0) < 0) _exit(126);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
}

Process::~Process() {
  if (!IsRunning()) return;
  Signal(SIGKILL);
  (void)Wait(10'000);
}

bool Process::IsRunning() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

void Process::Signal(int signal) const { (void)kill(pid_, signal); }

int Process::Wait(int64_t timeout_ms) {
  return Await(timeout_ms, [this] { return !IsRunning(); }) ? status_ : -1;
}

std::string Process::Log() const { return ReadText(log_); }

uint16_t Process::ListeningPort(int64_t timeout_ms) {
  uint16_t port = 0;
  (void)Await(timeout_ms, [&] {
    std::istringstream lines(Log());
    for (std::string line; std::getline(lines, line);) {
      const auto event = nlohmann::json::parse(line, nullptr, false);
      if (event.is_object() && event.value("event", "") == "listening") {
        port = event.value("port", uint16_t{0});
      }
    }
    return port != 0 || !IsRunning();
  });
  return port;
}

bool Process::WaitForLog(const std::string& text, int64_t timeout_ms) const {
  return Await(timeout_ms, [&] { return Log().find(text) != std::string::npos; });
}

std::vector<pid_t> Process::Family() const {
  std::vector<pid_t> family = {pid_};
  for (size_t i = 0; i < family.size(); ++i) {
    const std::vector<pid_t> children = Children(family[i]);
    family.insert(family.end(), children.begin(), children.end());
  }
  return family;
}

ProcessFigures FiguresOf(pid_t pid) {
  ProcessFigures figures;
  const std::filesystem::path folder = "/proc/" + std::to_string(pid);
  std::istringstream rollup(ReadText(folder / "smaps_rollup"));
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Pss:")) figures.pss_bytes = std::stoull(line.substr(4)) * 1024;
    if (line.starts_with("Rss:")) figures.rss_bytes = std::stoull(line.substr(4)) * 1024;
    if (line.starts_with("Pss_Anon:")) figures.own_bytes += std::stoull(line.substr(9)) * 1024;
    if (line.starts_with("Pss_Shmem:")) figures.own_bytes += std::stoull(line.substr(10)) * 1024;
  }
  std::istringstream status(ReadText(folder / "status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Threads:")) figures.threads = std::stoull(line.substr(8));
    if (line.starts_with("State:")) figures.state = line.at(line.find_first_not_of(" \t", 6));
  }
  // proc(5): the fields after the name, which ends at the last parenthesis; utime and stime are
  // fields 14 and 15.
  const std::string stat = ReadText(folder / "stat");
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::vector<std::string> values(std::istream_iterator<std::string>(fields), {});
  if (values.size() > 12)
    figures.processor_ticks = std::stoull(values[11]) + std::stoull(values[12]);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "fd", ignored)) {
    ++figures.descriptors;
    const auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
    figures.memory_files += target.starts_with("/memfd:");
  }
  std::istringstream maps(ReadText(folder / "maps"));
  for (std::string line; std::getline(maps, line);) {
    figures.memory_files += line.find("/memfd:") != std::string::npos;
  }
  return figures;
}

std::string CommandOf(pid_t pid) {
  std::string command = ReadText("/proc/" + std::to_string(pid) + "/cmdline");
  std::ranges::replace(command, '\0', ' ');
  return command;
}

}  // namespace ephemeralml::testing_support

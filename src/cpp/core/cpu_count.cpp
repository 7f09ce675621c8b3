#include "core/cpu_count.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace trimatte {
namespace {

constexpr int kUnlimited = std::numeric_limits<int>::max();

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// "<quota> <period>" in microseconds; "max" or -1 as the quota, or no text, is no limit.
int limit_of(const std::string& text) {
  std::istringstream numbers(text);
  long long quota = 0, period = 0;
  if (!(numbers >> quota >> period) || quota <= 0 || period <= 0) return kUnlimited;
  const long long cpus = quota / period + (quota % period != 0);
  return static_cast<int>(std::min<long long>(cpus, kUnlimited));
}

// Of a group of version 2, or of version 1.
int limit_in(const std::string& folder) {
  return std::min(limit_of(text_of(folder + "/cpu.max")),
                  limit_of(text_of(folder + "/cpu.cfs_quota_us") + " " +
                           text_of(folder + "/cpu.cfs_period_us")));
}

int limit_up_from(const std::string& mount, std::string group) {
  int limit = limit_in(mount);
  for (; group.size() > 1; group.resize(group.rfind('/')))
    limit = std::min(limit, limit_in(mount + group));
  return limit;
}

int affinity_count() {
#if defined(__linux__)
  cpu_set_t sets[16];  // one is too small for a machine of more than 1024 cores
  if (sched_getaffinity(0, sizeof sets, sets) == 0) return CPU_COUNT_S(sizeof sets, sets);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int cgroup_cpu_quota(const std::string& root, const std::string& membership) {
  int limit = kUnlimited;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // "<number>:<controllers>:<group>"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool cpu = ("," + controllers + ",").find(",cpu,") != std::string::npos;
    if (!controllers.empty() && !cpu) continue;
    const std::string mount = controllers.empty() ? root : root + "/" + controllers;
    limit = std::min(limit, limit_up_from(mount, line.substr(second + 1)));
  }
  return limit == kUnlimited ? 0 : limit;
}

int cpu_count() {
  const int quota = cgroup_cpu_quota("/sys/fs/cgroup", text_of("/proc/self/cgroup"));
  const int cores = std::max(1, affinity_count());
  return quota > 0 ? std::min(cores, quota) : cores;
}

}  // namespace trimatte

// How many cores this process may use.
#pragma once

#include <string>

namespace trimatte {

// The cores of the calling thread's affinity mask, or fewer where a control group (a container's)
// has a quota of CPU time; rounded up, at least 1.
int cpu_count();

// The quota of a process in CPUs, rounded up; 0 if there is none. `membership` is the text of its
// /proc/self/cgroup, `root` the folder where control groups are mounted. A quota holds for all
// groups below it, so the smallest on the way up counts.
int cgroup_cpu_quota(const std::string& root, const std::string& membership);

}  // namespace trimatte

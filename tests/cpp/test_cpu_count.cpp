#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "check.hpp"
#include "core/cpu_count.hpp"

#if defined(__linux__)
#include <sched.h>
#include <stdlib.h>
#endif

using namespace trimatte;
namespace fs = std::filesystem;

namespace {

// A folder like /sys/fs/cgroup, removed at the end.
class Groups {
 public:
  Groups() { CHECK(mkdtemp(root_) != nullptr); }
  ~Groups() { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    const fs::path path = fs::path(root_) / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  int quota(const std::string& membership) const { return cgroup_cpu_quota(root_, membership); }

 private:
  char root_[32] = "/tmp/trimatte-cgroup-XXXXXX";
};

}  // namespace

TEST(cpu_count_version_2_quotas_are_rounded_up) {
  const Groups groups;
  CHECK(groups.quota("0::/\n") == 0);  // no such file
  const auto quota = [&](const char* text) {
    groups.write("cpu.max", text);
    return groups.quota("0::/\n");
  };
  CHECK(quota("max 100000") == 0);
  CHECK(quota("100000 100000") == 1);
  CHECK(quota("100001 100000") == 2);
  CHECK(quota("250000 100000") == 3);
  CHECK(quota("1000 100000") == 1);
  for (const char* text : {"", "max", "100000", "0 100000", "100000 0", "a b"})
    CHECK(quota(text) == 0);
}

TEST(cpu_count_the_smallest_quota_on_the_way_up_counts) {
  const Groups groups;
  groups.write("pods/cpu.max", "200000 100000");
  groups.write("pods/mine/cpu.max", "400000 100000");
  groups.write("other/cpu.max", "100000 100000");
  CHECK(groups.quota("0::/pods/mine\n") == 2);
  CHECK(groups.quota("0::/pods/mine/deeper\n") == 2);
  CHECK(groups.quota("0::/\n") == 0);
}

TEST(cpu_count_version_1_quotas) {
  const Groups groups;
  const std::string folder = "cpu,cpuacct/docker/mine/";
  groups.write(folder + "cpu.cfs_quota_us", "150000");
  groups.write(folder + "cpu.cfs_period_us", "100000");
  groups.write("memory/docker/mine/cpu.max", "100000 100000");  // of another controller
  CHECK(groups.quota("7:memory:/docker/mine\n4:cpu,cpuacct:/docker/mine\n0::/\n") == 2);
  groups.write(folder + "cpu.cfs_quota_us", "-1");
  CHECK(groups.quota("4:cpu,cpuacct:/docker/mine\n") == 0);
}

TEST(cpu_count_texts_that_name_no_group) {
  const Groups groups;
  groups.write("cpu.max", "100000 100000");
  for (const char* text : {"", "\n", "0", "0:", "0::", "0::name"}) CHECK(groups.quota(text) == 0);
}

TEST(cpu_count_is_within_the_affinity) {
  CHECK(cpu_count() >= 1);
#if defined(__linux__)
  std::thread([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(cpu_count() == 1);
  }).join();
#endif
}

// Runs all tests, or those of a file or with a word in their name: trimatte_tests [file | word].
#include <chrono>
#include <cstring>

#include "check.hpp"

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  const char* wanted = argc > 1 ? argv[1] : "";
  int failed = 0, total = 0;
  for (const auto& test : trimatte::test::cases()) {
    if (!std::strstr(test.name, wanted) && std::strcmp(test.file, wanted) != 0) continue;
    ++total;
    const int before = trimatte::test::failures();
    const auto begin = Clock::now();
    test.body();
    const bool ok = trimatte::test::failures() == before;
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    std::printf("%s %s (%.1f s)\n", ok ? "ok  " : "FAIL", test.name, seconds.count());
    std::fflush(stdout);
    failed += !ok;
  }
  std::printf("%d passed, %d failed\n", total - failed, failed);
  return failed != 0 || total == 0;
}

// Runs all tests, or those whose name contains the argument.
#include <cstring>

#include "check.hpp"

int main(int argc, char** argv) {
  const char* wanted = argc > 1 ? argv[1] : "";
  int failed = 0, total = 0;
  for (const auto& test : trimatte::test::cases()) {
    if (!std::strstr(test.name, wanted)) continue;
    ++total;
    const int before = trimatte::test::failures();
    test.body();
    const bool ok = trimatte::test::failures() == before;
    std::printf("%s %s\n", ok ? "ok  " : "FAIL", test.name);
    failed += !ok;
  }
  std::printf("%d passed, %d failed\n", total - failed, failed);
  return failed != 0 || total == 0;
}

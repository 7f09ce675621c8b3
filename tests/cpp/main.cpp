#include "check.hpp"

int main() {
  int failed = 0;
  for (const auto& test : trimatte::test::cases()) {
    const int before = trimatte::test::failures();
    test.body();
    const bool ok = trimatte::test::failures() == before;
    std::printf("%s %s\n", ok ? "ok  " : "FAIL", test.name);
    failed += !ok;
  }
  const auto total = static_cast<int>(trimatte::test::cases().size());
  std::printf("%d passed, %d failed\n", total - failed, failed);
  return failed != 0 || total == 0;
}

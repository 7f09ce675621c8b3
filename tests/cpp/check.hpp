// A test is a function registered by TEST(name); CHECK(condition) counts and reports.
#pragma once

#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace trimatte::test {

struct Case {
  const char* name;
  const char* file;  // without its folder
  std::function<void()> body;
};
inline std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}
inline int& failures() {
  static int count = 0;
  return count;
}
struct Registrar {
  Registrar(const char* name, const char* path, std::function<void()> body) {
    const char* slash = std::strrchr(path, '/');
    cases().push_back({name, slash ? slash + 1 : path, std::move(body)});
  }
};

// Whether two numbers differ by a tolerance at most.
inline bool near(double a, double b, double tolerance) {
  const double difference = a > b ? a - b : b - a;
  return difference <= tolerance;
}

}  // namespace trimatte::test

#define TEST(name)                                                                       \
  static void test_##name();                                                             \
  static const trimatte::test::Registrar registrar_##name(#name, __FILE__, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) {                                                   \
      std::printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      ++trimatte::test::failures();                                       \
    }                                                                     \
  } while (false)

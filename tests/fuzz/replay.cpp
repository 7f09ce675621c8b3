// Stands in for libFuzzer where there is no Clang: runs files, or so many seconds of random bytes,
// always the same. It does not look for new paths.
//
//   fuzz_keys [-max_total_time=SECONDS] [FILE ...]
#include <chrono>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz.hpp"

namespace {

constexpr std::size_t kLongest = 512;  // bytes

void run_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string option = "-max_total_time=";
  double seconds = 1.0;
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind(option, 0) == 0) {
      seconds = std::stod(argument.substr(option.size()));
    } else if (argument[0] != '-') {
      run_file(argv[i]);
      ++files;
    }
  }
  if (files) return 0;
  std::mt19937 random(1);
  std::vector<std::uint8_t> bytes;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  long runs = 0;
  for (; Clock::now() < end; ++runs) {
    bytes.resize(random() % kLongest);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%ld runs\n", runs);
}

// Stands in for libFuzzer where there is no Clang: runs files, or for so many seconds what is in
// folders and blind changes to it, always the same. It does not look for new paths.
//
//   fuzz_keys [-max_total_time=SECONDS] [FILE | FOLDER ...]
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz.hpp"

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kLongest = 512;  // bytes

Bytes content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(const Bytes& bytes) {
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

// One of the inputs with some of its bytes changed and its end cut off or drawn; or all drawn.
Bytes changed(const std::vector<Bytes>& inputs, std::mt19937& random) {
  const auto drawn = [&] { return static_cast<std::uint8_t>(random()); };
  Bytes bytes = inputs.empty() ? Bytes{} : inputs[random() % inputs.size()];
  if (bytes.empty() || random() % 4 == 0) {
    const std::size_t kept = bytes.size();
    bytes.resize(random() % kLongest);
    for (std::size_t i = kept; i < bytes.size(); ++i) bytes[i] = drawn();
  }
  for (std::size_t n = random() % 8; n > 0 && !bytes.empty(); --n)
    bytes[random() % bytes.size()] = drawn();
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string option = "-max_total_time=";
  double seconds = 1.0;
  std::vector<fs::path> files, folders;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind(option, 0) == 0) {
      seconds = std::stod(argument.substr(option.size()));
    } else if (argument[0] != '-') {
      (fs::is_directory(argument) ? folders : files).emplace_back(argument);
    }
  }
  for (const fs::path& file : files) run(content_of(file));
  if (!files.empty()) return 0;

  std::vector<fs::path> found;
  for (const fs::path& folder : folders)
    for (const auto& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  std::vector<Bytes> inputs;
  std::transform(found.begin(), found.end(), std::back_inserter(inputs), content_of);
  for (const Bytes& input : inputs) run(input);

  std::mt19937 random(1);
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  long runs = 0;
  for (; Clock::now() < end; ++runs) run(changed(inputs, random));
  std::printf("%zu inputs, %ld changed\n", inputs.size(), runs);
}

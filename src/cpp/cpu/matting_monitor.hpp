// Times and progress of an alpha solve.
#pragma once

#include <chrono>
#include <cstddef>

#include "pixel/matting.hpp"

namespace trimatte {

// A stretch of a solve: the part [from, to] of all its work.
class Monitor {
 public:
  Monitor(const MattingOptions& options, MattingInfo& info, double from, double to)
      : options_(options), info_(info), from_(from), to_(to) {}

  void report(double done) const { options_.report(from_ + done * (to_ - from_)); }

  // work() counts as time spent on a level.
  template <class Work>
  void time(std::size_t level, const Work& work) const {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (level < MattingInfo::kMostLevels) info_.seconds[level] += seconds.count();
  }

 private:
  const MattingOptions& options_;
  MattingInfo& info_;
  double from_, to_;
};

}  // namespace trimatte

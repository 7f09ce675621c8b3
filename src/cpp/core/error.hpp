// Typed errors; bind/ turns each into the Python exception of the same name.
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>
#include <string>

namespace trimatte {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct ArgumentError : Error {
  using Error::Error;
};
struct DeviceError : Error {
  using Error::Error;
};

// A GPU has no room; Python sees a MemoryError.
class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(std::size_t bytes, const std::string& where)
      : message_("trimatte: not enough memory on " + where + " for " + std::to_string(bytes) +
                 " bytes") {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

}  // namespace trimatte

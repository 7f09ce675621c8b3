// Typed errors; bind/ turns each into the Python exception of the same name.
#pragma once

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

}  // namespace trimatte

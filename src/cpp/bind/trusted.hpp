// Whether a thread vouches for the values of the arrays that it gives to operations.
#pragma once

namespace trimatte::bind {

// Within `with _core.trusted():` of this thread: samples are not scanned, only shapes and dtypes
// are checked.
bool values_are_trusted();

}  // namespace trimatte::bind

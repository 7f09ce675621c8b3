// Threads beyond the end of a row write all the same.
#include "dilation.hpp"

int main() {
  return planted::dilate<PLANTED ? planted::Bug::kGlobalOverrun : planted::Bug::kNone>();
}

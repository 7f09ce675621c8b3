// A tile that is read before all threads have filled it.
#include "dilation.hpp"

int main() {
  return planted::dilate<PLANTED ? planted::Bug::kNoBarrier : planted::Bug::kNone>();
}

// A read beyond the end of a tile.
#include "dilation.hpp"

int main() {
  return planted::dilate<PLANTED ? planted::Bug::kTileOverrun : planted::Bug::kNone>();
}

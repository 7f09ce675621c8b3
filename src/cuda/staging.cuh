// Pinned memory that copies between the host and a GPU go through.
#pragma once

namespace trimatte::cuda {

void trim_staging();  // gives back to the system what is not in use

}  // namespace trimatte::cuda

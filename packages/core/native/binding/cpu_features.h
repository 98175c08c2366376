// CPU features found at run time, for messages and result files.
#pragma once
#include <string>
#include <vector>

namespace qpkv {

std::vector<std::string> FoundCpuFeatures();

}  // namespace qpkv

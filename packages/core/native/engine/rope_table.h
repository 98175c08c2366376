// What turns the queries and keys of a layer; see RopeArgs.
#pragma once

namespace qpkv {

struct RopeTable {
  const float* inv_freq = nullptr;  // device [turned / 2]
  float scale = 1;
  int turned = 0;  // channels of a head; 0: none
};

}  // namespace qpkv

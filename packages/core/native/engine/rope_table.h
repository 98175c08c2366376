// What rotates the queries and keys of a layer; see RopeArgs.
#pragma once

namespace qpkv {

struct RopeTable {
  const float* inv_freq = nullptr;  // device [rotary_dim / 2]
  float scale = 1;
  int rotary_dim = 0;  // channels of a head; 0: none

  bool operator==(const RopeTable& other) const {
    return inv_freq == other.inv_freq && scale == other.scale && rotary_dim == other.rotary_dim;
  }
};

}  // namespace qpkv

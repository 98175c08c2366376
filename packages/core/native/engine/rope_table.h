// What turns the queries and keys of a layer; see RopeArgs.
#pragma once

namespace qpkv {

struct RopeTable {
  const float* inv_freq = nullptr;  // device [turned / 2]
  float scale = 1;
  int turned = 0;  // channels of a head; 0: none

  bool operator==(const RopeTable& other) const {
    return inv_freq == other.inv_freq && scale == other.scale && turned == other.turned;
  }
};

}  // namespace qpkv

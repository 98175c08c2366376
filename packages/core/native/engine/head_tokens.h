// What the host knows of the tokens of one stored head, one entry per stored token in storage
// order; lists that the layer does not need are empty.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace qpkv {

struct HeadTokens {
  std::vector<int32_t> positions;  // in the text
  std::vector<int32_t> indices;    // what RoPE rotates the key by, where that is not the position
  std::vector<uint8_t> valid;      // 0: evicted, its bit in the tile is clear
  int evicted = 0;                 // zeros in `valid`

  // As key parts hold them.
  const int32_t* stored_positions(int token) const {
    return (indices.empty() ? positions : indices).data() + token;
  }
  const uint8_t* valid_from(int token) const {
    return evicted == 0 ? nullptr : valid.data() + token;
  }

  void Append(int count, int position, int index, bool track, bool by_index, bool mask) {
    for (int i = 0; i < count; ++i) {
      if (track) positions.push_back(position + i);
      if (by_index) indices.push_back(index + i);
    }
    if (mask) valid.insert(valid.end(), static_cast<size_t>(count), 1);
  }
  void Erase(int first, int count) {
    if (!valid.empty())
      evicted -= static_cast<int>(
          std::count(valid.begin() + first, valid.begin() + first + count, uint8_t{0}));
    const auto forget = [&](auto* list) {
      if (!list->empty()) list->erase(list->begin() + first, list->begin() + first + count);
    };
    forget(&positions), forget(&indices), forget(&valid);
  }
};

}  // namespace qpkv

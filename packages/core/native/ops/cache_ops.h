// A sequence's cache of one layer as ops in the layer loop see it: tables in device memory, which
// the engine writes when something changes. Conventions: ops.h.
#pragma once
#include <cstdint>

#include "ops/device_code.h"
#include "ops/memory_space.h"
#include "ops/tensor_format.h"
#include "ops/tile_layout.h"

namespace qpkv {

// A part of a head's list. `segment` says which of the layer's formats it has.
struct Part {
  uint8_t* data;
  int32_t first;         // its first token, counted in the list
  uint16_t part_tokens;  // laid out
  uint16_t segment;
};

// One stored head: its keys and values in storage order, cut into parts independently. The tokens
// of a part end where the next part begins; those of the last, which may have free slots, at
// `tokens`.
struct HeadView {
  const Part* keys;    // [key_parts]
  const Part* values;  // [value_parts]
  int32_t key_parts, value_parts;
  int32_t tokens;
  int32_t last_position;  // of the newest token in the text
  int32_t last_index;     // what RoPE rotates it by: the same, or its index in the cache
};

QPKV_DEVICE_CODE static inline int TokensOf(const Part* parts, int count, int i, int tokens) {
  return (i + 1 < count ? parts[i + 1].first : tokens) - parts[i].first;
}

// Running scores of a layer whose plan evicts by score. Rows follow `stride`, slots the lists.
struct RunningScores {
  float* scores;       // [heads, stride]
  int32_t* positions;  // [heads, stride] in the text
  uint8_t* valid;      // [heads, stride] 0: evicted
  int32_t* evicted;    // [heads, evicted_stride] slots that leave, in order; -1 behind the last
  int32_t stride, evicted_stride;
  int32_t capacity;  // tokens that a head keeps
  int32_t protect_first, protect_last;
  float factor;  // of the probabilities that are added: the mean or the sum over query heads
};

// The newest `rows` tokens of one sequence at one layer, for whom the lists have room already. The
// query heads of a stored head are `group` in a row. Device memory, pointers and all.
struct CacheItem {
  const HeadView* heads;            // [head_count]
  const TensorFormat* key_formats;  // [segments]
  const TensorFormat* value_formats;
  const float* q;         // [rows, head_count * group, dim], row stride q_stride, after RoPE
  float* out;             // [rows, head_count * group, dim], row stride out_stride
  const float* keys;      // [rows, .., dim] exact: row stride kv_stride, head stride
  const float* values;    // kv_head_stride, stored head h reads head h / heads_per_source
  const int32_t* hidden;  // [head_count, rows] first tokens that a row does not see
                          // (sliding windows), or null
  float* token_mass;      // [head_count, mass_stride] sums over a head's rows of the
                          // probabilities, or null
  RunningScores running;  // where the plan evicts by score
  // Of keys stored before RoPE, as in RopeArgs: sequences of different lengths may differ in it.
  const float* inv_freq;  // [rotary_dim / 2]
  float rope_scale;
  int32_t rotary_dim;
  int32_t rows, head_count, group;
  int32_t q_stride, out_stride, kv_stride, kv_head_stride, heads_per_source, mass_stride;
  PartNeeds needs;
  // How keys and values are stored. Keys stored before RoPE are taken back before they are rotated;
  // else queries are rotated in their place, and means, the same for all keys of a head, matter
  // only under a soft cap. Outputs are rotated back.
  Transform key_transform, value_transform;
};

// Stores the rows' keys and values exactly in the last slots of every head's lists, with positions
// and valid bits where parts have them. A part whose first slot is written is cleared before. Where
// there are running scores, the tokens enter them with 0.
struct AppendTokensArgs {
  const CacheItem* items;  // [count]
  int count, dim;
  int most_heads, most_rows;  // of any item
};

// Adds the mass to the running scores of the items that have them, then takes tokens out of every
// head until `capacity` are left: the one with the lowest score, of equal ones the newer, among the
// valid ones that neither lie before position protect_first nor are the newest protect_last.
// `valid` and `evicted` say which; tiles are not touched.
struct EvictLowestArgs {
  const CacheItem* items;  // [count]
  int count;
  int most_heads;
};

// Running scores follow the lists of their tokens: token i of a head takes the score that token
// index[i] had, or 0 where that is below 0.
struct MoveScoresItem {
  const float* from;          // [heads, from_stride]
  float* to;                  // [heads, to_stride], other memory
  Host<const int32_t> index;  // [heads, count]
  int heads, count, from_stride, to_stride;
};
struct MoveScoresArgs {
  Host<const MoveScoresItem> items;  // [count]
  int count;
};

}  // namespace qpkv

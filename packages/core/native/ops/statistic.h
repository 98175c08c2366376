// Statistics: measurements of one layer in prefill, one float32 per row and token. They are no
// fields of the op table: a backend exports a list of them, collected by the build, and one that it
// lacks is refused by name. Conventions: ops.h.
//
// A statistic sees the layer's queries chunk by chunk while they pass, and everything once more at
// the end. It may keep a state between; what it yields stands in `out` after the last call.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/dense_ops.h"
#include "ops/memory_space.h"
#include "ops/option_row.h"
#include "ops/precision.h"

namespace qpkv {

class Stream;

// Tokens of a repetition beside those of its part, at most.
constexpr int kMostReplayWords = 512;

enum class Rows : uint8_t { kQuery, kKv };

// What a statistic reads; the fields of StatisticArgs that are filled.
enum Reading : uint32_t {
  kReadQueries = 1,
  kReadQueriesBefore = 2,
  kReadKeys = 4,
  kReadKeysBefore = 8,
  kReadValues = 16,
  kReadOutputs = 32,
  kReadOutputWeight = 64,
  kReadRope = 128,
  kReadReplay = 256
};

// The same for all backends; generated from packages/spec/src/plan/statistics.
struct StatisticDescriptor {
  const char* name;
  int version;
  Rows rows;
  uint32_t reads;  // of Reading
  const OptionDescriptor* options;
  int option_count;
  double tolerance;  // of tables against the reference, relative to the largest value
};

struct StatisticShape {
  int tokens, q_heads, kv_heads, dim;
  int window;     // sliding window in tokens, 0: none
  float cap = 0;  // soft cap of the scaled logits, 0: none
};

// What options may refer to.
struct StatisticFacts {
  StatisticShape shape;
  int user_end;      // in tokens; 0: the end of the prompt
  int protect_last;  // tokens at the end that are kept whatever they score
};

// kReplay: of tokens that repeat a part of the prompt; between chunks and finish.
enum class StatisticStage : uint8_t { kChunk, kReplay, kFinish };

struct StatisticArgs {
  StatisticStage stage;
  StatisticShape shape;
  Host<const double> options;  // [kMaxOptions], resolved
  Precision precision;         // of products of queries and keys: that of the prefill
  float scale;                 // of their logits

  // kChunk: `rows` queries from position `first` on, row strides in floats.
  int first, rows, q_stride, lse_stride;
  const float* q;         // [rows, q_heads, dim], row stride q_stride
  const float* q_before;  // the same before RoPE, densely packed
  const float* lse;       // [q_heads, lse_stride] of their attention
  const float* outputs;   // [rows, q_heads, dim], densely packed

  // Of the tokens up to this chunk (kChunk) or of all (kFinish): [kv_heads, capacity, dim].
  int capacity;
  const float *k, *k_before, *v;

  // kReplay: `rows` queries of the repetition of the tokens [replay_begin, replay_end); `first`
  // counts from its beginning. Its keys lie behind the prompt's, from row `tokens` on.
  int replay_begin, replay_end;
  const float* inputs;  // [rows, hidden]: what the layer's attention reads
  int hidden;

  PackedWeight output;  // [hidden, q_heads * dim]
  const float*
      inv_freq;  // [rotary_dim / 2]: the first `rotary_dim` channels are rotated, as in RopeArgs
  float rope_scale;
  int rotary_dim;

  void* state;  // of state_bytes, zeros before the first call
  float* out;   // [rows of the descriptor, tokens], zeros before the first call
};

// resolve and state_bytes run on the host and look at no buffer.
struct Statistic {
  const StatisticDescriptor* about;
  // Turns given options into those that `run` sees, so that wishes that come to the same are
  // measured once; returns a factor that the result is to be multiplied by. Null: as given.
  double (*resolve)(const StatisticFacts&, const double* given, double* resolved);
  size_t (*state_bytes)(const StatisticShape&, const double* resolved);  // null: none
  void (*run)(Stream&, const StatisticArgs&);                            // an op
};

struct StatisticList {
  const Statistic* items;
  int count;
};

// Null where there is none of that name.
static inline const Statistic* FindStatistic(const StatisticList& list, const char* name) {
  for (int i = 0; i < list.count; ++i)
    if (__builtin_strcmp(list.items[i].about->name, name) == 0) return &list.items[i];
  return nullptr;
}

}  // namespace qpkv

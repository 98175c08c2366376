// Arguments of the ops that turn measurements of tokens into scores and choose among them.
// Statistics: ops/statistic.h. Conventions: ops.h.
#pragma once
#include <cstdint>

#include "ops/memory_space.h"
#include "ops/score_operations.h"

namespace qpkv {

// One operation of packages/spec/src/plan/score.ts on whole rows of scores. Only the `scored` first
// tokens take part in what looks along the tokens or at all of them; the others keep their value.
constexpr int kMaxScoreNodes = 8;
struct ScoreOperationArgs {
  ScoreOp op;
  const float* of[kMaxScoreNodes];  // [rows, tokens] each
  int count;                        // of them
  float* out;                       // [out_rows, tokens]; none of the inputs
  // Under kGroup out_rows is the number of stored heads: consecutive rows are joined, and where
  // there are more stored heads than rows, each row serves several. Otherwise it is `rows`.
  int rows, out_rows, tokens, scored;
  double options[kMaxOptions];  // by the slots of score_operations.h
};

// How many slots each head of a layer gets where they share them;
// packages/reference/src/share-among-heads.ts is the rule. Sums in double in the order of tokens,
// ties to the lower head.
struct ShareHeadsArgs {
  const float* scores;        // [heads, stride]: candidates are [begin, end) without the fixed ones
  Host<const int32_t> fixed;  // [fixed_count], ascending
  int fixed_count;
  int32_t* keep;  // [heads]
  int heads, stride, begin, end;
  int slots;     // a head's equal part
  double floor;  // part of the equal share that a head keeps whatever its scores are
  bool weigh_top_share, round_each;
  // Slots of all heads together; 0: heads * slots. `slots` is then their mean, rounded down.
  int64_t total;
  // From 0 on: a head gets what it has of the best scores, and at least this many; `floor` and
  // `round_each` say nothing then. -1: they say it.
  int least;
  // The first head with a score that cannot be compared, or -1. That is NaN, and, where heads are
  // weighed, infinity; *bad_is_nan says which. Nothing is shared then.
  Host<int> bad_head;
  Host<bool> bad_is_nan;
};

// Keeps candidates [candidates_begin, candidates_end) of each head by their scores, plus all
// protected tokens outside: [first_begin, candidates_begin) and [candidates_end, tokens), and
// `fixed` ones among the candidates. Stages run in order: each fills its share of a head's slots
// with its best scores among what is left, the last one the rest. Ties go to the lower position;
// NaN counts as an error.
constexpr int kMaxStages = 4;
struct SelectStage {
  const float* scores;  // [heads, stride]
  double share;         // of the slots, 0 to 1; the last stage's is not read
  int reserved;         // slots beside, of which the share is taken too and which fill it first
};
struct SelectArgs {
  SelectStage stages[kMaxStages];
  int stage_count;
  const int32_t* keep;        // [heads]: slots of each head, without the protected ones; or null:
  int keep_each;              // the same for all
  Host<const int32_t> fixed;  // [fixed_count]: protected candidates, ascending
  int fixed_count;
  // [heads, kept_stride]: positions, ascending; or, by score, the protected first ones and the
  // fixed ones, then stage by stage, then the protected last ones.
  Host<int32_t> kept;
  Host<int32_t> kept_count;  // [heads]
  int heads, tokens, stride, candidates_begin, candidates_end, first_begin, kept_stride;
  bool by_score;       // storage order
  Host<int> nan_head;  // first head with a NaN score, or -1
};

}  // namespace qpkv

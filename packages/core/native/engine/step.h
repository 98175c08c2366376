// The only way to advance anything: Step takes work of any number of sequences through the layers
// together. Work at the same layer shares every matrix product; what a sequence gets does not
// depend on its neighbours.
//
// Work comes in two forms: rows that pass all layers (decode, appended tokens), and rows of a
// prompt that pass one layer each time (prefill is layer-major), at most kChunkTokens at once. All
// prompt rows of one step are at the same layer.
//
// A step reads back once what the host must know: the chosen tokens, and which rows hold NaN.
#pragma once
#include <optional>
#include <vector>

#include "engine/engine_lock.h"
#include "engine/sampling.h"
#include "engine/sequence.h"

namespace qpkv {

struct Work {
  Sequence* sequence = nullptr;
  int from = 0, to = 0;          // layers [from, to): all, one, or none
  int first = 0, rows = 0;       // tokens [first, first + rows) of the sequence
  const int32_t* ids = nullptr;  // host [rows]; read where `from` is 0
  float* last_logits = nullptr;  // device [vocab]: takes those of the last row, if there are rows
  float* all_logits = nullptr;   // host [rows, vocab]
  // Chooses a token from last_logits, which without rows hold those of an earlier step. Null: none.
  const Sampling* sampling = nullptr;
  double uniform = 0;  // the random number that chooses
};

struct Outcome {
  SampledToken sampled{};
  std::optional<Error> error;  // of this sequence alone; it is broken then
};

// One outcome per work, in order. A sequence's own trouble is in its outcome; what concerns all (no
// memory, a device that failed) is thrown, and all of them are broken. Call with the engine's mutex
// held, through an EngineLock.
std::vector<Outcome> Step(const Model& model, const std::vector<Work>& work);

// Whether this thread is inside of Step.
bool InStep();

}  // namespace qpkv

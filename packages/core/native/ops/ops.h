// The op table: everything that touches a buffer. One table per instruction set (reference, scalar,
// AVX2, AVX-512, NEON; CUDA later) fills these function pointers; the engine is written in terms of
// them and never looks into a buffer itself.
//
// Conventions
//   * Every op takes a Stream (on the CPU: a thread pool) first. An op divides its work into units
//     that do not depend on the number of threads, so results are bit-equal for any thread count.
//   * Pointers named in the struct comments are device pointers unless marked "host". Shapes are
//     row-major, innermost last.
//   * float means activations in float32. `precision` says what matrix products see: kBf16 rounds
//     both factors to bf16 and sums in float32; kF32 keeps float32 factors.
//   * Ops do not allocate (scratch comes in), do not fail and do not check: callers pass valid
//     arguments.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/attention_ops.h"
#include "ops/dense_ops.h"
#include "ops/output_ops.h"
#include "ops/score_ops.h"
#include "ops/tile_ops.h"

namespace qpkv {

class Stream;  // base/stream.h: on the CPU a thread pool and a scratch arena

struct Ops {
  const char* name;  // "reference", "scalar", "avx2", "avx512", "neon"

  // Memory of the device. Bytes are aligned to 64; Allocate returns null when there is none.
  void* (*Allocate)(size_t bytes);
  void (*Release)(void* data, size_t bytes);
  void (*Upload)(Stream&, void* device, const void* host, size_t bytes);
  void (*Download)(Stream&, void* host, const void* device, size_t bytes);
  void (*Copy)(Stream&, void* to, const void* from, size_t bytes);  // device to device
  void (*Zero)(Stream&, void* device, size_t bytes);

  void (*Embed)(Stream&, const EmbedArgs&);
  size_t (*PackedWeightBytes)(const WeightFormat& format, int n, int k);
  void (*PackWeight)(Stream&, const PackWeightArgs&);
  void (*Matmul)(Stream&, const MatmulArgs&);
  void (*RmsNorm)(Stream&, const RmsNormArgs&);
  void (*Rope)(Stream&, const RopeArgs&);
  void (*Swiglu)(Stream&, const SwigluArgs&);
  void (*StoreHeads)(Stream&, const StoreHeadsArgs&);

  void (*PrefillAttention)(Stream&, const PrefillAttentionArgs&);
  void (*ObserveAttention)(Stream&, const ObserveAttentionArgs&);
  void (*ObserveKeys)(Stream&, const ObserveKeysArgs&);
  void (*GroupScores)(Stream&, const GroupScoresArgs&);
  void (*SmoothScores)(Stream&, const SmoothScoresArgs&);
  void (*Select)(Stream&, const SelectArgs&);

  void (*Pack)(Stream&, const PackArgs&);
  void (*Unpack)(Stream&, const UnpackArgs&);
  void (*DecodeAttention)(Stream&, const DecodeAttentionArgs&);

  void (*Argmax)(Stream&, const ArgmaxArgs&);
};

// Tables of this build that this CPU can run, best first; "reference" is last and only in builds
// with tests.
const Ops* const* AvailableOps(int* count);
const Ops* FindOps(const char* name);  // null when unknown or not supported here

}  // namespace qpkv

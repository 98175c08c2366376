// The op table: everything that touches a buffer. One table per instruction set (reference, scalar,
// AVX2, AVX-512, NEON) or device fills these function pointers; the engine is written in terms of
// them and never looks into a buffer itself.
//
// Conventions
//   * Every op takes a Stream first: where it runs, made by the backend and opaque to the engine.
//   On
//     the CPU it is a thread pool; elsewhere ops may still be running when they return, in order.
//     An op divides its work into units that do not depend on the number of threads, so results are
//     bit-equal for any thread count.
//   * A raw pointer is device memory, Host<T> is host memory (memory_space.h), read or written
//     before the op returns: a new host argument is a Host<T>, never a pointer with a comment.
//     Shapes are row-major, innermost last.
//   * float means activations in float32. `precision` says what matrix products see: kBf16 rounds
//     both factors to bf16 and sums in float32; kF32 keeps float32 factors.
//   * Ops do not allocate device memory and do not check: callers pass valid arguments. What goes
//     wrong in one (no memory for scratch, a device that fails) is kept in the stream until Check()
//     is called; only the addon's own tables throw instead, std::bad_alloc.
//   * Inside the body of a Replay ops take no host argument, and the same key means the same
//     arguments: what differs from token to token (ids, positions, lengths, part tables) is read
//     from device memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/attention_ops.h"
#include "ops/cache_ops.h"
#include "ops/dense_ops.h"
#include "ops/expert_ops.h"
#include "ops/memory_space.h"
#include "ops/output_ops.h"
#include "ops/score_ops.h"
#include "ops/tile_ops.h"

namespace qpkv {

class Stream;  // defined by each backend; the CPU's: base/stream.h

enum class Trouble : uint8_t { kNone, kMemory, kDevice };

struct StreamStatus {
  Trouble trouble;
  const char* message;  // valid until the stream's next op; null when nothing is wrong
};

struct Ops {
  const char* name;  // "reference", "scalar", "avx2", "avx512", "neon"

  // Memory of the device, aligned to 64 bytes; null when there is none. Both may be called from any
  // thread at any time; memory released is used again only behind the ops called before.
  void* (*Allocate)(Stream&, size_t bytes);
  void (*Release)(Stream&, void* data, size_t bytes);
  void (*Upload)(Stream&, void* device, Host<const void> host, size_t bytes);
  void (*Download)(Stream&, Host<void> host, const void* device, size_t bytes);
  void (*Copy)(Stream&, void* to, const void* from, size_t bytes);  // device to device
  void (*Zero)(Stream&, void* device, size_t bytes);

  // What went wrong since the last call; waits for the ops called before. Clears it.
  StreamStatus (*Check)(Stream&);
  // Runs the ops that `body` calls. A backend may keep them under the key and, when it comes again,
  // run what it kept instead of calling `body`. Key 0: nothing is kept.
  void (*Replay)(Stream&, uint64_t key, Host<void> context, void (*body)(void* context));

  void (*LoadFloats)(Stream&, const LoadFloatsArgs&);
  void (*Embed)(Stream&, const EmbedArgs&);
  size_t (*PackedWeightBytes)(const WeightFormat& format, int n, int k);
  void (*PackWeight)(Stream&, const PackWeightArgs&);
  void (*Matmul)(Stream&, const MatmulArgs&);
  void (*RmsNorm)(Stream&, const RmsNormArgs&);
  void (*Rope)(Stream&, const RopeArgs&);
  void (*Scale)(Stream&, const ScaleArgs&);
  void (*Glu)(Stream&, const GluArgs&);
  void (*Experts)(Stream&, const ExpertsArgs&);
  void (*StoreHeads)(Stream&, const StoreHeadsArgs&);

  void (*PrefillAttention)(Stream&, const PrefillAttentionArgs&);
  void (*ScoreOperation)(Stream&, const ScoreOperationArgs&);
  void (*ShareHeads)(Stream&, const ShareHeadsArgs&);
  void (*Select)(Stream&, const SelectArgs&);

  void (*AppendTokens)(Stream&, const AppendTokensArgs&);
  void (*DecodeAttention)(Stream&, const DecodeAttentionArgs&);
  void (*EvictLowest)(Stream&, const EvictLowestArgs&);

  void (*MoveScores)(Stream&, const MoveScoresArgs&);
  void (*UploadPieces)(Stream&, const UploadPiecesArgs&);
  void (*MeanTokens)(Stream&, const MeanTokensArgs&);
  void (*Pack)(Stream&, const PackArgs&);
  void (*Unpack)(Stream&, const UnpackArgs&);
  void (*MarkTokens)(Stream&, const MarkArgs&);
  void (*CheckParts)(Stream&, const CheckPartsArgs&);

  void (*NoteNan)(Stream&, const NoteNanArgs&);
  void (*CountTokens)(Stream&, const CountTokensArgs&);
  void (*Sample)(Stream&, const SampleArgs&);
};

}  // namespace qpkv

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

#include "ops/tensor_format.h"
#include "ops/tile_layout.h"

namespace qpkv {

class Stream;  // base/stream.h: on the CPU a thread pool and a scratch arena

enum class Precision : uint8_t { kBf16, kF32 };

// ---- dense

struct EmbedArgs {
  const void* table;   // [vocab, dim] as stored in the file (mapped)
  Element element;     // of the table
  const int32_t* ids;  // [rows]
  int rows, dim;
  float* out;  // [rows, dim]
};

// A weight matrix repacked once at load. bf16 sources: [n / 64][k / 2][64][2] bf16; f16 and f32
// sources: [n / 64][k][64] of the element. n is padded to 64 and k to 2 with zeros. Under kBf16 f16
// and f32 sources are rounded to bf16 at packing.
struct PackedWeight {
  void* data;
  Element element;
  int n, k;  // out features, in features
};

struct PackWeightArgs {
  const void* source;  // [n, k] as stored in the file
  Element source_element;
  // Rows of the packed matrix that this source fills: several may be stacked (q, k, v).
  int row_begin, row_end;
  PackedWeight out;
};

struct MatmulArgs {
  const float* x;  // [m, k]
  int m;
  PackedWeight weight;
  const float* bias;  // [n] or null
  float* out;         // [m, n]
  bool accumulate;    // out += x w^T + bias: the residual connection
  Precision precision;
};

struct RmsNormArgs {
  const float* x;       // [rows, stride], dim used
  const float* weight;  // [dim]
  float* out;           // [rows, stride]; may be x
  int rows, dim, stride;
  float epsilon;
};

// Rotary embedding, rotate-half form: channel i turns with channel i + dim / 2 by positions[row] *
// inv_freq[i], times `scale`.
struct RopeArgs {
  float* x;                  // [rows, heads, dim] with row stride `stride`, in place
  const int32_t* positions;  // host [rows]
  const float* inv_freq;     // host [dim / 2]
  float scale;               // attention scaling of yarn; 1 otherwise
  int rows, heads, dim, stride;
};

struct SwigluArgs {
  const float* gate_up;  // [rows, 2 * dim]: gate, then up
  float* out;            // [rows, dim] = silu(gate) * up
  int rows, dim;
};

// Copies [rows, heads, dim] (row stride `stride`) into [heads, capacity, dim] at token `first`.
struct StoreHeadsArgs {
  const float* x;
  float* out;
  int rows, heads, dim, stride, capacity, first;
};

// ---- prefill attention and observation

// Exact causal attention of `rows` consecutive queries over the keys of one layer. Query row r has
// position first + r and sees keys [max(0, first + r + 1 - window), first + r + 1); window 0 = no
// sliding window.
struct PrefillAttentionArgs {
  const float* q;  // [rows, q_heads, dim] with row stride q_stride, after RoPE
  const float* k;  // [kv_heads, capacity, dim]
  const float* v;  // [kv_heads, capacity, dim]
  float* out;      // [rows, q_heads, dim]
  float* lse;      // [q_heads, rows] natural log of the sum of exp(scaled logits), or null
  int rows, first, q_heads, kv_heads, dim, q_stride, capacity, window;
  float scale;  // of the logits, 1 / sqrt(dim)
  Precision precision;
};

// Adds to `mass` the attention probability that every key receives from `rows` queries. Under
// kWindowBlock queries before tokens - block see all `tokens` keys and only the last `block` rows
// are causal (a released code's mask). Sums in float32.
enum class ObserveMask : uint8_t { kCausal, kWindowBlock };
struct ObserveAttentionArgs {
  const float* q;    // [rows, q_heads, dim], row stride q_stride
  const float* k;    // [kv_heads, capacity, dim]
  const float* lse;  // [q_heads, lse_stride] of these rows, or null: computed here
  float* mass;       // [q_heads, tokens], accumulated
  int rows, first, tokens, q_heads, kv_heads, dim, q_stride, lse_stride, capacity, window, block;
  float scale;
  ObserveMask mask;
  Precision precision = Precision::kF32;  // of q k^T only: kBf16 matches log-sum-exps that came
                                          // from a bf16 prefill, at half the time
};

enum class KeyScore : uint8_t { kNorm, kSimilarity };
struct ObserveKeysArgs {
  const float* k;  // [heads, capacity, dim]
  float* scores;  // [heads, tokens]: norm, or cosine with the mean of the normalized keys (means in
                  // double)
  int heads, tokens, dim, capacity;
  KeyScore score;
};

enum class Reduce : uint8_t { kMean, kMax, kSum };
struct GroupScoresArgs {
  const float* mass;  // [heads * group, tokens]
  float* scores;      // [heads, tokens]
  int heads, group, tokens;
  Reduce reduce;
  float factor;  // applied afterwards: 1 / queries for a mean over queries
};

struct SmoothScoresArgs {
  const float* scores;  // [heads, stride], the first `tokens` used
  float* out;           // [heads, stride]; not scores
  int heads, tokens, stride, kernel;
  bool maximum;      // max pool, else mean
  bool count_zeros;  // mean divides by the kernel at the edges too
};

// The `keep` best of the candidates [candidates_begin, candidates_end) per head, plus all protected
// tokens outside: [first_begin, candidates_begin) and [candidates_end, tokens). Ties go to the
// lower position; NaN counts as an error (found != 0).
struct SelectArgs {
  const float* scores;  // [heads, stride]
  int32_t* kept;  // host [heads, keep_total]: positions, ascending, or by score then protected last
  int heads, tokens, stride, candidates_begin, candidates_end, first_begin;
  int keep;       // counts candidates only
  bool lowest;    // keep the lowest scores
  bool by_score;  // storage order
  int* nan_head;  // host: first head with a NaN score, or -1
};

// ---- the packed cache

// Quantizes tokens of one head into one part. Exact formats may be written piecewise (first_slot),
// and so may packed formats with scales per token and no outliers, in ascending order (first_slot =
// 0 clears the part); other packed ones only whole.
struct PackItem {
  const float* source;   // [.., dim]: token j is row index[j], or row j without an index
  const int32_t* index;  // host [tokens] or null
  const int32_t*
      positions;  // host [tokens], written if the part has a positions section; else null
  int tokens, first_slot;
  int part_tokens;  // that the part was laid out for
  Tensor tensor;
  const TensorFormat* format;  // host
  PartNeeds needs;
  uint8_t* out;
};
struct PackArgs {
  const PackItem* items;  // host [count]
  int count, dim;
};

// Reads a part back: what the kernels see, in float32. The documented reader of tiles; used by
// checks and roundTrip.
struct UnpackArgs {
  const uint8_t* part;
  int tokens, part_tokens, dim;
  Tensor tensor;
  const TensorFormat* format;  // host
  PartNeeds needs;
  float* values;   // [tokens, dim]
  uint8_t* codes;  // [tokens, dim] or null (packed formats)
  float* scales;   // [scale_rows, scale columns] as stored without padding, or null
  float* offsets;  // same shape: minima, or zero points as floats, or null
};

// A part as decode attention sees it. Parts of one head follow in storage order; key and value
// parts may be cut differently.
struct Part {
  const uint8_t* data;
  const TensorFormat* format;  // host
  int32_t tokens;              // used; <= part_tokens
  int32_t part_tokens;         // laid out
  PartNeeds needs;
};
struct HeadView {
  const Part* keys;    // host [key_parts]
  const Part* values;  // host [value_parts]
  int32_t key_parts, value_parts;
  int32_t tokens;  // sum over either
};

// Attention of a few query rows over one head's cache. Row r sees the first visible[r] tokens
// (storage order).
struct DecodeItem {
  // [rows, dim] with row stride q_stride: the query heads of one stored head, for one or more
  // tokens; after RoPE in every case (keys stored before RoPE are turned by their own positions
  // while they are read).
  const float* q;
  float* out;                // [rows, dim] with row stride out_stride
  float* token_mass;         // [head.tokens] sum over rows of the probabilities, or null
  const int32_t* visible;    // host [rows], or null: all
  const int32_t* positions;  // host [rows]: of the queries, for keys stored before RoPE; else null.
                             // The CPU tables do not need them
  HeadView head;
  int rows, q_stride, out_stride;
  const int32_t* hidden = nullptr;  // host [rows], or null: row r does not see its first hidden[r]
                                    // tokens (sliding windows)
};
struct DecodeAttentionArgs {
  const DecodeItem* items;  // host [count]
  int count, dim;
  float scale;
  const float* inv_freq;  // host [dim / 2], for keys stored before RoPE
  float rope_scale;
  Precision precision;  // kBf16: pair dots. Exact bf16 parts against two bf16 parts of each query
                        // and probability, codes against 16-bit words of them; sums in float32 or
                        // exact in int32. kF32: float32 throughout
};

// ---- output

struct ArgmaxArgs {
  const float* logits;  // [n]
  int n;
  int32_t* best;  // host
  bool* has_nan;  // host
};

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
  size_t (*PackedWeightBytes)(Element element, int n, int k);
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

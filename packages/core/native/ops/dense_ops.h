// Arguments of the dense ops: embedding, products, norms, RoPE, the MLP. Conventions: ops.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/memory_space.h"
#include "ops/precision.h"
#include "ops/tensor_format.h"
#include "ops/weight_format.h"

namespace qpkv {

// A vector of a model file (norms, biases) as floats.
struct LoadFloatsArgs {
  Host<const void> source;  // [count] as stored in the file, from any byte on
  Element element;          // of the source
  int count;
  float* out;  // [count]
};

// A weight matrix repacked once at load, one layout for one row and many: weight_layout.h.
struct PackedWeight {
  void* data;
  WeightFormat format;
  int n, k;  // out features, in features
};

struct EmbedArgs {
  PackedWeight table;  // [vocab, dim]
  const int32_t* ids;  // [rows]
  int rows;
  float* out;  // [rows, dim]
};

// Into a coded format values are rounded with the scale of least squared error; a group that holds
// an infinity or NaN becomes NaN.
struct PackWeightArgs {
  Host<const void> source;  // [row_end - row_begin, k] as stored in the file, from any byte on
  Element source_element;
  // Rows of the packed matrix that this source fills: several may be stacked (q, k, v).
  int row_begin, row_end;
  PackedWeight out;
  // Instead of `source`, a file's own codes for the coded format of `out`, kept as they are:
  Host<const uint8_t> codes{};  // [rows, groups * group] as stored, 0 .. 2^bits - 1
  Host<const void> scales{};    // [rows, groups] of format.scale
  Host<const void> minima{};    // [rows, groups] of format.minimum, where it has one
};

// What the factors of a matrix product are rounded to.
enum class Products : uint8_t {
  kFloat,  // float32: nothing
  kWords,  // coded weights: activations to 16-bit words, a power-of-two scale per group of features
  kShort,  // exact weights: both to bf16; coded weights: activations to bytes, a scale per group
};

struct MatmulArgs {
  const float* x;  // [m, k]
  int m;
  PackedWeight weight;
  const float* bias;  // [n] or null
  float* out;         // [m, n]
  bool accumulate;    // out += x w^T + bias: the residual connection
  Products products;
};

// Every group of a row, as a head is one, is normed by itself.
struct RmsNormArgs {
  const float* x;       // [rows, groups, dim] with row stride `stride`
  const float* weight;  // [dim], the same for all groups
  float* out;           // like x; may be x
  int rows, dim, stride;
  float epsilon;
  float offset = 0;         // added to the weights: 1 where they are stored as what differs from 1
  bool accumulate = false;  // out += the norm; then out is not x
  int groups = 1;
};

// out = cap(factor * x), or added to out. cap(y) = cap * tanh(y / cap), or y where `cap` is 0.
struct ScaleArgs {
  const float* x;  // [count]
  float* out;      // [count]; may be x where nothing is added
  size_t count;
  float factor;
  float cap = 0;
  bool accumulate = false;
};

// Rotary embedding, rotate-half form: of the first `rotary_dim` channels of a head, channel i is
// rotated with channel i + rotary_dim / 2 by positions[row] * inv_freq[i], times `scale`. The other
// channels stay.
struct RopeArgs {
  float* x;                  // [rows, heads, dim] with row stride `stride`, in place
  const int32_t* positions;  // [rows]
  const float* inv_freq;     // [rotary_dim / 2]
  float scale;               // attention scaling of yarn; 1 otherwise
  int rows, heads, dim, stride;
  int rotary_dim;  // even, at most dim
};

// kGeluTanh: gelu in the form 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
enum class Activation : uint8_t { kSilu, kGeluTanh };

struct GluArgs {
  const float* gate_up;  // [rows, 2 * dim]: gate, then up
  float* out;            // [rows, dim] = activation(gate) * up
  int rows, dim;
  Activation activation = Activation::kSilu;
};

// Copies [rows, heads, dim] (row stride `stride`) into [heads, capacity, dim] at token `first`.
struct StoreHeadsArgs {
  const float* x;
  float* out;
  int rows, heads, dim, stride, capacity, first;
};

}  // namespace qpkv

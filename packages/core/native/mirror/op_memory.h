// Which device memory the arguments of an op lead to: one function per struct that visits every
// pointer with its length, structs that lie on the device themselves included. Who holds a backend
// to its memory (mirror.cc), or brings host memory to a device (test/staged_ops.h), needs nothing
// else to know of an op.
//
// A visitor has
//
//   at(pointer, count)                  [count] plain elements; bytes where it is void
//   each(pointer, count, inner)         [count] structs on the device: inner(T&) visits each
//   each_on_host(Host, count, inner)    [count] structs on the host that lead to the device
//   on_host(Host)                       what has no device memory in it
//   look(pointer)                       the same where it can be read now
//   weight_bytes(weight)                of a packed weight
//
// It may replace pointers, of the arguments and of the structs that inner() is given, which are
// copies: a length that hangs on what lies behind a pointer is found before that one is visited.
#pragma once
#include "mirror/part_memory.h"
#include "ops/ops.h"
#include "ops/statistic.h"

// Every op of the table that runs on a stream and takes arguments.
#define QPKV_OPS_WITH_ARGUMENTS(OP) \
  OP(LoadFloats)                    \
  OP(Embed)                         \
  OP(PackWeight)                    \
  OP(Matmul)                        \
  OP(RmsNorm)                       \
  OP(Rope)                          \
  OP(Scale)                         \
  OP(Glu)                           \
  OP(Experts)                       \
  OP(StoreHeads)                    \
  OP(PrefillAttention)              \
  OP(ScoreOperation)                \
  OP(ShareHeads)                    \
  OP(Select)                        \
  OP(AppendTokens)                  \
  OP(DecodeAttention)               \
  OP(EvictLowest)                   \
  OP(MoveScores)                    \
  OP(UploadPieces)                  \
  OP(MeanTokens)                    \
  OP(Pack)                          \
  OP(Unpack)                        \
  OP(MarkTokens)                    \
  OP(CheckParts)                    \
  OP(NoteNan)                       \
  OP(CountTokens)                   \
  OP(Sample)

namespace qpkv {

#define QPKV_COUNT(NAME) +1
// The name, the eight functions for memory and PackedWeightBytes come beside them.
static_assert(sizeof(Ops) == sizeof(void*) * (10 + (0 QPKV_OPS_WITH_ARGUMENTS(QPKV_COUNT))),
              "an op was added or removed: QPKV_OPS_WITH_ARGUMENTS lists them all");
#undef QPKV_COUNT

template <class Visitor>
void VisitMemory(LoadFloatsArgs& a, Visitor& v) {
  v.on_host(a.source);
  v.at(a.out, static_cast<size_t>(a.count));
}

// As an input.
template <class Visitor>
void VisitWeight(PackedWeight& weight, Visitor& v) {
  const void* data = weight.data;
  v.at(data, v.weight_bytes(weight));
  weight.data = const_cast<void*>(data);
}

template <class Visitor>
void VisitMemory(EmbedArgs& a, Visitor& v) {
  const size_t rows = static_cast<size_t>(a.rows);
  VisitWeight(a.table, v);
  v.at(a.ids, rows);
  v.at(a.out, rows * a.table.k);
}

template <class Visitor>
void VisitMemory(PackWeightArgs& a, Visitor& v) {
  v.on_host(a.source);
  v.on_host(a.codes);
  v.on_host(a.scales);
  v.on_host(a.minima);
  v.at(a.out.data, v.weight_bytes(a.out));
}

template <class Visitor>
void VisitMemory(MatmulArgs& a, Visitor& v) {
  const size_t m = static_cast<size_t>(a.m);
  v.at(a.x, m * a.weight.k);
  VisitWeight(a.weight, v);
  v.at(a.bias, static_cast<size_t>(a.weight.n));
  v.at(a.out, m * a.weight.n);
}

template <class Visitor>
void VisitMemory(RmsNormArgs& a, Visitor& v) {
  v.at(a.x, Strided(a.rows, a.stride, a.groups * a.dim));
  v.at(a.weight, static_cast<size_t>(a.dim));
  v.at(a.out, Strided(a.rows, a.stride, a.groups * a.dim));
}

template <class Visitor>
void VisitMemory(ScaleArgs& a, Visitor& v) {
  v.at(a.x, a.count);
  v.at(a.out, a.count);
}

template <class Visitor>
void VisitMemory(RopeArgs& a, Visitor& v) {
  v.at(a.x, Strided(a.rows, a.stride, a.heads * a.dim));
  v.at(a.positions, static_cast<size_t>(a.rows));
  v.at(a.inv_freq, static_cast<size_t>(a.rotary_dim / 2));
}

template <class Visitor>
void VisitMemory(GluArgs& a, Visitor& v) {
  const size_t cells = static_cast<size_t>(a.rows) * a.dim;
  v.at(a.gate_up, 2 * cells);
  v.at(a.out, cells);
}

template <class Visitor>
void VisitMemory(ExpertsArgs& a, Visitor& v) {
  const size_t rows = static_cast<size_t>(a.rows), experts = static_cast<size_t>(a.experts);
  v.at(a.x, rows * a.hidden);
  v.at(a.router, rows * a.experts);
  for (const PackedWeight** weights : {&a.gate_up, &a.down})
    v.each(*weights, experts, [&](PackedWeight& weight) { VisitWeight(weight, v); });
  v.at(a.out, rows * a.hidden);
  v.at(a.scratch, ExpertsScratch(a.rows, a.hidden, a.dim, a.chosen));
}

template <class Visitor>
void VisitMemory(StoreHeadsArgs& a, Visitor& v) {
  v.at(a.x, Strided(a.rows, a.stride, a.heads * a.dim));
  v.at(a.out, static_cast<size_t>(a.dim) * Strided(a.heads, a.capacity, a.first + a.rows));
}

template <class Visitor>
void VisitMemory(PrefillAttentionArgs& a, Visitor& v) {
  const size_t keys =
      static_cast<size_t>(a.dim) * Strided(a.kv_heads, a.capacity, a.first + a.rows);
  v.at(a.q, Strided(a.rows, a.q_stride, a.q_heads * a.dim));
  v.at(a.k, keys);
  v.at(a.v, keys);
  v.at(a.out, static_cast<size_t>(a.rows) * a.q_heads * a.dim);
  v.at(a.lse, static_cast<size_t>(a.rows) * a.q_heads);
}

template <class Visitor>
void VisitMemory(NoteNanArgs& a, Visitor& v) {
  v.at(a.x, static_cast<size_t>(a.rows) * a.dim);
  v.at(a.notes, static_cast<size_t>(a.rows));
}

template <class Visitor>
void VisitMemory(CountTokensArgs& a, Visitor& v) {
  const int32_t* ids = v.look(a.ids);
  int32_t last = -1;
  for (int i = 0; i < a.count; ++i) last = std::max(last, ids[i]);
  v.at(a.ids, static_cast<size_t>(a.count));
  v.at(a.counts, static_cast<size_t>(last + 1));
}

template <class Visitor>
void VisitMemory(SampleArgs& a, Visitor& v) {
  const size_t vocab = static_cast<size_t>(a.vocab);
  v.each(a.rows, static_cast<size_t>(a.count), [&](SampleRow& row) {
    v.at(row.logits, vocab);
    v.at(row.allowed, (vocab + 31) / 32);
    v.at(row.bias_ids, static_cast<size_t>(row.bias_count));
    v.at(row.bias, static_cast<size_t>(row.bias_count));
    v.at(row.counts, vocab);
  });
  v.at(a.out, static_cast<size_t>(a.count));
}

template <class Visitor>
void VisitMemory(ScoreOperationArgs& a, Visitor& v) {
  const size_t tokens = static_cast<size_t>(a.tokens);
  for (int i = 0; i < a.count; ++i) v.at(a.of[i], tokens * a.rows);
  v.at(a.out, tokens * a.out_rows);
}

template <class Visitor>
void VisitMemory(ShareHeadsArgs& a, Visitor& v) {
  v.at(a.scores, Strided(a.heads, a.stride, a.end));
  v.on_host(a.fixed);
  v.at(a.keep, static_cast<size_t>(a.heads));
  v.on_host(a.bad_head);
  v.on_host(a.bad_is_nan);
}

template <class Visitor>
void VisitMemory(SelectArgs& a, Visitor& v) {
  for (int i = 0; i < a.stage_count; ++i)
    v.at(a.stages[i].scores, Strided(a.heads, a.stride, a.candidates_end));
  v.at(a.keep, static_cast<size_t>(a.heads));
  v.on_host(a.fixed);
  v.on_host(a.kept);
  v.on_host(a.kept_count);
  v.on_host(a.nan_head);
}

// What is read depends on the stage: of a repetition only keys and queries.
template <class Visitor>
void VisitMemory(StatisticArgs& a, const Statistic& statistic, Visitor& v) {
  const StatisticShape& shape = a.shape;
  const uint32_t reads = statistic.about->reads;
  const int width = shape.q_heads * shape.dim;
  const size_t rows = static_cast<size_t>(a.rows);
  const auto if_read = [&](uint32_t reading, const float*& data, size_t count) {
    if ((reads & reading) != 0) v.at(data, count);
  };
  const bool chunk = a.stage == StatisticStage::kChunk, replay = a.stage == StatisticStage::kReplay;
  if (chunk || replay) {
    const uint32_t queries = chunk ? kReadQueries : kReadReplay;
    if_read(queries, a.q, Strided(a.rows, a.q_stride, width));
  }
  if (chunk) {
    if_read(kReadQueriesBefore, a.q_before, rows * width);
    if_read(kReadQueries, a.lse, Strided(shape.q_heads, a.lse_stride, a.rows));
    if_read(kReadOutputs, a.outputs, rows * width);
  }
  if (replay) if_read(kReadReplay, a.inputs, rows * a.hidden);
  // The prompt's tokens up to this chunk, and those of the repetition behind them.
  const int tokens = chunk ? a.first + a.rows : shape.tokens + (replay ? a.first + a.rows : 0);
  const size_t keys = static_cast<size_t>(shape.dim) * Strided(shape.kv_heads, a.capacity, tokens);
  if_read(kReadKeys | kReadQueries | kReadReplay, a.k, keys);
  if (!replay) {
    if_read(kReadKeysBefore, a.k_before, keys);
    if_read(kReadValues, a.v, keys);
  }
  if ((reads & kReadOutputWeight) != 0) VisitWeight(a.output, v);
  if_read(kReadRope, a.inv_freq, static_cast<size_t>(a.rotary_dim / 2));
  v.at(a.state,
       statistic.state_bytes != nullptr ? statistic.state_bytes(shape, a.options.get()) : 0);
  const int out_rows = statistic.about->rows == Rows::kQuery ? shape.q_heads : shape.kv_heads;
  v.at(a.out, static_cast<size_t>(out_rows) * shape.tokens);
}

}  // namespace qpkv

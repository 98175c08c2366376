// The device memory of caches: formats, parts, and what ops on them are given. See op_memory.h.
#pragma once
#include <algorithm>

#include "ops/ops.h"

namespace qpkv {

template <class Visitor>
void VisitMemory(TensorFormat& format, Visitor& v) {
  if (format.bits != 16) v.at(format.levels, size_t{1} << format.bits);
}

template <class Visitor>
void VisitMemory(Transform& transform, size_t means, size_t dim, Visitor& v) {
  v.at(transform.means, means);
  if (transform.rotate) v.at(transform.signs, dim);
}

// The formats of a layer that its parts name.
template <class Visitor>
void VisitFormats(const TensorFormat*& formats, int count, Visitor& v) {
  v.each(formats, static_cast<size_t>(count),
         [&](TensorFormat& format) { VisitMemory(format, v); });
}

inline int SegmentsOf(const Part* parts, int count) {
  int segments = 0;
  for (int i = 0; i < count; ++i) segments = std::max(segments, parts[i].segment + 1);
  return segments;
}

// A head's list, and what lies in its parts. `formats` can be read.
template <class Visitor>
void VisitParts(Tensor tensor, const Part*& parts, int count, const TensorFormat* formats, int dim,
                PartNeeds needs, Visitor& v) {
  v.each(parts, static_cast<size_t>(count), [&](Part& part) {
    v.at(part.data, LayoutOf(tensor, formats[part.segment], part.part_tokens, dim,
                             tensor == Tensor::kKey ? needs : PartNeeds{})
                        .bytes);
  });
}

// Rows of `count` heads behind one another, every `stride` elements; the last has `size`.
inline size_t Strided(int count, int stride, int size) {
  return count == 0 ? 0 : static_cast<size_t>(count - 1) * stride + size;
}

template <class Visitor>
void VisitRunningScores(CacheItem& item, int tokens, Visitor& v) {
  RunningScores& running = item.running;
  const size_t cells = static_cast<size_t>(item.head_count) * running.stride;
  v.at(item.token_mass, Strided(item.head_count, item.mass_stride, tokens));
  v.at(running.scores, cells);
  v.at(running.positions, cells);
  v.at(running.valid, cells);
  v.at(running.evicted, static_cast<size_t>(item.head_count) * running.evicted_stride);
}

template <class Visitor>
int MostTokens(const CacheItem& item, const Visitor& v) {
  const HeadView* heads = v.look(item.heads);
  int tokens = 0;
  for (int head = 0; head < item.head_count; ++head) tokens = std::max(tokens, heads[head].tokens);
  return tokens;
}

template <class Visitor>
void VisitMemory(CacheItem& item, int dim, Visitor& v) {
  const HeadView* heads = v.look(item.heads);
  int key_segments = 0, value_segments = 0;
  for (int head = 0; head < item.head_count; ++head) {
    const HeadView& view = heads[head];
    key_segments = std::max(key_segments, SegmentsOf(v.look(view.keys), view.key_parts));
    value_segments = std::max(value_segments, SegmentsOf(v.look(view.values), view.value_parts));
  }
  VisitRunningScores(item, MostTokens(item, v), v);
  const TensorFormat *key_formats = v.look(item.key_formats),
                     *value_formats = v.look(item.value_formats);
  v.each(item.heads, static_cast<size_t>(item.head_count), [&](HeadView& view) {
    VisitParts(Tensor::kKey, view.keys, view.key_parts, key_formats, dim, item.needs, v);
    VisitParts(Tensor::kValue, view.values, view.value_parts, value_formats, dim, {}, v);
  });
  VisitFormats(item.key_formats, key_segments, v);
  VisitFormats(item.value_formats, value_segments, v);
  const int width = item.head_count * item.group * dim;
  v.at(item.q, Strided(item.rows, item.q_stride, width));
  v.at(item.out, Strided(item.rows, item.out_stride, width));
  const int sources = item.heads_per_source > 0 ? item.head_count / item.heads_per_source : 1;
  const int row = static_cast<int>(Strided(sources, item.kv_head_stride, dim));
  v.at(item.keys, Strided(item.rows, item.kv_stride, row));
  v.at(item.values, Strided(item.rows, item.kv_stride, row));
  v.at(item.hidden, static_cast<size_t>(item.head_count) * item.rows);
  v.at(item.inv_freq, static_cast<size_t>(item.rotary_dim / 2));
  const size_t means = static_cast<size_t>(item.head_count) * dim;
  VisitMemory(item.key_transform, means, static_cast<size_t>(dim), v);
  VisitMemory(item.value_transform, means, static_cast<size_t>(dim), v);
}

template <class Visitor>
void VisitMemory(AppendTokensArgs& a, Visitor& v) {
  v.each(a.items, static_cast<size_t>(a.count),
         [&](CacheItem& item) { VisitMemory(item, a.dim, v); });
}

template <class Visitor>
void VisitMemory(DecodeAttentionArgs& a, Visitor& v) {
  v.each(a.items, static_cast<size_t>(a.count),
         [&](CacheItem& item) { VisitMemory(item, a.dim, v); });
}

// Parts are not touched.
template <class Visitor>
void VisitMemory(EvictLowestArgs& a, Visitor& v) {
  v.each(a.items, static_cast<size_t>(a.count), [&](CacheItem& item) {
    VisitRunningScores(item, MostTokens(item, v), v);
    v.each(item.heads, static_cast<size_t>(item.head_count), [](HeadView&) {});
  });
}

template <class Visitor>
void VisitMemory(MoveScoresArgs& a, Visitor& v) {
  v.each_on_host(a.items, static_cast<size_t>(a.count), [&](MoveScoresItem& item) {
    v.at(item.from, static_cast<size_t>(item.heads) * item.from_stride);
    v.at(item.to, static_cast<size_t>(item.heads) * item.to_stride);
  });
}

// A part that ops behind the layer loop are given.
template <class Visitor, class Data>
void VisitPart(PartShape& shape, Data*& part, int dim, Visitor& v) {
  v.at(part,
       LayoutOf(shape.tensor, *shape.format.get(), shape.part_tokens, dim, shape.needs).bytes);
  v.each_on_host(shape.format, 1, [&](TensorFormat& format) { VisitMemory(format, v); });
}

// Of `source`, whose rows `index` names, or the first ones.
inline size_t RowsRead(Host<const int32_t> index, int tokens) {
  if (!index) return static_cast<size_t>(tokens);
  int last = -1;
  for (int i = 0; i < tokens; ++i) last = std::max(last, index.get()[i]);
  return static_cast<size_t>(last + 1);
}

template <class Visitor>
void VisitMemory(PackArgs& a, Visitor& v) {
  const size_t dim = static_cast<size_t>(a.dim);
  v.each_on_host(a.items, static_cast<size_t>(a.count), [&](PackItem& item) {
    VisitPart(item.shape, item.out, a.dim, v);
    v.at(item.source, RowsRead(item.index, item.tokens) * dim);
    VisitMemory(item.transform, dim, dim, v);
  });
}

template <class Visitor>
void VisitMemory(MeanTokensArgs& a, Visitor& v) {
  v.each_on_host(a.items, static_cast<size_t>(a.count), [&](MeanItem& item) {
    v.at(item.source, RowsRead(item.index, item.tokens) * static_cast<size_t>(a.dim));
    v.at(item.mean, static_cast<size_t>(a.dim));
  });
}

template <class Visitor>
void VisitMemory(UnpackArgs& a, Visitor& v) {
  v.each_on_host(a.items, static_cast<size_t>(a.count), [&](UnpackItem& item) {
    const TensorFormat& format = *item.shape.format.get();
    const bool per_channel = format.scale_per == ScalePer::kChannel;
    const PartLayout at =
        LayoutOf(item.shape.tensor, format, item.shape.part_tokens, a.dim, item.shape.needs);
    const size_t scales =
        static_cast<size_t>(at.scale_rows) * (per_channel ? a.dim : item.shape.part_tokens);
    const size_t cells = static_cast<size_t>(item.tokens) * a.dim;
    VisitPart(item.shape, item.part, a.dim, v);
    v.at(item.values, cells);
    v.at(item.codes, cells);
    v.at(item.scales, scales);
    v.at(item.offsets, scales);
    v.at(item.balance, static_cast<size_t>(per_channel ? item.tokens : a.dim));
    v.at(item.positions, static_cast<size_t>(item.tokens));
  });
}

template <class Visitor>
void VisitMemory(MarkArgs& a, Visitor& v) {
  v.each_on_host(a.items, static_cast<size_t>(a.count),
                 [&](MarkItem& item) { VisitPart(item.shape, item.part, a.dim, v); });
}

template <class Visitor>
void VisitMemory(CheckPartsArgs& a, Visitor& v) {
  v.each_on_host(a.items, static_cast<size_t>(a.count),
                 [&](CheckItem& item) { VisitPart(item.shape, item.part, a.dim, v); });
}

template <class Visitor>
void VisitMemory(UploadPiecesArgs& a, Visitor& v) {
  v.each_on_host(a.pieces, static_cast<size_t>(a.count),
                 [&](UploadPiece& piece) { v.at(piece.to, piece.bytes); });
}

}  // namespace qpkv

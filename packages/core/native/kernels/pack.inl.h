// Pack: gathers tokens of one head, quantizes them and writes a part. One unit per item.
#pragma once
#include "base/stream.h"
#include "kernels/balance.inl.h"
#include "kernels/decode_attention_scratch.inl.h"
#include "kernels/tile_norm.inl.h"
#include "kernels/tile_outliers.inl.h"
#include "kernels/tile_proximal.inl.h"
#include "kernels/transform.inl.h"

namespace qpkv {
namespace {

struct PackScratch {
  PartMatrix m;
  ScaleTables tables;
  float* zeros;  // of the proximal solver
  Codebook* book;
  double* score;  // outliers
  int32_t* order;
  uint8_t* chosen;
  float* inliers;
  BalanceScratch balance;
  float* row;  // [kMostChannels] where values are transformed
  Rotation* rotation;
};

QPKV_INLINE bool IsProximal(Solver solver) {
  return solver == Solver::kProximalGrowing || solver == Solver::kProximalConstant;
}

QPKV_INLINE bool FitsNorms(Solver solver) {
  return solver == Solver::kNorm || solver == Solver::kKeepNorm;
}

static BalanceAxis AllocateAxis(BumpAllocator* c, int count) {
  const size_t padded = RoundUp(count, 16);
  return {c->Take<float>(padded), c->Take<float>(padded), c->Take<float>(padded),
          c->Take<float>(padded), count};
}

static PackScratch AllocatePack(BumpAllocator* c, const PackItem& item, const TileView& v) {
  PackScratch s{};
  if (!item.transform.none()) {
    s.row = c->Take<float>(kMostChannels);
    s.rotation = c->Take<Rotation>(1);
  }
  if (v.format->bits == 16) return s;
  const int slots = v.at.blocks * kLanes;
  s.m.rows = item.shape.tensor == Tensor::kKey ? v.dim : slots;
  s.m.columns = item.shape.tensor == Tensor::kKey ? slots : v.dim;
  s.m.stride = RoundUp(s.m.columns, 16) + 16;
  s.m.first_slot = item.first_slot;
  s.m.tokens = item.tokens;
  const size_t cells = s.m.rows * s.m.stride;
  s.m.x = c->Take<float>(cells);
  s.m.codes = c->Take<uint8_t>(cells);
  s.tables.stride = v.at.scale_stride + 16;
  const size_t scales = v.at.scale_rows * s.tables.stride + 16;
  s.tables.scale = c->Take<float>(scales);
  s.tables.offset = c->Take<float>(scales);
  s.book = c->Take<Codebook>(1);
  if (IsProximal(v.format->solver)) s.zeros = c->Take<float>(scales);
  if (v.at.outlier_capacity > 0) {
    s.m.exact = c->Take<uint8_t>(cells);
    s.score = c->Take<double>(static_cast<size_t>(item.tokens) * v.dim);
    s.order = c->Take<int32_t>(static_cast<size_t>(item.tokens) * v.dim);
    s.chosen = c->Take<uint8_t>(static_cast<size_t>(item.tokens) * v.dim);
    s.inliers = c->Take<float>(cells);
  }
  if (v.balanced) {
    s.balance.rows = AllocateAxis(c, item.shape.tensor == Tensor::kKey ? v.dim : item.tokens);
    s.balance.columns = AllocateAxis(c, item.shape.tensor == Tensor::kKey ? item.tokens : v.dim);
  }
  return s;
}

// Token `token` as it is stored.
QPKV_INLINE const float* SourceRow(const PackItem& item, const PackScratch& s, int dim, int token) {
  const float* row =
      item.source + static_cast<size_t>(item.index ? item.index.get()[token] : token) * dim;
  if (!s.row) return row;
  TransformRow(item.transform, *s.rotation, item.transform.means, row, dim, s.row);
  return s.row;
}

static void PackQuantized(const PackItem& item, const TileView& v, const PackScratch& s) {
  const PartMatrix& m = s.m;
  std::memset(m.x, 0, sizeof(float) * m.rows * m.stride);
  std::memset(m.codes, 0, m.rows * m.stride);
  for (int t = 0; t < item.tokens; ++t) {
    const float* row = SourceRow(item, s, v.dim, t);
    const int slot = item.first_slot + t;
    if (v.tensor == Tensor::kValue)
      std::memcpy(m.x + slot * m.stride, row, sizeof(float) * v.dim);
    else
      for (int c = 0; c < v.dim; ++c) m.x[c * m.stride + slot] = row[c];
  }
  MakeCodebook(*v.format, s.book);
  if (v.at.outlier_capacity > 0)
    FindOutliers(v, m, s.score, s.order, s.chosen, s.inliers, item.out);
  if (v.balanced) BalancePart(v, m, s.balance, item.out);
  if (FitsNorms(v.format->solver))
    FindNorms(v, m, s.tables);
  else
    FindScales(v, m, v.at.outlier_capacity > 0 ? s.inliers : m.x, s.tables);
  if (s.zeros) SolveProximal(v, m, s.tables, s.zeros);
  EncodePart(v, m, *s.book, s.tables);
  if (FitsNorms(v.format->solver)) ScaleToNorms(v, m, s.tables);
  StoreScales(v, m, s.tables, item.out);
  WriteCodes(v, m, item.out);
}

static void PackOne(const PackItem& item, const TileView& v, const PackScratch& s) {
  if (s.row) MakeRotation(v.dim, s.rotation);
  if (item.first_slot == 0) std::memset(item.out, 0, v.at.bytes);
  if (item.shape.tensor == Tensor::kKey)
    for (int t = 0; t < item.tokens; ++t) {
      const int slot = item.first_slot + t;
      if (item.shape.needs.positions && item.positions)
        StorePosition(v, item.out, slot, item.positions.get()[t]);
      if (item.shape.needs.mask)
        StoreValid(v, item.out, slot, !item.valid || item.valid.get()[t] != 0);
    }
  if (v.format->bits != 16) return PackQuantized(item, v, s);
  for (int t = 0; t < item.tokens; ++t) {
    const float* row = SourceRow(item, s, v.dim, t);
    for (int c = 0; c < v.dim; ++c) StoreExact(v, item.out, item.first_slot + t, c, row[c]);
  }
}

static void Pack(Stream& stream, const PackArgs& a) {
  stream.ParallelFor(a.count, [&](int i, int thread) {
    const PackItem& item = a.items.get()[i];
    if (item.tokens == 0) return;
    const TileView v = ViewOf(item.shape, item.out, item.tokens, a.dim);
    BumpAllocator count{nullptr};
    AllocatePack(&count, item, v);
    BumpAllocator c{static_cast<uint8_t*>(stream.Scratch(thread, count.used + 64))};
    PackOne(item, v, AllocatePack(&c, item, v));
  });
}

}  // namespace
}  // namespace qpkv

// Two-sided variance normalization of a part (reference/balance.h says what and why). Sums run in
// one order on all instruction sets.
#pragma once
#include "kernels/tile_quantize.inl.h"

namespace qpkv {
namespace {

// One axis of the matrix: factors that its lines are divided by, and their spreads.
struct BalanceAxis {
  float* factor;   // [count, padded to 16]
  float* inverse;  // the same, 1 / factor
  float* spread;   // standard deviations of the divided lines
  float* best;     // factors of the best step so far
  int count;
};

struct BalanceScratch {
  BalanceAxis rows, columns;
  float* means;  // [columns]
};

// Standard deviations of the columns; 1 where there is one row.
static void SpreadOfColumns(const PartMatrix& m, const BalanceScratch& s) {
  const int rows = s.rows.count;
  for (int c = 0; c < s.columns.count; c += 16) {
    const F32x16 inverse = Load(s.columns.inverse + c);
    const auto at = [&](int r) {
      return Mul(Mul(Load(m.x + r * m.stride + c), inverse), Set(s.rows.inverse[r]));
    };
    F32x16 sum = Zero(), squares = Zero();
    for (int r = 0; r < rows; ++r) sum = Add(sum, at(r));
    const F32x16 mean = Div(sum, Set(static_cast<float>(rows)));
    for (int r = 0; r < rows; ++r) {
      const F32x16 away = Sub(at(r), mean);
      squares = Add(squares, Mul(away, away));
    }
    Store(s.columns.spread + c,
          rows < 2 ? Set(1.0f) : Sqrt(Div(squares, Set(static_cast<float>(rows - 1)))));
  }
}

static void SpreadOfRows(const PartMatrix& m, const BalanceScratch& s) {
  const int columns = s.columns.count;
  for (int r = 0; r < s.rows.count; ++r) {
    const F32x16 inverse = Set(s.rows.inverse[r]);
    const auto at = [&](int c) {
      return Mul(Mul(Load(m.x + r * m.stride + c), Load(s.columns.inverse + c)), inverse);
    };
    F32x16 sum = Zero(), squares = Zero();
    for (int c = 0; c < columns; c += 16)
      sum = Add(sum, Select(FirstN(columns - c), at(c), Zero()));
    const F32x16 mean = Set(ReduceAdd(sum) / static_cast<float>(columns));
    for (int c = 0; c < columns; c += 16) {
      const F32x16 away = Select(FirstN(columns - c), Sub(at(c), mean), Zero());
      squares = Add(squares, Mul(away, away));
    }
    const F32x16 variance =
        Div(Set(ReduceAdd(squares)), Set(static_cast<float>(columns < 2 ? 1 : columns - 1)));
    StoreN(s.rows.spread + r, columns < 2 ? Set(1.0f) : Sqrt(variance), 1);
  }
}

static void ResetAxis(const BalanceAxis& axis) {
  for (int i = 0; i < static_cast<int>(RoundUp(axis.count, 16)); ++i)
    axis.factor[i] = axis.inverse[i] = axis.best[i] = 1.0f;
}

static void AdvanceAxis(const BalanceAxis& axis) {
  for (int i = 0; i < axis.count; ++i) {
    const float spread = axis.spread[i];
    const float bound = spread < 1e-3f ? 1e-3f : spread > 1e3f ? 1e3f : spread;
    const float factor = axis.factor[i] * bound;
    axis.factor[i] = factor < kLeastBalance  ? kLeastBalance
                     : factor > kMostBalance ? kMostBalance
                                             : factor;
    axis.inverse[i] = 1.0f / axis.factor[i];
  }
}

static float ImbalanceOf(const BalanceAxis& axis) {
  float most = axis.spread[0], least = axis.spread[0];
  for (int i = 1; i < axis.count; ++i) {
    most = axis.spread[i] > most ? axis.spread[i] : most;
    least = axis.spread[i] < least ? axis.spread[i] : least;
  }
  return most / (least > 1e-8f ? least : 1e-8f);
}

// Divides the matrix of a whole part by the balance and writes the section.
static void BalancePart(const TileView& v, const PartMatrix& m, const BalanceScratch& s,
                        uint8_t* part) {
  const BalanceAxis& other = AlongRows(v) ? s.columns : s.rows;  // that has no scales
  const BalanceAxis& own = AlongRows(v) ? s.rows : s.columns;
  const auto spread = [&](const BalanceAxis& axis) {
    if (&axis == &s.rows)
      SpreadOfRows(m, s);
    else
      SpreadOfColumns(m, s);
  };
  ResetAxis(s.rows);
  ResetAxis(s.columns);
  spread(other);
  spread(own);
  float least = ImbalanceOf(other) + ImbalanceOf(own);
  for (int step = 0; step < v.format->balance_steps; ++step) {
    AdvanceAxis(other);
    spread(own);
    AdvanceAxis(own);
    spread(own);
    spread(other);
    const float imbalance = ImbalanceOf(other) + ImbalanceOf(own);
    if (!(imbalance <= least)) continue;
    least = imbalance;
    std::memcpy(other.best, other.factor, sizeof(float) * other.count);
  }
  for (int i = 0; i < other.count; i += 16) {
    const int n = MinInt(other.count - i, 16);
    const F32x16 balance = RoundMetadata(v.format->metadata, Load(other.best + i));
    Store(other.best + i, balance);
    uint8_t* base = part + v.at.balance;
    if (v.format->metadata == Element::kF32)
      StoreN(reinterpret_cast<float*>(base) + i, balance, n);
    else
      StoreF16N(reinterpret_cast<uint16_t*>(base) + i, balance, n);
  }
  for (int r = 0; r < s.rows.count; ++r)
    for (int c = 0; c < s.columns.count; c += 16) {
      float* x = m.x + r * m.stride + c;
      const F32x16 by = AlongRows(v) ? Load(other.best + c) : Set(other.best[r]);
      StoreN(x, Div(Load(x), by), MinInt(s.columns.count - c, 16));
    }
}

}  // namespace
}  // namespace qpkv

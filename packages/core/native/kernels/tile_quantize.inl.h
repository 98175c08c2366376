// Scales and codes of one part, by the rules in ops/tile_layout.h. A group lies along a row of the
// matrix (keys per channel, values per token) or across rows (keys per token, values per channel);
// both go 16 values at a time.
#pragma once
#include <cmath>

#include "kernels/tile_write.inl.h"

namespace qpkv {
namespace {

struct Codebook {
  int count;         // levels; 0 for uniform codes
  float above[256];  // code > i exactly where the value is above above[i]
};

// The nearest level of y is the number of midpoints below it; a tie takes the lower one. A midpoint
// that float32 cannot hold is rounded down, which moves no float32 across it.
static void MakeCodebook(const TensorFormat& format, Codebook* book) {
  book->count = format.levels ? 1 << format.bits : 0;
  for (int i = 0; i + 1 < book->count; ++i) {
    const double middle = (static_cast<double>(format.levels[i]) + format.levels[i + 1]) / 2;
    float rounded = static_cast<float>(middle);
    if (rounded > middle) rounded = nextafterf(rounded, -INFINITY);
    book->above[i] = rounded;
  }
}

QPKV_INLINE F32x16 RoundMetadata(Element metadata, F32x16 x) {
  alignas(64) uint16_t words[16];
  if (metadata == Element::kF32) return x;
  if (metadata == Element::kBf16) {
    StoreBf16(words, x);
    return LoadBf16(words);
  }
  StoreF16(words, Max(Min(x, Set(65504.0f)), Set(-65504.0f)));
  return LoadF16(words);
}

struct ScalePair {
  F32x16 scale, offset;
};

// Half away from zero.
QPKV_INLINE F32x16 RoundAway(F32x16 x) {
  const F32x16 size = Abs(x), even = RoundEven(size);
  const F32x16 away = Select(Equal(Sub(size, even), Set(0.5f)), Add(even, Set(1.0f)), even);
  return Select(Less(x, Zero()), Sub(Zero(), away), away);
}

QPKV_INLINE F32x16 ClampCode(F32x16 code, float top) { return Min(Max(code, Zero()), Set(top)); }

// Scale and offset of 16 groups with these extremes. Proximal offsets are refined afterwards.
static ScalePair FindScale(const TensorFormat& format, F32x16 low, F32x16 high) {
  const float top = static_cast<float>((1 << format.bits) - 1);
  const bool integer = format.zero == ZeroPoint::kInteger;
  if (format.levels)
    return {RoundMetadata(format.metadata, Mul(Sub(high, low), Set(0.5f))),
            RoundMetadata(format.metadata, Mul(Add(high, low), Set(0.5f)))};
  if (format.zero == ZeroPoint::kInScale) {
    const F32x16 scale = Div(Max(Sub(high, low), Set(format.least)), Set(top));
    return {scale, ClampCode(RoundAway(Div(Sub(Zero(), low), scale)), top)};
  }
  F32x16 scale;
  if (format.solver == Solver::kMinMax) {
    if (integer) {
      low = Min(low, Zero());
      high = Max(high, Zero());
    }
    scale = Div(Max(Sub(high, low), Set(format.least)), Set(top));
  } else {
    const F32x16 range = Sub(high, low);
    F32x16 inverse = Min(Div(Set(top), range), Set(2e4f));
    if (format.solver == Solver::kProximalConstant)
      inverse = Select(LessEqual(range, Set(1e-4f)), Set(1.0f), inverse);
    scale = Select(Less(low, high), Div(Set(1.0f), inverse), Zero());
  }
  scale = RoundMetadata(format.metadata, scale);
  if (!integer) return {scale, RoundMetadata(format.metadata, low)};
  const F32x16 zero = ClampCode(RoundEven(Div(Sub(Zero(), low), scale)), top);
  return {scale, Select(Equal(scale, Zero()), Zero(), zero)};
}

QPKV_INLINE I32x16 Encode(const TensorFormat& format, const Codebook& book, F32x16 x, ScalePair s) {
  const float top = static_cast<float>((1 << format.bits) - 1);
  F32x16 code;
  if (format.levels) {
    const F32x16 y = Div(Sub(x, s.offset), s.scale);
    code = Zero();
    for (int i = 0; i + 1 < book.count; ++i)
      code = Add(code, Select(Less(Set(book.above[i]), y), Set(1.0f), Zero()));
  } else if (format.zero == ZeroPoint::kInScale) {
    code = ClampCode(RoundAway(Add(Mul(x, Div(Set(1.0f), s.scale)), s.offset)), top);
  } else if (format.zero == ZeroPoint::kInteger) {
    code = ClampCode(Add(RoundEven(Div(x, s.scale)), s.offset), top);
  } else {
    code = ClampCode(RoundEven(Div(Sub(x, s.offset), s.scale)), top);
  }
  return ToInt(Select(Less(Zero(), s.scale), code, Zero()));
}

// Scale tables of a part in float32, before they are stored: [scale_rows, scale_stride + 16] each.
struct ScaleTables {
  float* scale;
  float* offset;
  size_t stride;
};

QPKV_INLINE bool AlongRows(const TileView& v) {
  return (v.tensor == Tensor::kKey) == v.per_channel;
}

// Where this item's part of the matrix begins and ends, and which of its dimensions the groups run
// along.
struct Extent {
  int row_begin, row_end, column_begin, column_end;
};

static Extent ExtentOf(const TileView& v, const PartMatrix& m) {
  if (v.tensor == Tensor::kKey) return {0, m.rows, m.first_slot, m.first_slot + m.tokens};
  return {m.first_slot, m.first_slot + m.tokens, 0, m.columns};
}

// Visits every group as (row range, column range), where the columns of a range across rows are up
// to 16 groups side by side.
//   along rows: use(table index, row, row + 1, column begin, column end)
//   across:     use(table index, row begin, row end, column, column + n)
template <class Use>
QPKV_INLINE void ForGroups(const TileView& v, const PartMatrix& m, size_t table_stride,
                           const Use& use) {
  const Extent e = ExtentOf(v, m);
  const int group = v.format->group;
  if (AlongRows(v)) {
    for (int row = e.row_begin; row < e.row_end; ++row)
      for (int g = 0; g * group < e.column_end; ++g)
        use(g * table_stride + row, row, row + 1, g * group, MinInt((g + 1) * group, e.column_end));
  } else {
    for (int g = 0; g * group < e.row_end; ++g)
      for (int column = e.column_begin; column < e.column_end; column += 16)
        use(g * table_stride + column, g * group, MinInt((g + 1) * group, e.row_end), column,
            MinInt(column + 16, e.column_end));
  }
}

static void FindScales(const TileView& v, const PartMatrix& m, const float* x,
                       const ScaleTables& tables) {
  const bool along = AlongRows(v);
  ForGroups(v, m, tables.stride, [&](size_t index, int row_begin, int row_end, int begin, int end) {
    F32x16 low = Set(__builtin_inff()), high = Set(-__builtin_inff());
    for (int row = row_begin; row < row_end; ++row)
      for (int c = begin; c < end; c += 16) {
        const Mask16 used = FirstN(end - c);
        const F32x16 value = LoadN(x + row * m.stride + c, MinInt(end - c, 16));
        low = Min(Select(used, value, low), low);
        high = Max(Select(used, value, high), high);
      }
    if (along) {
      low = Set(ReduceMin(low));
      high = Set(ReduceMax(high));
    } else {
      low = Select(FirstN(end - begin), low, Zero());
      high = Select(FirstN(end - begin), high, Zero());
    }
    const ScalePair found = FindScale(*v.format, low, high);
    const int n = along ? 1 : end - begin;
    StoreN(tables.scale + index, found.scale, n);
    StoreN(tables.offset + index, found.offset, n);
  });
}

static void EncodePart(const TileView& v, const PartMatrix& m, const Codebook& book,
                       const ScaleTables& tables) {
  const bool along = AlongRows(v);
  ForGroups(v, m, tables.stride, [&](size_t index, int row_begin, int row_end, int begin, int end) {
    const ScalePair s = along ? ScalePair{Set(tables.scale[index]), Set(tables.offset[index])}
                              : ScalePair{Load(tables.scale + index), Load(tables.offset + index)};
    for (int row = row_begin; row < row_end; ++row)
      for (int c = begin; c < end; c += 16) {
        const int n = MinInt(end - c, 16);
        const I32x16 code = Encode(*v.format, book, Load(m.x + row * m.stride + c), s);
        uint8_t* to = m.codes + row * m.stride + c;
        if (n == 16) {
          StoreU8(to, code);
        } else {
          alignas(16) uint8_t bytes[16];
          StoreU8(bytes, code);
          std::memcpy(to, bytes, n);
        }
      }
  });
}

static void StoreZerosInScales(const ScaleTables& tables, size_t from, int n, uint8_t* to) {
  for (int i = 0; i < n; ++i) {
    int32_t word;
    std::memcpy(&word, tables.scale + from + i, 4);
    word = (word & ~kZeroInScale) | static_cast<int32_t>(tables.offset[from + i]);
    std::memcpy(to + i * 4, &word, 4);
  }
}

// Stores the item's scales and offsets; neighbours of other items stay.
static void StoreScales(const TileView& v, const PartMatrix& m, const ScaleTables& tables,
                        uint8_t* part) {
  const int begin = v.per_channel ? 0 : m.first_slot,
            end = v.per_channel ? v.dim : m.first_slot + m.tokens;
  const auto store = [&](size_t section, size_t index, F32x16 x, int n) {
    uint8_t* base = part + section;
    if (v.format->metadata == Element::kF32)
      StoreN(reinterpret_cast<float*>(base) + index, x, n);
    else if (v.format->metadata == Element::kF16)
      StoreF16N(reinterpret_cast<uint16_t*>(base) + index, x, n);
    else
      StoreBf16N(reinterpret_cast<uint16_t*>(base) + index, x, n);
  };
  for (int row = 0; row < v.at.scale_rows; ++row)
    for (int c = begin; c < end; c += 16) {
      const int n = MinInt(end - c, 16);
      const size_t from = row * tables.stride + c,
                   to = static_cast<size_t>(row) * v.at.scale_stride + c;
      if (v.format->zero == ZeroPoint::kInScale) {
        StoreZerosInScales(tables, from, n, part + v.at.scales + to * 4);
        continue;
      }
      store(v.at.scales, to, Load(tables.scale + from), n);
      if (v.format->zero == ZeroPoint::kNone) continue;
      if (!v.integer_zero) {
        store(v.at.offsets, to, Load(tables.offset + from), n);
        continue;
      }
      alignas(16) uint8_t zeros[16];
      StoreU8(zeros, ToInt(Load(tables.offset + from)));
      std::memcpy(part + v.at.offsets + to, zeros, n);
    }
}

}  // namespace
}  // namespace qpkv

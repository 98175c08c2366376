// The proximal solver (HQQ, arXiv 2309.15531 and its code, versions 0.2.2 and 0.2.8): refines the
// zero points of all groups of a part together by proximal steps on |error|^0.7; scales stay.
// ops/tile_layout.h says what is done with the result, reference/proximal.h is the plain form.
#pragma once
#include "kernels/tile_quantize.inl.h"

namespace qpkv {
namespace {

constexpr int kProximalSteps = 20;

// |error|^-0.3, what the proximal step takes away from an error, times beta.
QPKV_INLINE F32x16 ProximalShrink(F32x16 size) { return Exp2(Mul(Set(-0.3f), Log2(size))); }

// A group along rows has its values in the lanes; else each lane is a group. `all`: of these lanes
// outliers count, as their groups have nothing else.
struct ProximalGroup {
  int row_begin, row_end, begin, end;
  Mask16 all;
  F32x16 members;  // values that count
};

// Lanes of vector `c` of a row that count.
QPKV_INLINE Mask16 Counted(const PartMatrix& m, const ProximalGroup& g, int row, int c) {
  const Mask16 present = FirstN(g.end - c);
  if (!m.exact) return present;
  const Mask16 exact = LessI(SetI(0), LoadU8I(m.exact + row * m.stride + c));
  return AndM(present, OrM(NotM(exact), g.all));
}

// use(index into m.x, lanes that count) for every vector of a group.
template <class Use>
QPKV_INLINE void EachVector(const PartMatrix& m, const ProximalGroup& g, const Use& use) {
  for (int row = g.row_begin; row < g.row_end; ++row)
    for (int c = g.begin; c < g.end; c += 16) use(row * m.stride + c, Counted(m, g, row, c));
}

// What `use` gives for each vector, summed over a group: the same in all lanes where it lies along
// rows.
template <class Use>
QPKV_INLINE F32x16 SumGroup(const PartMatrix& m, const ProximalGroup& g, bool along,
                            const Use& use) {
  F32x16 sum = Zero();
  EachVector(m, g, [&](size_t i, Mask16 counted) { sum = Add(sum, use(i, counted)); });
  return along ? Set(ReduceAdd(sum)) : sum;
}

QPKV_INLINE ProximalGroup MakeProximalGroup(const PartMatrix& m, bool along, int row_begin,
                                            int row_end, int begin, int end) {
  ProximalGroup g = {row_begin, row_end, begin, end, MaskOf(0), Zero()};
  const auto one = [](size_t, Mask16 counted) { return Select(counted, Set(1.0f), Zero()); };
  g.members = SumGroup(m, g, along, one);
  if (!m.exact) return g;
  g.all = Equal(g.members, Zero());
  g.members = SumGroup(m, g, along, one);
  return g;
}

// Writes the refined offsets into the tables. zeros: [as tables.offset] of scratch.
static void SolveProximal(const TileView& v, const PartMatrix& m, const ScaleTables& tables,
                          float* zeros) {
  const TensorFormat& format = *v.format;
  const F32x16 top = Set(static_cast<float>((1 << format.bits) - 1));
  const bool old = format.solver == Solver::kProximalGrowing, along = AlongRows(v);
  // use(group, index of its first scale, number of scales, scales in their lanes)
  const auto groups = [&](const auto& use) {
    ForGroups(
        v, m, tables.stride, [&](size_t index, int row_begin, int row_end, int begin, int end) {
          const ProximalGroup g = MakeProximalGroup(m, along, row_begin, row_end, begin, end);
          const int n = along ? 1 : end - begin;
          const F32x16 scale = along ? Set(tables.scale[index]) : LoadN(tables.scale + index, n);
          use(g, index, n, scale);
        });
  };
  groups([&](const ProximalGroup& g, size_t index, int n, F32x16 scale) {
    F32x16 low = Set(__builtin_inff());
    EachVector(m, g, [&](size_t i, Mask16 counted) {
      low = Min(Select(counted, Load(m.x + i), low), low);
    });
    if (along) low = Set(ReduceMin(low));
    const F32x16 zero = Div(Sub(Zero(), low), scale);
    StoreN(zeros + index, Select(Less(Zero(), scale), zero, Zero()), n);
  });
  float beta = 10.0f;
  double best = old ? 1e4 : __builtin_inf();
  for (int step = 0; step < kProximalSteps; ++step) {
    double error = 0, count = 0;
    groups([&](const ProximalGroup& g, size_t index, int n, F32x16 scale) {
      const Mask16 lanes = FirstN(n), varies = Less(Zero(), scale);
      count += ReduceAdd(Select(lanes, g.members, Zero()));
      // A constant group is stored exactly and adds no error.
      const F32x16 zero = along ? Set(zeros[index]) : LoadN(zeros + index, n);
      F32x16 sizes = Zero();
      const F32x16 sum = SumGroup(m, g, along, [&](size_t i, Mask16 counted) {
        const F32x16 x = Load(m.x + i);
        const F32x16 code = Min(top, Max(RoundEven(Add(Div(x, scale), zero)), Zero()));
        const F32x16 away = Sub(x, Mul(Sub(code, zero), scale)), size = Abs(away);
        const F32x16 kept = Max(Sub(size, Div(ProximalShrink(size), Set(beta))), Zero());
        const I32x16 sign = AndI(BitsOf(away), SetI(static_cast<int32_t>(0x80000000u)));
        const F32x16 near = Sub(x, BitsToFloat(OrI(BitsOf(kept), sign)));
        sizes = Add(sizes, Select(counted, size, Zero()));
        return Select(counted, Sub(code, Div(near, scale)), Zero());
      });
      if (along && !Any(varies)) return;
      error += ReduceAdd(along ? sizes : Select(AndM(lanes, varies), sizes, Zero()));
      StoreN(zeros + index, Select(varies, Div(sum, g.members), zero), n);
    });
    if (old) beta *= 1.01f;
    error /= count;
    if (!(error < best)) break;  // the zero points of the worse step stay
    best = error;
  }
  groups([&](const ProximalGroup&, size_t index, int n, F32x16 scale) {
    const F32x16 zero = LoadN(zeros + index, n);
    const F32x16 refined =
        v.integer_zero ? ClampCode(RoundEven(zero), static_cast<float>((1 << format.bits) - 1))
                       : RoundMetadata(format.metadata, Mul(Sub(Zero(), zero), scale));
    StoreN(tables.offset + index,
           Select(Less(Zero(), scale), refined, LoadN(tables.offset + index, n)), n);
  });
}

}  // namespace
}  // namespace qpkv

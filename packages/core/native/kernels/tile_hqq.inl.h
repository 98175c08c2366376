// The HQQ solver (arXiv 2309.15531 and its code, versions 0.2.2 and 0.2.8): refines the zero points
// of all groups of a part together by proximal steps on |error|^0.7; scales stay. ops/tile_layout.h
// says what is done with the result, reference/hqq.h is the plain form.
#pragma once
#include "kernels/tile_quantize.inl.h"

namespace qpkv {
namespace {

constexpr int kHqqSteps = 20;

// Writes the refined offsets into the tables. zeros: [as tables.offset] of scratch.
static void SolveHqq(const TileView& v, const PartMatrix& m, const ScaleTables& tables,
                     float* zeros) {
  const TensorFormat& format = *v.format;
  const float top = static_cast<float>((1 << format.bits) - 1);
  const bool old = format.solver == Solver::kHqq022, along = AlongRows(v);
  // One group: calls use(index into m.x) for its values, outliers left out unless there is nothing
  // else.
  const auto each = [&](int row_begin, int row_end, int begin, int end, const auto& use) {
    bool all = true;
    for (int skip = m.exact ? 1 : 0; all && skip >= 0; --skip)
      for (int row = row_begin; row < row_end; ++row)
        for (int c = begin; c < end; ++c) {
          const size_t i = row * m.stride + c;
          if (skip && m.exact[i]) continue;
          all = false;
          use(i);
        }
  };
  const auto groups = [&](const auto& use) {
    ForGroups(v, m, tables.stride,
              [&](size_t index, int row_begin, int row_end, int begin, int end) {
                if (along) return use(index, row_begin, row_end, begin, end);
                for (int c = begin; c < end; ++c)
                  use(index + (c - begin), row_begin, row_end, c, c + 1);
              });
  };
  groups([&](size_t g, int row_begin, int row_end, int begin, int end) {
    float low = __builtin_inff();
    each(row_begin, row_end, begin, end, [&](size_t i) { low = m.x[i] < low ? m.x[i] : low; });
    zeros[g] = tables.scale[g] > 0 ? -low / tables.scale[g] : 0.0f;
  });
  float beta = 10.0f;
  double best = old ? 1e4 : __builtin_inf();
  for (int step = 0; step < kHqqSteps; ++step) {
    double error = 0;
    size_t count = 0;
    groups([&](size_t g, int row_begin, int row_end, int begin, int end) {
      const float scale = tables.scale[g], zero = zeros[g];
      double sum = 0;
      int members = 0;
      each(row_begin, row_end, begin, end, [&](size_t i) {
        ++members;
        if (!(scale > 0)) return;  // a constant group is stored exactly and adds no error
        const float x = m.x[i];
        float code = nearbyintf(x / scale + zero);
        code = code > 0 ? code : 0;
        code = code < top ? code : top;
        const float away = x - (code - zero) * scale, size = fabsf(away);
        float kept = size > 0 ? size - powf(size, -0.3f) / beta : 0.0f;
        kept = kept > 0 ? copysignf(kept, away) : copysignf(0.0f, away);
        sum += code - (x - kept) / scale;
        error += size;
      });
      count += members;
      if (scale > 0) zeros[g] = static_cast<float>(sum / members);
    });
    if (old) beta *= 1.01f;
    error /= count;
    if (!(error < best)) break;  // the zero points of the worse step stay
    best = error;
  }
  groups([&](size_t g, int, int, int, int) {
    if (!(tables.scale[g] > 0)) return;
    const F32x16 refined = v.integer_zero
                               ? ClampCode(RoundEven(Set(zeros[g])), top)
                               : RoundMetadata(format.metadata, Set(-zeros[g] * tables.scale[g]));
    StoreN(tables.offset + g, refined, 1);
  });
}

}  // namespace
}  // namespace qpkv

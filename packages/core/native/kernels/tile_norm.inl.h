// Scales from norms (Solver::kNorm, kKeepNorm): single values in double, as the reference does.
#pragma once
#include "kernels/tile_quantize.inl.h"

namespace qpkv {
namespace {

// Calls use(table index, member) for every group, where member(use(matrix index)) visits its
// values.
template <class Use>
static void ForEachGroup(const TileView& v, const PartMatrix& m, const ScaleTables& tables,
                         const Use& use) {
  const bool along = AlongRows(v);
  ForGroups(v, m, tables.stride, [&](size_t index, int row_begin, int row_end, int begin, int end) {
    for (int c = along ? end - 1 : begin; c < end; ++c) {
      const int first = along ? begin : c;
      use(index + (along ? 0 : c - begin), [&](const auto& value) {
        for (int row = row_begin; row < row_end; ++row)
          for (int column = first; column <= c; ++column) value(row * m.stride + column);
      });
    }
  });
}

// What codes are found with, into the tables.
static void FindNorms(const TileView& v, const PartMatrix& m, const ScaleTables& tables) {
  ForEachGroup(v, m, tables, [&](size_t index, const auto& members) {
    double squares = 0;
    members([&](size_t i) { squares += static_cast<double>(m.x[i]) * m.x[i]; });
    tables.scale[index] = static_cast<float>(sqrt(squares)) * v.format->spread;
    tables.offset[index] = 0;
  });
}

// What is stored, once there are codes.
static void ScaleToNorms(const TileView& v, const PartMatrix& m, const ScaleTables& tables) {
  ForEachGroup(v, m, tables, [&](size_t index, const auto& members) {
    float scale = tables.scale[index];
    if (v.format->solver == Solver::kKeepNorm && scale > 0) {
      double squares = 0, levels = 0;
      members([&](size_t i) {
        const double level = v.format->levels[m.codes[i]];
        squares += static_cast<double>(m.x[i]) * m.x[i];
        levels += level * level;
      });
      scale = levels > 0 ? static_cast<float>(sqrt(squares) / sqrt(levels)) : 0.0f;
    }
    alignas(64) float rounded[16];
    Store(rounded, RoundMetadata(v.format->metadata, Set(scale)));
    tables.scale[index] = rounded[0];
  });
}

}  // namespace
}  // namespace qpkv

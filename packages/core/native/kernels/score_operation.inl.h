// ScoreOperation: one operation of a score expression.
#pragma once
// Each header needs the one before:
// clang-format off
#include "kernels/scores/group.inl.h"
#include "kernels/scores/combine.inl.h"
#include "kernels/scores/normalize.inl.h"
#include "kernels/scores/pool.inl.h"
#include "kernels/scores/entropy_gate.inl.h"
// clang-format on

namespace qpkv {
namespace {

void ScoreOperation(Stream& stream, const ScoreOperationArgs& args) {
  switch (args.op) {
    case ScoreOp::kGroup:
      return GroupRows(stream, args);
    case ScoreOp::kAdd:
      return AddRows(stream, args);
    case ScoreOp::kMultiply:
      return MultiplyRows(stream, args);
    case ScoreOp::kPower:
      return PowerRows(stream, args);
    case ScoreOp::kScale:
      return ScaleRows(stream, args);
    case ScoreOp::kZScore:
      return ZScoreRows(stream, args);
    case ScoreOp::kSoftmax:
      return SoftmaxRows(stream, args);
    case ScoreOp::kRankInBlocks:
      return RankRows(stream, args);
    case ScoreOp::kPool:
      return PoolRows(stream, args);
    case ScoreOp::kBlockPool:
      return BlockPoolRows(stream, args);
    case ScoreOp::kEntropyGate:
      return EntropyGateRows(stream, args);
    case ScoreOp::kConstant:
      return ConstantRows(stream, args);
  }
}

}  // namespace
}  // namespace qpkv

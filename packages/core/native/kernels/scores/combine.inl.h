// add, multiply, power, scale, constant: each score by itself.
#pragma once
#include <math.h>

namespace qpkv {
namespace {

template <class Combine>
QPKV_INLINE void EachVector(Stream& stream, const ScoreOperationArgs& args,
                            const Combine& combine) {
  stream.ParallelFor(args.rows, [&](int row, int) {
    const size_t begin = static_cast<size_t>(row) * args.tokens;
    for (int t = 0; t < args.tokens; t += 16)
      StoreN(args.out + begin + t, combine(begin + t, args.tokens - t), args.tokens - t);
  });
}

void AddRows(Stream& stream, const ScoreOperationArgs& args) {
  EachVector(stream, args, [&](size_t at, int n) {
    F32x16 x = LoadN(args.of[0] + at, n);
    for (int i = 1; i < args.count; ++i) x = Add(x, LoadN(args.of[i] + at, n));
    return x;
  });
}

void MultiplyRows(Stream& stream, const ScoreOperationArgs& args) {
  EachVector(stream, args, [&](size_t at, int n) {
    F32x16 x = LoadN(args.of[0] + at, n);
    for (int i = 1; i < args.count; ++i) x = Mul(x, LoadN(args.of[i] + at, n));
    return x;
  });
}

void ScaleRows(Stream& stream, const ScoreOperationArgs& args) {
  const F32x16 factor = Set(static_cast<float>(args.options[score_ops::scale::kFactor]));
  const F32x16 offset = Set(static_cast<float>(args.options[score_ops::scale::kOffset]));
  EachVector(stream, args,
             [&](size_t at, int n) { return Add(Mul(LoadN(args.of[0] + at, n), factor), offset); });
}

// x^exponent in double: whole exponents by multiplication, so that signs survive.
QPKV_INLINE double Power(double x, double exponent) {
  const double size = __builtin_fabs(exponent);
  if (size != static_cast<int>(size)) return ::pow(x, exponent);
  double power = 1;
  for (int i = 0; i < static_cast<int>(size); ++i) power *= x;
  return exponent < 0 ? 1 / power : power;
}

void PowerRows(Stream& stream, const ScoreOperationArgs& args) {
  const double exponent = args.options[score_ops::power::kExponent];
  stream.ParallelFor(args.rows, [&](int row, int) {
    const size_t begin = static_cast<size_t>(row) * args.tokens;
    for (int t = 0; t < args.tokens; ++t)
      args.out[begin + t] = static_cast<float>(Power(args.of[0][begin + t], exponent));
  });
}

void ConstantRows(Stream& stream, const ScoreOperationArgs& args) {
  using namespace score_ops::constant;
  float value = static_cast<float>(args.options[kValue]);
  if (value != value) {  // above all
    float most = -__builtin_inff();
    for (int row = 0; row < args.rows; ++row)
      for (int t = 0; t < args.scored; ++t) {
        const float x = args.of[0][static_cast<size_t>(row) * args.tokens + t];
        most = x > most ? x : most;
      }
    value = most + 1.0f;
  }
  const int first = static_cast<int>(args.options[kFirst]);
  const int last = args.scored - static_cast<int>(args.options[kLast]);
  stream.ParallelFor(args.rows, [&](int row, int) {
    const size_t begin = static_cast<size_t>(row) * args.tokens;
    for (int t = 0; t < args.tokens; ++t)
      args.out[begin + t] =
          t < args.scored && (t < first || t >= last) ? value : args.of[0][begin + t];
  });
}

}  // namespace
}  // namespace qpkv

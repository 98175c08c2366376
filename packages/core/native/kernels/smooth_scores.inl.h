// SmoothScores: one-dimensional mean or max pooling with stride 1 and (kernel / 2) padding; the
// length stays.
#pragma once

namespace qpkv {
namespace {

void SmoothScores(Stream& stream, const SmoothScoresArgs& args) {
  const int before = args.kernel / 2, after = args.kernel - 1 - before;
  stream.ParallelFor(args.heads, [&](int head, int) {
    const float* scores = args.scores + static_cast<size_t>(head) * args.stride;
    float* out = args.out + static_cast<size_t>(head) * args.stride;
    for (int t = 0; t < args.tokens; ++t) {
      const int begin = t > before ? t - before : 0;
      const int end = t + after < args.tokens ? t + after + 1 : args.tokens;
      float x = scores[begin];
      if (args.maximum) {
        for (int i = begin + 1; i < end; ++i)
          x = scores[i] > x || scores[i] != scores[i] ? scores[i] : x;
      } else {
        for (int i = begin + 1; i < end; ++i) x += scores[i];
        x /= static_cast<float>(args.count_zeros ? args.kernel : end - begin);
      }
      out[t] = x;
    }
  });
}

}  // namespace
}  // namespace qpkv

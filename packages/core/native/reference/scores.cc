// Reference ObserveKeys, GroupScores, SmoothScores and Select.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {
namespace {

constexpr double kSmallest = 1e-12;

double Norm(const std::vector<double>& x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
}

}  // namespace

void ObserveKeys(Stream&, const ObserveKeysArgs& args) {
  for (int head = 0; head < args.heads; ++head) {
    std::vector<std::vector<double>> keys;
    for (int t = 0; t < args.tokens; ++t) {
      const float* key = args.k + (static_cast<size_t>(head) * args.capacity + t) * args.dim;
      keys.emplace_back(key, key + args.dim);
    }
    std::vector<double> mean(args.dim, 0.0);
    for (const std::vector<double>& key : keys)
      for (int i = 0; i < args.dim; ++i)
        mean[i] += key[i] / std::max(Norm(key), kSmallest) / args.tokens;
    for (int t = 0; t < args.tokens; ++t) {
      const double dot = std::inner_product(mean.begin(), mean.end(), keys[t].begin(), 0.0);
      args.scores[static_cast<size_t>(head) * args.tokens + t] = static_cast<float>(
          args.score == KeyScore::kNorm ? Norm(keys[t])
                                        : dot / std::max(Norm(keys[t]) * Norm(mean), kSmallest));
    }
  }
}

void GroupScores(Stream&, const GroupScoresArgs& args) {
  for (int head = 0; head < args.heads; ++head)
    for (int t = 0; t < args.tokens; ++t) {
      double most = -INFINITY, sum = 0;
      for (int g = 0; g < args.group; ++g) {
        const double x = args.mass[(static_cast<size_t>(head) * args.group + g) * args.tokens + t];
        sum += x;
        most = x > most || std::isnan(x) ? x : most;
      }
      const double reduced = args.reduce == Reduce::kMax   ? most
                             : args.reduce == Reduce::kSum ? sum
                                                           : sum / args.group;
      args.scores[static_cast<size_t>(head) * args.tokens + t] =
          static_cast<float>(reduced * args.factor);
    }
}

void SmoothScores(Stream&, const SmoothScoresArgs& args) {
  for (int head = 0; head < args.heads; ++head) {
    const float* x = args.scores + static_cast<size_t>(head) * args.stride;
    for (int t = 0; t < args.tokens; ++t) {
      double most = -INFINITY, sum = 0;
      int count = 0;
      for (int j = 0; j < args.kernel; ++j) {
        const int i = t - args.kernel / 2 + j;
        if (i < 0 || i >= args.tokens) continue;
        most = x[i] > most || std::isnan(x[i]) ? x[i] : most;
        sum += x[i];
        ++count;
      }
      args.out[static_cast<size_t>(head) * args.stride + t] =
          static_cast<float>(args.maximum ? most : sum / (args.count_zeros ? args.kernel : count));
    }
  }
}

void Select(Stream&, const SelectArgs& args) {
  *args.nan_head = -1;
  int32_t* kept = args.kept;
  for (int head = 0; head < args.heads; ++head) {
    const float* scores = args.scores + static_cast<size_t>(head) * args.stride;
    std::vector<int32_t> order(args.candidates_end - args.candidates_begin);
    std::iota(order.begin(), order.end(), args.candidates_begin);
    for (int32_t t : order)
      if (std::isnan(scores[t]) && *args.nan_head < 0) *args.nan_head = head;
    if (*args.nan_head >= 0) return;
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return args.lowest ? scores[a] < scores[b] : scores[a] > scores[b];
    });
    order.resize(args.keep);
    if (!args.by_score) std::sort(order.begin(), order.end());
    for (int t = args.first_begin; t < args.candidates_begin; ++t) *kept++ = t;
    kept = std::copy(order.begin(), order.end(), kept);
    for (int t = args.candidates_end; t < args.tokens; ++t) *kept++ = t;
  }
}

}  // namespace reference
}  // namespace qpkv

// Reference ScoreOperation: each operation written over whole rows of double.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {
namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

double Largest(const Row& x) {
  double most = -INFINITY;
  for (double v : x) most = v > most || std::isnan(v) ? v : most;
  return most;
}
double Sum(const Row& x) { return std::accumulate(x.begin(), x.end(), 0.0); }
double Mean(const Row& x) { return Sum(x) / static_cast<double>(x.size()); }

Matrix Read(const ScoreOperationArgs& args, int input) {
  Matrix rows;
  for (int row = 0; row < args.rows; ++row) {
    const float* from = args.of[input] + static_cast<size_t>(row) * args.tokens;
    rows.emplace_back(from, from + args.tokens);
  }
  return rows;
}

Matrix Group(const ScoreOperationArgs& args, const Matrix& x) {
  using namespace score_ops::group;
  const bool layer = static_cast<Over>(args.options[kOver]) == Over::kLayer;
  Matrix out;
  for (int stored = 0; stored < args.out_rows; ++stored) {
    Row joined;
    for (int t = 0; t < args.tokens; ++t) {
      Row members;
      for (int row = 0; row < args.rows; ++row) {
        const bool member =
            layer || (args.rows >= args.out_rows ? row / (args.rows / args.out_rows) == stored
                                                 : stored / (args.out_rows / args.rows) == row);
        if (member) members.push_back(x[row][t]);
      }
      const By by = static_cast<By>(args.options[kBy]);
      joined.push_back(by == By::kMax   ? Largest(members)
                       : by == By::kSum ? Sum(members)
                                        : Mean(members));
    }
    out.push_back(joined);
  }
  return out;
}

Matrix Combine(const ScoreOperationArgs& args, Matrix x) {
  for (int input = 1; input < args.count; ++input) {
    const Matrix y = Read(args, input);
    for (int row = 0; row < args.rows; ++row)
      for (int t = 0; t < args.tokens; ++t)
        x[row][t] = args.op == ScoreOp::kAdd ? x[row][t] + y[row][t] : x[row][t] * y[row][t];
  }
  return x;
}

// Runs `change` over the scored part of each row.
template <class Change>
Matrix EachScored(const ScoreOperationArgs& args, Matrix x, int skip_first, const Change& change) {
  const int begin = std::min(skip_first, args.scored);
  for (Row& row : x) {
    Row part(row.begin() + begin, row.begin() + args.scored);
    if (!part.empty()) change(&part);
    std::copy(part.begin(), part.end(), row.begin() + begin);
  }
  return x;
}

Matrix ZScore(const ScoreOperationArgs& args, const Matrix& x) {
  using namespace score_ops::z_score;
  const int skip = static_cast<int>(args.options[kSkipFirst]);
  Row layer;
  EachScored(args, x, skip,
             [&](Row* part) { layer.insert(layer.end(), part->begin(), part->end()); });
  const auto normalize = [](Row* part, const Row& all) {
    const double mean = Mean(all);
    double squares = 0;
    for (double v : all) squares += (v - mean) * (v - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(all.size()));
    for (double& v : *part) v = deviation == 0 ? 0 : (v - mean) / deviation;
  };
  return EachScored(args, x, skip, [&](Row* part) {
    normalize(part, static_cast<Over>(args.options[kOver]) == Over::kLayer ? layer : Row(*part));
  });
}

void Softmaxed(Row* part) {
  double lse = 0;
  *part = Softmax(*part, &lse);
}

void Ranked(Row* part, int block) {
  const Row x = *part;
  for (size_t begin = 0; begin < x.size(); begin += static_cast<size_t>(block)) {
    const size_t end = std::min(x.size(), begin + static_cast<size_t>(block));
    for (size_t t = begin; t < end; ++t) {
      int rank = 0;
      for (size_t other = begin; other < end; ++other)
        rank += x[other] < x[t] || (x[other] == x[t] && other < t);
      (*part)[t] = std::isnan(x[t]) ? x[t] : rank / static_cast<double>(end - begin);
    }
  }
}

void Pooled(const ScoreOperationArgs& args, Row* part) {
  using namespace score_ops::pool;
  const int kernel = static_cast<int>(args.options[kKernel]), size = static_cast<int>(part->size());
  const Row x = *part;
  for (int t = 0; t < size; ++t) {
    const Row near(x.begin() + std::max(0, t - kernel / 2),
                   x.begin() + std::min(size, t + kernel / 2 + 1));
    const bool zeros = static_cast<Padding>(args.options[kPadding]) == Padding::kZerosCount;
    (*part)[t] = static_cast<Pool>(args.options[kPool]) == Pool::kMax ? Largest(near)
                 : zeros                                              ? Sum(near) / kernel
                                                                      : Mean(near);
  }
}

void BlockPooled(const ScoreOperationArgs& args, Row* part) {
  using namespace score_ops::block_pool;
  const size_t block = static_cast<size_t>(args.options[kBlock]);
  const Row x = *part;
  for (size_t t = 0; t < x.size(); ++t) {
    const size_t begin = t / block * block;
    const Row own(x.begin() + static_cast<long>(begin),
                  x.begin() + static_cast<long>(std::min(x.size(), begin + block)));
    (*part)[t] = static_cast<Pool>(args.options[kPool]) == Pool::kMax ? Largest(own) : Mean(own);
  }
}

// Indices from the highest value down; of equal ones the lower first.
std::vector<size_t> Descending(const Row& x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
  return order;
}

double Median(const Row& x) { return x[Descending(x)[x.size() / 2]]; }

double Entropy(Row x) {
  const double low = std::min(0.0, *std::min_element(x.begin(), x.end()));
  for (double& v : x) v -= low;
  const double sum = Sum(x) + 1e-10;
  double entropy = 0;
  for (double v : x) entropy -= v / sum * std::log(v / sum + 1e-10);
  return x.size() < 2 ? 0 : std::clamp(entropy / std::log(static_cast<double>(x.size())), 0.0, 1.0);
}

// Tokens in the order in which they are taken become scores.
void Gated(Row* part, size_t block, size_t rescue) {
  const Row x = *part;
  if (std::isnan(Sum(x))) return part->assign(x.size(), NAN);
  std::vector<Row> blocks;
  Row means, entropies;
  for (size_t begin = 0; begin < x.size(); begin += block) {
    const size_t end = std::min(x.size(), begin + block);
    blocks.emplace_back(x.begin() + static_cast<long>(begin), x.begin() + static_cast<long>(end));
    means.push_back(static_cast<float>(Mean(blocks.back())));
    entropies.push_back(static_cast<float>(Entropy(blocks.back())));
  }
  std::vector<size_t> taken;
  for (size_t b : Descending(means)) {
    const std::vector<size_t> best = Descending(blocks[b]);
    const bool spiky = means[b] >= Median(means) && entropies[b] < Median(entropies);
    const size_t count = spiky ? std::min(rescue, best.size()) : best.size();
    for (size_t i = 0; i < count; ++i) taken.push_back(b * block + best[i]);
  }
  for (size_t t : Descending(x))
    if (std::find(taken.begin(), taken.end(), t) == taken.end()) taken.push_back(t);
  for (size_t i = 0; i < taken.size(); ++i)
    (*part)[taken[i]] = static_cast<double>(taken.size() - i);
}

Matrix Constant(const ScoreOperationArgs& args, Matrix x) {
  using namespace score_ops::constant;
  double value = args.options[kValue];
  if (std::isnan(value)) {
    double most = -INFINITY;
    for (const Row& row : x)
      for (int t = 0; t < args.scored; ++t) most = std::max(most, row[t]);
    value = most + 1;
  }
  for (Row& row : x)
    for (int t = 0; t < args.scored; ++t)
      if (t < args.options[kFirst] || t >= args.scored - args.options[kLast]) row[t] = value;
  return x;
}

Matrix Apply(const ScoreOperationArgs& args, Matrix x) {
  const double* options = args.options;
  const auto each = [&](const auto& change) {
    for (Row& row : x)
      for (double& v : row) v = change(v);
    return x;
  };
  switch (args.op) {
    case ScoreOp::kGroup:
      return Group(args, x);
    case ScoreOp::kAdd:
    case ScoreOp::kMultiply:
      return Combine(args, x);
    case ScoreOp::kPower:
      return each([&](double v) { return std::pow(v, options[score_ops::power::kExponent]); });
    case ScoreOp::kScale:
      return each([&](double v) {
        return v * options[score_ops::scale::kFactor] + options[score_ops::scale::kOffset];
      });
    case ScoreOp::kZScore:
      return ZScore(args, x);
    case ScoreOp::kSoftmax:
      return EachScored(args, x, static_cast<int>(options[score_ops::softmax::kSkipFirst]),
                        Softmaxed);
    case ScoreOp::kRankInBlocks: {
      using namespace score_ops::rank_in_blocks;
      return EachScored(args, x, static_cast<int>(options[kSkipFirst]),
                        [&](Row* part) { Ranked(part, static_cast<int>(options[kBlock])); });
    }
    case ScoreOp::kPool:
      return EachScored(args, x, static_cast<int>(options[score_ops::pool::kSkipFirst]),
                        [&](Row* part) { Pooled(args, part); });
    case ScoreOp::kBlockPool:
      return EachScored(args, x, static_cast<int>(options[score_ops::block_pool::kSkipFirst]),
                        [&](Row* part) { BlockPooled(args, part); });
    case ScoreOp::kEntropyGate: {
      using namespace score_ops::entropy_gate;
      return EachScored(args, x, static_cast<int>(options[kSkipFirst]), [&](Row* part) {
        Gated(part, static_cast<size_t>(options[kBlock]), static_cast<size_t>(options[kRescue]));
      });
    }
    case ScoreOp::kConstant:
      return Constant(args, x);
  }
  return x;
}

}  // namespace

void ScoreOperation(Stream&, const ScoreOperationArgs& args) {
  const Matrix out = Apply(args, Read(args, 0));
  for (int row = 0; row < args.out_rows; ++row)
    for (int t = 0; t < args.tokens; ++t)
      args.out[static_cast<size_t>(row) * args.tokens + t] = static_cast<float>(out[row][t]);
}

}  // namespace reference
}  // namespace qpkv

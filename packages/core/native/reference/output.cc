// Reference NoteNan, CountTokens and Sample: everything sorted, everything summed.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {
namespace {

struct Token {
  int32_t id;
  double logit, probability;
};

std::vector<Token> SortedTokens(const SampleRow& row, int vocab) {
  std::vector<Token> tokens;
  for (int id = 0; id < vocab; ++id) {
    double logit = row.logits[id];
    const int count = row.counts == nullptr ? 0 : row.counts[id];
    if (count > 0) {
      logit = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
      logit -= row.presence_penalty;
      logit -= row.frequency_penalty * count;
    }
    for (int i = 0; i < row.bias_count; ++i)
      if (row.bias_ids[i] == id) logit += row.bias[i];
    if (std::isnan(logit)) logit = -INFINITY;
    const bool allowed =
        row.allowed == nullptr || (row.allowed[id / 32] & (uint32_t{1} << (id % 32))) != 0;
    if (allowed) tokens.push_back({id, logit, 0});
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const Token& a, const Token& b) { return a.logit > b.logit; });
  return tokens;
}

int32_t Choose(const SampleRow& row, int vocab) {
  std::vector<Token> tokens = SortedTokens(row, vocab);
  if (tokens.empty()) return -1;
  if (row.temperature <= 0) return tokens[0].id;
  if (row.top_k > 0 && tokens.size() > static_cast<size_t>(row.top_k))
    tokens.resize(static_cast<size_t>(row.top_k));
  double sum = 0;
  for (Token& token : tokens)
    sum += token.probability = std::exp((token.logit - tokens[0].logit) / row.temperature);
  std::vector<Token> kept;
  double reached = 0;
  for (Token& token : tokens) {
    token.probability /= sum;
    if (row.top_p < 1 && reached >= row.top_p) break;
    reached += token.probability;
    if (!kept.empty() && token.probability < row.min_p * kept[0].probability) break;
    kept.push_back(token);
  }
  double total = 0;
  for (const Token& token : kept) total += token.probability;
  double left = row.uniform * total;
  for (const Token& token : kept)
    if ((left -= token.probability) < 0) return token.id;
  return kept.back().id;
}

}  // namespace

void NoteNan(Stream&, const NoteNanArgs& args) {
  for (int row = 0; row < args.rows; ++row)
    for (int i = 0; i < args.dim; ++i)
      if (std::isnan(args.x[static_cast<size_t>(row) * args.dim + i]) && args.notes[row] < 0)
        args.notes[row] = args.mark;
}

void CountTokens(Stream&, const CountTokensArgs& args) {
  for (int i = 0; i < args.count; ++i) args.counts[args.ids[i]] += 1;
}

void Sample(Stream&, const SampleArgs& args) {
  for (int i = 0; i < args.count; ++i) {
    const SampleRow& row = args.rows[i];
    SampledToken& out = args.out[i];
    out = {};
    out.id = Choose(row, args.vocab);
    if (row.logprobs < 0) continue;
    const double most = *std::max_element(row.logits, row.logits + args.vocab);
    double sum = 0;
    for (int id = 0; id < args.vocab; ++id) sum += std::exp(row.logits[id] - most);
    const auto logprob = [&](int32_t id) {
      return static_cast<float>(row.logits[id] - most - std::log(sum));
    };
    if (out.id >= 0) out.logprob = logprob(out.id);
    std::vector<int32_t> ids(static_cast<size_t>(args.vocab));
    std::iota(ids.begin(), ids.end(), 0);
    std::stable_sort(ids.begin(), ids.end(),
                     [&](int32_t a, int32_t b) { return row.logits[a] > row.logits[b]; });
    for (int n = 0; n < row.logprobs && n < kMostLogprobs && n < args.vocab; ++n) {
      out.likeliest[n] = ids[static_cast<size_t>(n)];
      out.logprobs[n] = logprob(ids[static_cast<size_t>(n)]);
    }
  }
}

}  // namespace reference
}  // namespace qpkv

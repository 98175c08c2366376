// See host_sample.h.
#include "ops/host_sample.h"

#include <algorithm>
#include <cmath>

#include "base/stream.h"

namespace qpkv {
namespace {

struct Candidate {
  double logit;
  double probability;
  int32_t id;
};

bool Before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

double Penalized(const SampleRow& row, int32_t id) {
  const double logit = row.logits[id];
  const int32_t count = row.counts == nullptr ? 0 : row.counts[id];
  if (count == 0) return logit;
  const double scaled = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
  return scaled - row.presence_penalty - row.frequency_penalty * count;
}

bool Allowed(const SampleRow& row, int32_t id) {
  return row.allowed == nullptr || (row.allowed[id / 32] >> (id % 32) & 1) != 0;
}

// NaN has no place in an order. Whoever reads the token is told of it by NoteNan.
double Ordered(double logit) { return std::isnan(logit) ? -INFINITY : logit; }

// The candidates in the order of their ids; returns how many.
int Collect(const SampleRow& row, int vocab, Candidate* all) {
  for (int32_t id = 0; id < vocab; ++id) all[id] = {Penalized(row, id), 0, id};
  for (int i = 0; i < row.bias_count; ++i) all[row.bias_ids[i]].logit += row.bias[i];
  for (int32_t id = 0; id < vocab; ++id) all[id].logit = Ordered(all[id].logit);
  if (row.allowed == nullptr) return vocab;
  return static_cast<int>(
      std::remove_if(all, all + vocab, [&](const Candidate& c) { return !Allowed(row, c.id); }) -
      all);
}

// The likeliest without a list of candidates.
int32_t Greedy(const SampleRow& row, int vocab) {
  int32_t best = -1;
  double most = 0;
  for (int32_t id = 0; id < vocab; ++id) {
    if (!Allowed(row, id)) continue;
    const double logit = Ordered(Penalized(row, id));
    if (best < 0 || logit > most) best = id, most = logit;
  }
  return best;
}

// Fills in probabilities of sorted candidates; returns how many top-p and min-p leave.
int CutTail(const SampleRow& row, Candidate* sorted, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i)
    sum += sorted[i].probability = std::exp((sorted[i].logit - sorted[0].logit) / row.temperature);
  for (int i = 0; i < count; ++i) sorted[i].probability /= sum;
  int keep = count;
  if (row.top_p < 1) {
    double reached = 0;
    for (keep = 0; keep < count && reached < row.top_p; ++keep) reached += sorted[keep].probability;
  }
  const double least = row.min_p * sorted[0].probability;
  while (keep > 1 && sorted[keep - 1].probability < least) --keep;
  return std::max(keep, 1);
}

int32_t Draw(const SampleRow& row, const Candidate* sorted, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += sorted[i].probability;
  double left = row.uniform * sum;
  for (int i = 0; i < count; ++i) {
    left -= sorted[i].probability;
    if (left < 0) return sorted[i].id;
  }
  return sorted[count - 1].id;
}

int32_t Choose(const SampleRow& row, int vocab, Candidate* all) {
  if (row.temperature <= 0 && row.bias_count == 0) return Greedy(row, vocab);
  const int count = Collect(row, vocab, all);
  if (count == 0) return -1;
  if (row.temperature <= 0) return std::min_element(all, all + count, Before)->id;
  const int top = row.top_k > 0 ? std::min(count, row.top_k) : count;
  if (top < count)
    std::partial_sort(all, all + top, all + count, Before);
  else
    std::sort(all, all + count, Before);
  return Draw(row, all, CutTail(row, all, top));
}

void Report(const SampleRow& row, int vocab, Candidate* all, SampledToken* out) {
  const float most = *std::max_element(row.logits, row.logits + vocab);
  double sum = 0;
  for (int i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(row.logits[i]) - most);
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(static_cast<double>(row.logits[id]) - most - std::log(sum));
  };
  if (out->id >= 0) out->logprob = logprob(out->id);
  const int count = std::min(std::min(row.logprobs, kMostLogprobs), vocab);
  if (count == 0) return;
  for (int32_t id = 0; id < vocab; ++id) all[id] = {Ordered(row.logits[id]), 0, id};
  std::partial_sort(all, all + count, all + vocab, Before);
  for (int i = 0; i < count; ++i) {
    out->likeliest[i] = all[i].id;
    out->logprobs[i] = logprob(all[i].id);
  }
}

}  // namespace

void SampleOnHost(Stream& stream, const SampleArgs& args) {
  stream.ParallelFor(args.count, [&](int i, int thread) {
    auto* all = static_cast<Candidate*>(
        stream.Scratch(thread, sizeof(Candidate) * static_cast<size_t>(args.vocab)));
    const SampleRow& row = args.rows[i];
    args.out[i] = {};
    args.out[i].id = Choose(row, args.vocab, all);
    if (row.logprobs >= 0) Report(row, args.vocab, all, &args.out[i]);
  });
}

void CountTokensOnHost(Stream&, const CountTokensArgs& args) {
  for (int i = 0; i < args.count; ++i) ++args.counts[args.ids[i]];
}

}  // namespace qpkv

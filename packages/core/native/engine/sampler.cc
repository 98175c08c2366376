// See sampler.h.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

namespace qpkv {
namespace {

struct Candidate {
  double logit;
  int32_t id;
  double probability;
};

bool Before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

std::vector<Candidate> Penalized(const std::vector<float>& logits, double penalty,
                                 const std::vector<bool>& seen) {
  std::vector<Candidate> all(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) all[i] = {logits[i], static_cast<int32_t>(i), 0};
  if (penalty == 1) return all;
  for (size_t id = 0; id < all.size(); ++id) {
    if (!seen[id]) continue;
    double& logit = all[id].logit;
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
  return all;
}

// Fills in probabilities of sorted candidates and cuts the tail that top-p and min-p leave out.
void CutTail(std::vector<Candidate>* sorted, const Sampling& sampling) {
  double sum = 0;
  for (Candidate& c : *sorted)
    sum += c.probability = std::exp((c.logit - sorted->front().logit) / sampling.temperature);
  for (Candidate& c : *sorted) c.probability /= sum;
  size_t keep = sorted->size();
  if (sampling.top_p < 1) {
    double reached = 0;
    for (keep = 0; keep < sorted->size() && reached < sampling.top_p; ++keep)
      reached += (*sorted)[keep].probability;
  }
  const double least = sampling.min_p * sorted->front().probability;
  while (keep > 1 && (*sorted)[keep - 1].probability < least) --keep;
  sorted->resize(std::max<size_t>(keep, 1));
}

}  // namespace

int32_t SampleToken(const std::vector<float>& logits, const Sampling& sampling,
                    const std::vector<bool>& seen, Xoshiro256* random) {
  std::vector<Candidate> all = Penalized(logits, sampling.repetition_penalty, seen);
  if (sampling.temperature <= 0) return std::min_element(all.begin(), all.end(), Before)->id;
  const size_t top =
      sampling.top_k > 0 ? std::min(all.size(), static_cast<size_t>(sampling.top_k)) : all.size();
  std::partial_sort(all.begin(), all.begin() + static_cast<long>(top), all.end(), Before);
  all.resize(top);
  CutTail(&all, sampling);
  double sum = 0;
  for (const Candidate& c : all) sum += c.probability;
  double left = random->Uniform() * sum;
  for (const Candidate& c : all) {
    left -= c.probability;
    if (left < 0) return c.id;
  }
  return all.back().id;
}

}  // namespace qpkv

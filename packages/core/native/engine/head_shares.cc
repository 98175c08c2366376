// See head_shares.h.
#include "engine/head_shares.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace qpkv {
namespace {

// Sum of a head's `places` best scores over the sum of all, in double; 0 where all are 0.
double TopShare(const float* scores, int count, int places) {
  std::vector<float> best(scores, scores + count);
  std::sort(best.begin(), best.end(), std::greater<float>());
  const double total = std::accumulate(scores, scores + count, 0.0);
  return total == 0 ? 0 : std::accumulate(best.begin(), best.begin() + places, 0.0) / total;
}

// How many of the best heads * places scores each head holds. Ties go to the lower head.
std::vector<int> BestShares(const std::vector<float>& scores, int heads, int places, bool lowest,
                            bool weighed) {
  const int count = static_cast<int>(scores.size()) / heads;
  std::vector<double> all(scores.size());
  for (int head = 0; head < heads; ++head) {
    const float* own = scores.data() + static_cast<size_t>(head) * count;
    const double weight = weighed ? TopShare(own, count, places) : lowest ? -1 : 1;
    for (int i = 0; i < count; ++i) all[static_cast<size_t>(head) * count + i] = own[i] * weight;
  }
  const size_t wanted = static_cast<size_t>(heads) * places;
  std::vector<double> order = all;
  std::nth_element(order.begin(), order.begin() + static_cast<long>(wanted) - 1, order.end(),
                   std::greater<double>());
  const double last = order[wanted - 1];  // the lowest score that still belongs to the best
  size_t equal = wanted;                  // places left for scores equal to it
  for (double score : all) equal -= score > last;
  std::vector<int> shares(static_cast<size_t>(heads));
  for (size_t i = 0; i < all.size(); ++i) {
    const bool tied = all[i] == last && equal > 0;
    equal -= tied;
    shares[i / count] += all[i] > last || tied;
  }
  return shares;
}

}  // namespace

std::vector<int> ShareAmongHeads(const std::vector<float>& scores, int heads, int places,
                                 bool lowest, const HeadSharing& sharing) {
  const int count = static_cast<int>(scores.size()) / heads;
  if (places <= 0 || places >= count)
    return std::vector<int>(static_cast<size_t>(heads), std::clamp(places, 0, count));
  const std::vector<int> shares =
      BestShares(scores, heads, places, lowest, sharing.weigh_top_share);
  std::vector<int> counts;
  std::vector<double> rests;
  int missing = heads * places;
  for (int share : shares) {
    if (sharing.round_each) {  // std::nearbyint rounds half to even
      const double wanted = share * (1 - sharing.floor) + std::trunc(places * sharing.floor);
      counts.push_back(std::min(count, static_cast<int>(std::nearbyint(wanted))));
      continue;
    }
    const double wanted = sharing.floor * places + (1 - sharing.floor) * share;
    counts.push_back(static_cast<int>(std::floor(wanted)));
    rests.push_back(wanted - std::floor(wanted));
    missing -= counts.back();
  }
  if (sharing.round_each) return counts;
  std::vector<int> heads_by_rest(static_cast<size_t>(heads));
  std::iota(heads_by_rest.begin(), heads_by_rest.end(), 0);
  std::stable_sort(heads_by_rest.begin(), heads_by_rest.end(),
                   [&](int a, int b) { return rests[a] > rests[b]; });
  for (int i = 0; i < missing; ++i) ++counts[static_cast<size_t>(heads_by_rest[i])];
  return counts;
}

}  // namespace qpkv

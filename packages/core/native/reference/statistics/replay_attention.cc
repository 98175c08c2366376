// Reference replay-attention: one softmax per row, over the keys that it sees.
#include "ops/statistics/replay_attention.h"

#include "reference/statistics/naive_attention.h"
#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace replay_attention {
namespace {

using namespace statistics::replay_attention;

// Rows of the keys that a repetition's row sees, in the order in which they are shown to it.
std::vector<int> SeenBy(const StatisticArgs& args, int row) {
  std::vector<int> seen;
  const int sinks = std::min(static_cast<int>(args.options.get()[kSinks]), args.replay_begin);
  for (int t = 0; t < sinks; ++t) seen.push_back(t);
  for (int t = args.replay_begin; t < args.replay_end; ++t) seen.push_back(t);
  for (int t = 0; t <= args.first + row; ++t) seen.push_back(args.shape.tokens + t);
  return seen;
}

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kReplay) return;
  const StatisticShape& shape = args.shape;
  const bool divided = static_cast<Over>(args.options.get()[kOver]) == Over::kInputNorm;
  for (int head = 0; head < shape.q_heads; ++head)
    for (int row = 0; row < args.rows; ++row) {
      const float* q =
          args.q + static_cast<size_t>(row) * args.q_stride + static_cast<size_t>(head) * shape.dim;
      const std::vector<int> seen = SeenBy(args, row);
      std::vector<double> logits;
      for (int t : seen) {
        const std::vector<double> key =
            RowOf(args, args.k, head / (shape.q_heads / shape.kv_heads), t);
        double dot = 0;
        for (int i = 0; i < shape.dim; ++i)
          dot += Factor(q[i], args.precision) * Factor(static_cast<float>(key[i]), args.precision);
        logits.push_back(Capped(dot * args.scale, shape.cap));
      }
      const float* input = args.inputs + static_cast<size_t>(row) * args.hidden;
      const double norm = Norm({input, input + args.hidden});
      double lse = 0;
      const std::vector<double> p = Softmax(logits, &lse);
      for (size_t i = 0; i < seen.size(); ++i) {
        if (seen[i] < args.replay_begin || seen[i] >= args.replay_end) continue;
        float* out = args.out + static_cast<size_t>(head) * shape.tokens + seen[i];
        const double x = divided ? p[i] / norm : p[i];
        *out = std::max(*out, static_cast<float>(x));
      }
    }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace replay_attention
}  // namespace reference
}  // namespace qpkv

// replay-attention: the largest probability that a key of a repeated part receives from its
// repetition, among the first tokens, this part and the repetition so far.
#include "kernels/observed_rows.h"
#include "ops/statistics/replay_attention.h"

namespace qpkv {
namespace cuda {
namespace replay_attention {
namespace {

using namespace statistics::replay_attention;

constexpr int kThreads = 64;

// Keys that a row sees: [0, sinks), [begin, end), then the repetition up to itself.
struct Repetition {
  ObservedRows rows;  // `first` counts from the beginning of the repetition
  int sinks, begin, end;
  const float* inputs;  // [rows, hidden], or null: nothing is divided
  int hidden;

  QPKV_ON_DEVICE int Seen(int row) const { return sinks + end - begin + rows.first + row + 1; }
  // The row of K of the i-th key that is seen.
  QPKV_ON_DEVICE int KeyRow(int i) const {
    if (i < sinks) return i;
    if (i < sinks + end - begin) return begin + i - sinks;
    return rows.shape.tokens + i - sinks - (end - begin);
  }
};

// lse: [q_heads, rows]; factors: [rows]. Blocks (row, head).
__global__ void LseKernel(Repetition a, float* lse, float* factors) {
  const int row = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y),
            me = static_cast<int>(threadIdx.x);
  LogSum sum = {-Infinity(), 0};
  for (int i = me; i < a.Seen(row); i += kThreads)
    sum = AddLogSums{}(sum, {LogitOf(a.rows, head, row, a.rows.Key(head, a.KeyRow(i))), 1});
  sum = BlockJoin(sum, AddLogSums{});
  double squares = 0;
  for (int i = me; a.inputs != nullptr && i < a.hidden; i += kThreads) {
    const double x = a.inputs[static_cast<size_t>(row) * a.hidden + i];
    squares += x * x;
  }
  squares = BlockSum(squares);
  if (me != 0) return;
  lse[static_cast<size_t>(head) * a.rows.rows + row] = sum.most + logf(sum.sum);
  if (head == 0)
    factors[row] = a.inputs == nullptr ? 1.0f
                   : squares > 0       ? static_cast<float>(1 / sqrt(squares))
                                       : 0.0f;
}

// Blocks (tokens of the part, head).
__global__ void LargestKernel(Repetition a, const float* lse, const float* factors, float* out) {
  const int token = a.begin + static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            head = static_cast<int>(blockIdx.y);
  if (token >= a.end) return;
  const float* key = a.rows.Key(head, token);
  float& to = out[static_cast<size_t>(head) * a.rows.shape.tokens + token];
  float most = to;
  for (int row = 0; row < a.rows.rows; ++row)
    most = fmaxf(most, factors[row] * expf(LogitOf(a.rows, head, row, key) -
                                           lse[static_cast<size_t>(head) * a.rows.rows + row]));
  to = most;
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kReplay || args.rows == 0) return;
  CudaStream& on = On(stream);
  const double* options = args.options.get();
  const int wanted = static_cast<int>(options[kSinks]);
  Repetition a = {ChunkRows(args, args.first, args.first + args.rows),
                  wanted < args.replay_begin ? wanted : args.replay_begin,
                  args.replay_begin,
                  args.replay_end,
                  options[kOver] == static_cast<double>(Over::kInputNorm) ? args.inputs : nullptr,
                  args.hidden};
  if (a.end <= a.begin) return;
  const size_t rows = static_cast<size_t>(args.rows);
  float* lse = static_cast<float*>(on.Scratch(
      Slot::kSums, sizeof(float) * rows * (static_cast<size_t>(args.shape.q_heads) + 1)));
  if (lse == nullptr) return;
  float* factors = lse + rows * args.shape.q_heads;
  const unsigned heads = static_cast<unsigned>(args.shape.q_heads);
  QPKV_LAUNCH(on.queue, LseKernel, dim3(static_cast<unsigned>(rows), heads), kThreads, 0, a, lse,
              factors);
  QPKV_LAUNCH(on.queue, LargestKernel, dim3(BlocksFor(a.end - a.begin, kThreads), heads), kThreads,
              0, a, lse, factors, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace replay_attention
}  // namespace cuda
}  // namespace qpkv

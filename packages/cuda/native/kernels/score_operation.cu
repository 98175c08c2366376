// ScoreOperation: what joins rows or changes values one by one has a thread per score; what looks
// along the tokens has a block per row.
#include "device/numbers.h"
#include "device/warp.h"
#include "kernels/entropy_gate.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 128;

// The larger; NaN wins.
struct Most {
  QPKV_ON_DEVICE float operator()(float a, float b) const { return b > a || IsNan(b) ? b : a; }
};

QPKV_DEVICE float Joined(score_ops::group::By by, float sum, float x) {
  return by == score_ops::group::By::kMax ? Most{}(sum, x) : sum + x;
}

// Blocks (tokens, stored head).
__global__ void GroupKernel(ScoreOperationArgs a) {
  using namespace score_ops::group;
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            stored = static_cast<int>(blockIdx.y);
  if (t >= a.tokens) return;
  const By by = static_cast<By>(static_cast<int>(a.options[kBy]));
  int first = 0, rows = a.rows;
  if (static_cast<Over>(static_cast<int>(a.options[kOver])) == Over::kHeads) {
    rows = a.rows >= a.out_rows ? a.rows / a.out_rows : 1;
    first = a.rows >= a.out_rows ? stored * rows : stored / (a.out_rows / a.rows);
  }
  float sum = by == By::kMax ? -Infinity() : 0.0f;
  for (int row = first; row < first + rows; ++row)
    sum = Joined(by, sum, a.of[0][static_cast<size_t>(row) * a.tokens + t]);
  a.out[static_cast<size_t>(stored) * a.tokens + t] =
      by == By::kMean ? sum / static_cast<float>(rows) : sum;
}

QPKV_DEVICE float Power(float x, double exponent) {
  if (exponent == 2) return x * x;
  if (exponent == 1) return x;
  return static_cast<float>(pow(static_cast<double>(x), exponent));
}

// Blocks (tokens, row): sums, products, powers, factors.
__global__ void EachKernel(ScoreOperationArgs a) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= a.tokens) return;
  const size_t at = static_cast<size_t>(blockIdx.y) * a.tokens + t;
  float x = a.of[0][at];
  for (int i = 1; i < a.count; ++i) x = a.op == ScoreOp::kAdd ? x + a.of[i][at] : x * a.of[i][at];
  if (a.op == ScoreOp::kPower) x = Power(x, a.options[score_ops::power::kExponent]);
  if (a.op == ScoreOp::kScale)
    x = static_cast<float>(x * a.options[score_ops::scale::kFactor] +
                           a.options[score_ops::scale::kOffset]);
  a.out[at] = x;
}

// The scored part of a row; outside of it the values stay.
struct Part {
  const float* x;
  float* out;
  int begin, end;
};
QPKV_DEVICE Part PartOf(const ScoreOperationArgs& a, int row, double skip_first) {
  const size_t at = static_cast<size_t>(row) * a.tokens;
  const int skip = static_cast<int>(skip_first);
  const Part part = {a.of[0] + at, a.out + at, skip < a.scored ? skip : a.scored, a.scored};
  for (int t = static_cast<int>(threadIdx.x); t < a.tokens; t += kThreads)
    if (t < part.begin || t >= part.end) part.out[t] = part.x[t];
  return part;
}

// sums: [rows or 1, 2] mean and standard deviation, in double. A block per row, or one for all.
__global__ void MomentsKernel(ScoreOperationArgs a, double* sums) {
  using namespace score_ops::z_score;
  const bool layer = static_cast<Over>(static_cast<int>(a.options[kOver])) == Over::kLayer;
  const int first = layer ? 0 : static_cast<int>(blockIdx.x), rows = layer ? a.rows : 1;
  const int skip = static_cast<int>(a.options[kSkipFirst]);
  const int begin = skip < a.scored ? skip : a.scored;
  const double count = static_cast<double>(rows) * (a.scored - begin);
  double mean = 0;
  for (int pass = 0; pass < 2; ++pass) {
    double sum = 0;
    for (int row = first; row < first + rows; ++row)
      for (int t = begin + static_cast<int>(threadIdx.x); t < a.scored; t += kThreads) {
        const double d = a.of[0][static_cast<size_t>(row) * a.tokens + t] - mean;
        sum += pass == 0 ? d : d * d;
      }
    sum = BlockSum(sum);
    if (pass == 0)
      mean = sum / count;
    else if (threadIdx.x == 0)
      sums[2 * blockIdx.x] = mean, sums[2 * blockIdx.x + 1] = sqrt(sum / count);
  }
}

__global__ void ZScoreKernel(ScoreOperationArgs a, const double* sums) {
  using namespace score_ops::z_score;
  const Part part = PartOf(a, static_cast<int>(blockIdx.x), a.options[kSkipFirst]);
  const bool layer = static_cast<Over>(static_cast<int>(a.options[kOver])) == Over::kLayer;
  const double* own = layer ? sums : sums + 2 * blockIdx.x;
  for (int t = part.begin + static_cast<int>(threadIdx.x); t < part.end; t += kThreads)
    part.out[t] = own[1] == 0 ? 0.0f : static_cast<float>((part.x[t] - own[0]) / own[1]);
}

__global__ void SoftmaxKernel(ScoreOperationArgs a) {
  const Part part =
      PartOf(a, static_cast<int>(blockIdx.x), a.options[score_ops::softmax::kSkipFirst]);
  if (part.begin == part.end) return;
  float most = -Infinity();
  for (int t = part.begin + static_cast<int>(threadIdx.x); t < part.end; t += kThreads)
    most = Most{}(most, part.x[t]);
  most = BlockJoin(most, Most{});
  double sum = 0;
  for (int t = part.begin + static_cast<int>(threadIdx.x); t < part.end; t += kThreads)
    sum += expf(part.x[t] - most);
  sum = BlockSum(sum);
  for (int t = part.begin + static_cast<int>(threadIdx.x); t < part.end; t += kThreads)
    part.out[t] = static_cast<float>(expf(part.x[t] - most) / sum);
}

__global__ void RankKernel(ScoreOperationArgs a) {
  using namespace score_ops::rank_in_blocks;
  const Part part = PartOf(a, static_cast<int>(blockIdx.x), a.options[kSkipFirst]);
  const int size = static_cast<int>(a.options[kBlock]);
  for (int t = part.begin + static_cast<int>(threadIdx.x); t < part.end; t += kThreads) {
    const int begin = part.begin + (t - part.begin) / size * size;
    const int end = part.end - begin < size ? part.end : begin + size;
    const float x = part.x[t];
    int rank = 0;
    for (int other = begin; other < end; ++other)
      rank += part.x[other] < x || (part.x[other] == x && other < t);
    part.out[t] = IsNan(x) ? x : static_cast<float>(rank / static_cast<double>(end - begin));
  }
}

// The largest or the sum over [begin, end).
QPKV_DEVICE float Over(const float* x, int begin, int end, bool most) {
  float sum = most ? -Infinity() : 0.0f;
  for (int t = begin; t < end; ++t) sum = most ? Most{}(sum, x[t]) : sum + x[t];
  return sum;
}

__global__ void PoolKernel(ScoreOperationArgs a) {
  using namespace score_ops::pool;
  const Part part = PartOf(a, static_cast<int>(blockIdx.x), a.options[kSkipFirst]);
  const int kernel = static_cast<int>(a.options[kKernel]), half = kernel / 2;
  const bool most = a.options[kPool] == static_cast<double>(Pool::kMax);
  const bool zeros = a.options[kPadding] == static_cast<double>(Padding::kZerosCount);
  for (int t = part.begin + static_cast<int>(threadIdx.x); t < part.end; t += kThreads) {
    const int begin = t - half > part.begin ? t - half : part.begin;
    const int end = t + half + 1 < part.end ? t + half + 1 : part.end;
    const float x = Over(part.x, begin, end, most);
    part.out[t] = most ? x : x / static_cast<float>(zeros ? kernel : end - begin);
  }
}

__global__ void BlockPoolKernel(ScoreOperationArgs a) {
  using namespace score_ops::block_pool;
  const Part part = PartOf(a, static_cast<int>(blockIdx.x), a.options[kSkipFirst]);
  const int size = static_cast<int>(a.options[kBlock]);
  const bool most = a.options[kPool] == static_cast<double>(Pool::kMax);
  for (int t = part.begin + static_cast<int>(threadIdx.x); t < part.end; t += kThreads) {
    const int begin = part.begin + (t - part.begin) / size * size;
    const int end = part.end - begin < size ? part.end : begin + size;
    const float x = Over(part.x, begin, end, most);
    part.out[t] = most ? x : x / static_cast<float>(end - begin);
  }
}

// sums[0]: the largest scored value of all rows. One block.
__global__ void LargestKernel(ScoreOperationArgs a, double* sums) {
  float most = -Infinity();
  for (int row = 0; row < a.rows; ++row)
    for (int t = static_cast<int>(threadIdx.x); t < a.scored; t += kThreads)
      most = fmaxf(most, a.of[0][static_cast<size_t>(row) * a.tokens + t]);
  most = BlockMax(most);
  if (threadIdx.x == 0) sums[0] = most;
}

// Blocks (tokens, row).
__global__ void ConstantKernel(ScoreOperationArgs a, const double* sums) {
  using namespace score_ops::constant;
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= a.tokens) return;
  const double given = a.options[kValue], value = given == given ? given : sums[0] + 1;
  const size_t at = static_cast<size_t>(blockIdx.y) * a.tokens + t;
  const bool inside = t < a.scored && (t < a.options[kFirst] || t >= a.scored - a.options[kLast]);
  a.out[at] = inside ? static_cast<float>(value) : a.of[0][at];
}

}  // namespace

void ScoreOperation(Stream& stream, const ScoreOperationArgs& a) {
  Queue& queue = On(stream).queue;
  double* sums = static_cast<double*>(
      On(stream).Scratch(Slot::kSums, 2 * sizeof(double) * static_cast<size_t>(a.rows)));
  if (sums == nullptr || a.tokens == 0) return;
  const unsigned across = BlocksFor(a.tokens, kThreads), rows = static_cast<unsigned>(a.rows);
  if (a.op == ScoreOp::kEntropyGate) return EntropyGate(On(stream), a);
  switch (a.op) {
    case ScoreOp::kGroup:
      QPKV_LAUNCH(queue, GroupKernel, dim3(across, static_cast<unsigned>(a.out_rows)), kThreads, 0,
                  a);
      return;
    case ScoreOp::kAdd:
    case ScoreOp::kMultiply:
    case ScoreOp::kPower:
    case ScoreOp::kScale:
      QPKV_LAUNCH(queue, EachKernel, dim3(across, rows), kThreads, 0, a);
      return;
    case ScoreOp::kZScore: {
      const bool layer = a.options[score_ops::z_score::kOver] ==
                         static_cast<double>(score_ops::z_score::Over::kLayer);
      QPKV_LAUNCH(queue, MomentsKernel, layer ? 1 : rows, kThreads, 0, a, sums);
      QPKV_LAUNCH(queue, ZScoreKernel, rows, kThreads, 0, a, sums);
      return;
    }
    case ScoreOp::kSoftmax:
      QPKV_LAUNCH(queue, SoftmaxKernel, rows, kThreads, 0, a);
      return;
    case ScoreOp::kRankInBlocks:
      QPKV_LAUNCH(queue, RankKernel, rows, kThreads, 0, a);
      return;
    case ScoreOp::kPool:
      QPKV_LAUNCH(queue, PoolKernel, rows, kThreads, 0, a);
      return;
    case ScoreOp::kBlockPool:
      QPKV_LAUNCH(queue, BlockPoolKernel, rows, kThreads, 0, a);
      return;
    case ScoreOp::kEntropyGate:
      return;  // above
    case ScoreOp::kConstant:
      QPKV_LAUNCH(queue, LargestKernel, 1, kThreads, 0, a, sums);
      QPKV_LAUNCH(queue, ConstantKernel, dim3(across, rows), kThreads, 0, a, sums);
      return;
  }
}

}  // namespace cuda
}  // namespace qpkv

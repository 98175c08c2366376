// Score expressions over statistics: what several plans have in common is measured and computed
// once, whatever their heads; rows that do not fit are refused.
#include <cmath>

#include "engine/observer.h"
#include "ops/statistics/attention.h"
#include "ops/statistics/key_norm.h"
#include "test/harness.h"

namespace qpkv {
namespace {

constexpr int kTokens = 24, kQueryHeads = 4, kKvHeads = 2, kDim = 8;

std::shared_ptr<Engine> TestEngine() {
  static const auto engine = std::make_shared<Engine>(EngineTables().front(), 2);
  return engine;
}

using Node = std::shared_ptr<const ScoreNode>;

Node Leaf(const char* name, std::array<double, kMaxOptions> options = {}) {
  auto node = std::make_shared<ScoreNode>();
  node->statistic = FindStatistic(TestEngine()->statistics, name);
  node->options = options;
  return node;
}

Node Operation(ScoreOp op, std::vector<Node> of, std::array<double, kMaxOptions> options = {}) {
  auto node = std::make_shared<ScoreNode>();
  node->op = op;
  node->of = std::move(of);
  node->options = options;
  return node;
}

LayerShape Shape(bool per_query_head) {
  LayerShape shape;
  shape.query_heads = kQueryHeads;
  shape.kv_heads = kKvHeads;
  shape.head_dim = kDim;
  shape.per_query_head = per_query_head;
  return shape;
}

// An observed layer of normal numbers.
class Layer {
 public:
  Layer()
      : observer(TestEngine(), Shape(false), kTokens, ObservedModel{}),
        q_(Upload(51, kQueryHeads)),
        k_(Upload(52, kKvHeads)) {}

  void Run() {
    QueryChunk chunk{};
    chunk.q = q_.floats();
    chunk.rows = kTokens;
    chunk.q_stride = kQueryHeads * kDim;
    const LayerTensors tensors = {k_.floats(), nullptr, nullptr, kTokens};
    observer.Start();
    observer.AddChunk(chunk, tensors);
    observer.Finish(tensors);
  }
  std::vector<float> Scores(int handle, int heads) {
    std::vector<float> out(static_cast<size_t>(heads) * kTokens);
    TestEngine()->Download(out.data(), observer.Scores(handle), out.size() * sizeof(float));
    return out;
  }

  Observer observer;

 private:
  static Buffer Upload(uint64_t seed, int heads) {
    const std::vector<float> x = Random(seed).Normals(static_cast<size_t>(heads) * kTokens * kDim);
    Buffer buffer(TestEngine()->device, x.size() * sizeof(float));
    TestEngine()->Upload(buffer.data(), x.data(), x.size() * sizeof(float));
    return buffer;
  }

  Buffer q_, k_;
};

const ScoreScope kKv = {kKvHeads, 2, 0}, kQuery = {kQueryHeads, 2, 0};

QPKV_TEST(ScoresOfStoredHeads) {
  Layer layer;
  const Node attention = Leaf("attention"), norms = Leaf("key-norm");
  const Node grouped = Operation(ScoreOp::kGroup, {attention});
  const int kv = layer.observer.Want(*grouped, kKv), query = layer.observer.Want(*grouped, kQuery);
  const int kv_norms = layer.observer.Want(*norms, kKv),
            query_norms = layer.observer.Want(*norms, kQuery);
  layer.Run();
  const std::vector<float> joined = layer.Scores(kv, kKvHeads),
                           apart = layer.Scores(query, kQueryHeads);
  const std::vector<float> two = layer.Scores(kv_norms, kKvHeads),
                           four = layer.Scores(query_norms, kQueryHeads);
  for (int t = 0; t < kTokens; ++t) {
    const float mean = (apart[t] + apart[kTokens + t]) / 2;
    Expect("a stored head gets the mean of its query heads", std::fabs(joined[t] - mean) < 1e-6f);
    for (int head = 0; head < kQueryHeads; ++head)
      Expect("a KV head's row serves each of its query heads",
             four[head * kTokens + t] == two[head / 2 * kTokens + t]);
  }
}

QPKV_TEST(ScoresMeasuredOnce) {
  Layer layer;
  std::array<double, kMaxOptions> mean{}, all_of_them{};
  mean[statistics::attention::kReduce] = static_cast<double>(statistics::attention::Reduce::kMean);
  all_of_them[statistics::attention::kQueriesLast] = kTokens + 100;  // as many as there are
  const auto group = [](const Node& of) { return Operation(ScoreOp::kGroup, {of}); };
  const int sum = layer.observer.Want(*group(Leaf("attention")), kKv);
  Expect("the same wish is one node", layer.observer.Want(*group(Leaf("attention")), kKv) == sum);
  Expect("so is one that comes to the same",
         layer.observer.Want(*group(Leaf("attention", all_of_them)), kKv) == sum);
  const int means = layer.observer.Want(*group(Leaf("attention", mean)), kKv);
  layer.Run();
  const std::vector<float> sums = layer.Scores(sum, kKvHeads),
                           averages = layer.Scores(means, kKvHeads);
  for (size_t i = 0; i < sums.size(); ++i)
    Expect("a mean is the sum over the number of queries",
           std::fabs(averages[i] - sums[i] / kTokens) < 1e-6f);
  Expect("a node is evaluated once", layer.observer.Scores(sum) == layer.observer.Scores(sum));
}

QPKV_TEST(ScoreOfSeveralOperations) {
  Layer layer;
  std::array<double, kMaxOptions> pool{}, factor{};
  pool[score_ops::pool::kKernel] = 3;
  factor[score_ops::scale::kFactor] = -2;
  const Node norms = Leaf("key-norm");
  const Node score = Operation(ScoreOp::kAdd, {Operation(ScoreOp::kScale, {norms}, factor),
                                               Operation(ScoreOp::kMultiply, {norms, norms}),
                                               Operation(ScoreOp::kPool, {norms}, pool)});
  const int handle = layer.observer.Want(*score, kKv), plain = layer.observer.Want(*norms, kKv);
  layer.Run();
  const std::vector<float> x = layer.Scores(plain, kKvHeads), got = layer.Scores(handle, kKvHeads);
  for (int head = 0; head < kKvHeads; ++head)
    for (int t = 0; t < kTokens; ++t) {
      const float* row = x.data() + head * kTokens;
      float most = row[t];
      for (int i = t - 1; i <= t + 1; ++i)  // the last two tokens take no part
        if (t < kTokens - 2 && i >= 0 && i < kTokens - 2) most = std::fmax(most, row[i]);
      const float want = -2 * row[t] + row[t] * row[t] + most;
      Expect(Label("head %d token %d", head, t), std::fabs(got[head * kTokens + t] - want) < 1e-5f);
    }
}

// The code of the error that a wish meets, or nothing.
std::string Refused(const ScoreNode& score, const ScoreScope& scope) {
  Layer layer;
  try {
    layer.observer.Want(score, scope);
    layer.observer.Start();
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

QPKV_TEST(ScoresRefused) {
  const Node attention = Leaf("attention"), norms = Leaf("key-norm");
  Expect("rows per query head", Refused(*attention, kKv) == "KV_METHOD");
  Expect("which are right where heads are stored so", Refused(*attention, kQuery).empty());
  Expect("mixed rows", Refused(*Operation(ScoreOp::kAdd, {attention, norms}), kKv) == "KV_METHOD");
  Expect(
      "a weight that is not there",
      Refused(*Operation(ScoreOp::kGroup, {Leaf("value-output-norm")}), kKv) == "KV_UNSUPPORTED");
}

}  // namespace
}  // namespace qpkv

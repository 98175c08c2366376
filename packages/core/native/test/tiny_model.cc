#include "test/tiny_model.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "test/harness.h"

namespace qpkv {
namespace {

// Appends random values to a file and says where they lie.
class WeightFile {
 public:
  WeightFile() : file_(std::tmpfile()) {}
  ~WeightFile() { std::fclose(file_); }

  TensorSource Add(const std::vector<int>& shape, float deviation, float offset = 0) {
    TensorSource tensor;
    tensor.element = Element::kF32;
    tensor.shape = shape;
    tensor.offset = at_;
    std::vector<float> values = random_.Normals(tensor.count(), deviation);
    for (float& value : values) value += offset;
    std::fwrite(values.data(), sizeof(float), values.size(), file_);
    at_ += values.size() * sizeof(float);
    return tensor;
  }
  std::string path() {
    std::fflush(file_);
    return "/dev/fd/" + std::to_string(fileno(file_));
  }

 private:
  std::FILE* file_;
  size_t at_ = 0;
  Random random_{7};
};

}  // namespace

std::shared_ptr<Model> TinyModel(const Table& table, int threads, const TinyShape& shape) {
  WeightFile weights;
  ModelDescription d;
  d.products = d.decode = Precision::kF32;
  d.layers = shape.layers;
  d.hidden = shape.hidden;
  d.intermediate = shape.intermediate;
  d.query_heads = shape.query_heads;
  d.kv_heads = shape.kv_heads;
  d.head_dim = shape.head_dim;
  d.vocab = shape.vocab;
  d.rms_epsilon = 1e-5f;
  d.block.attention_scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  d.layer.assign(static_cast<size_t>(shape.layers), {});
  d.ropes.resize(1);
  for (int i = 0; i < shape.head_dim / 2; ++i)
    d.ropes[0].inv_freq.push_back(std::pow(10000.0f, -2.0f * i / shape.head_dim));
  const float spread = 1.0f / std::sqrt(static_cast<float>(shape.hidden));
  const auto matrix = [&](const std::string& role, int rows, int columns) {
    d.tensors[role] = weights.Add({rows, columns}, spread);
  };
  const auto norm = [&](const std::string& role) {
    d.tensors[role] = weights.Add({shape.hidden}, 0.1f, 1);
  };
  d.tensors["embed"] = weights.Add({shape.vocab, shape.hidden}, 1);
  matrix("head", shape.vocab, shape.hidden);
  norm("norm");
  const int q = shape.query_heads * shape.head_dim, kv = shape.kv_heads * shape.head_dim;
  for (int l = 0; l < shape.layers; ++l) {
    const std::string prefix = "layers." + std::to_string(l) + ".";
    matrix(prefix + "q", q, shape.hidden), matrix(prefix + "k", kv, shape.hidden);
    matrix(prefix + "v", kv, shape.hidden), matrix(prefix + "o", shape.hidden, q);
    matrix(prefix + "gate", shape.intermediate, shape.hidden);
    matrix(prefix + "up", shape.intermediate, shape.hidden);
    matrix(prefix + "down", shape.hidden, shape.intermediate);
    norm(prefix + "inputNorm"), norm(prefix + "postNorm");
  }
  d.files = {weights.path()};
  const auto engine = std::make_shared<Engine>(table, threads);
  EngineLock lock(*engine);
  return std::make_shared<Model>(engine, d);
}

CompressionPlan FullPlan(const Model& model) {
  CompressionPlan plan;
  for (int l = 0; l < model.description.layers; ++l) {
    LayerPlan& layer = plan.layers.emplace_back();
    layer.tokens.per_head = 1 << 20;
    SegmentPlan& recent = layer.segments.emplace_back();
    recent.role = Role::kRecent;
    recent.key = recent.value = plan::ExactFormat{Element::kF32};
  }
  return plan;
}

plan::Eviction EvictionNamed(const Model& model, const std::string& name, int capacity) {
  if (name == "never") return plan::EvictionName::kNever;
  if (name == "fifo") return plan::EvictionName::kFifo;
  auto attention = std::make_shared<ScoreNode>(), group = std::make_shared<ScoreNode>();
  attention->statistic = FindStatistic(model.engine->statistics, "attention");
  group->of = {attention};
  return plan::ScoreEviction{group, 1, capacity};
}

std::vector<std::shared_ptr<Context>> PrefillAll(const std::shared_ptr<Model>& model,
                                                 const std::vector<int32_t>& ids,
                                                 const std::vector<CompressionPlan>& plans) {
  Prefill prefill(model, ids, plans);
  for (int l = 0; l < model->description.layers; ++l) {
    prefill.RunLayer();
    for (int plan = 0; plan < static_cast<int>(plans.size()); ++plan)
      prefill.CompressLayer(plan, {}, false);
  }
  return prefill.Finish();
}

std::vector<int32_t> TinyPrompt(int tokens, int vocab, int seed) {
  Random random(static_cast<uint64_t>(seed));
  std::vector<int32_t> ids;
  for (int i = 0; i < tokens; ++i) ids.push_back(random.Below(vocab));
  return ids;
}

}  // namespace qpkv

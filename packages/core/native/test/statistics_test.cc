// Every statistic of every table against the reference, by its descriptor: all choices, odd sizes,
// chunks, sliding windows. A new statistic is tested by being there.
#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/cpu_backend.h"
#include "test/harness.h"

namespace qpkv {
namespace {

struct Layer {
  StatisticShape shape;
  Element weight = Element::kF32;
  std::vector<float> q, q_before, k, k_before, v, inv_freq, output;
};

Layer MakeLayer(const StatisticShape& shape, Element weight, uint64_t seed) {
  Random random(seed);
  const size_t width = static_cast<size_t>(shape.q_heads) * shape.dim;
  const size_t queries = width * shape.tokens;
  const size_t keys = static_cast<size_t>(shape.kv_heads) * shape.tokens * shape.dim;
  Layer layer;
  layer.shape = shape;
  layer.weight = weight;
  layer.q = random.Normals(queries, 1.5f);
  layer.q_before = random.Normals(queries);
  layer.k = random.Normals(keys);
  for (float& x : layer.k) x += 0.3f;  // so that the mean direction is not noise
  layer.k_before = random.Normals(keys);
  layer.v = random.Normals(keys);
  for (int i = 0; i < shape.dim / 2; ++i)
    layer.inv_freq.push_back(std::pow(10000.0f, -2.0f * static_cast<float>(i) / shape.dim));
  layer.output = random.Normals(width * 75, 0.1f);  // an odd number of outputs
  return layer;
}

constexpr int kChunk = 64;

// What a statistic makes of a layer, on one table.
class Measurement {
 public:
  Measurement(const Ops& ops, Stream& stream, const Statistic& statistic, const Layer& layer,
              Precision precision)
      : stream_(stream), statistic_(statistic), layer_(layer), precision_(precision) {
    const StatisticShape& shape = layer.shape;
    packed_ = {nullptr, ExactWeights(layer.weight), 75, shape.q_heads * shape.dim};
    weight_.resize(ops.PackedWeightBytes(packed_.format, packed_.n, packed_.k) + 64);
    packed_.data = weight_.data() + (64 - reinterpret_cast<uintptr_t>(weight_.data()) % 64) % 64;
    PackWeightArgs pack{};
    pack.source = OnHost(static_cast<const void*>(layer.output.data()));
    pack.source_element = Element::kF32;
    pack.row_end = packed_.n;
    pack.out = packed_;
    ops.PackWeight(stream, pack);
  }

  std::vector<float> Run(const double* given, int user_end, int protect_last) {
    const StatisticShape& shape = layer_.shape;
    double resolved[kMaxOptions] = {}, factor = 1;
    if (statistic_.resolve)
      factor = statistic_.resolve({shape, user_end, protect_last}, given, resolved);
    else
      std::copy_n(given, kMaxOptions, resolved);
    const int rows = statistic_.about->rows == Rows::kQuery ? shape.q_heads : shape.kv_heads;
    std::vector<float> out(static_cast<size_t>(rows) * shape.tokens);
    std::vector<double> state(statistic_.state_bytes
                                  ? statistic_.state_bytes(shape, resolved) / sizeof(double) + 16
                                  : 16);
    StatisticArgs args{};
    args.shape = shape;
    args.options = OnHost(static_cast<const double*>(resolved));
    args.precision = precision_;
    args.scale = 1 / std::sqrt(static_cast<float>(shape.dim));
    args.capacity = shape.tokens;
    args.k = layer_.k.data();
    args.k_before = layer_.k_before.data();
    args.v = layer_.v.data();
    args.output = packed_;
    args.inv_freq = layer_.inv_freq.data();
    args.rope_scale = 1.1f;
    args.rotary_dim = shape.dim > 16 ? shape.dim - 8 : shape.dim;  // some channels stay
    const size_t off = (64 - reinterpret_cast<uintptr_t>(state.data()) % 64) % 64;
    args.state = reinterpret_cast<uint8_t*>(state.data()) + off;
    args.out = out.data();
    args.stage = StatisticStage::kChunk;
    for (int first = 0; first < shape.tokens; first += kChunk) RunChunk(args, first);
    args.stage = StatisticStage::kReplay;
    if ((statistic_.about->reads & kReadReplay) != 0) RunReplays(args);
    args.stage = StatisticStage::kFinish;
    statistic_.run(stream_, args);
    for (float& x : out) x *= static_cast<float>(factor);
    return out;
  }

 private:
  void RunChunk(StatisticArgs args, int first) {
    const StatisticShape& shape = layer_.shape;
    const int width = shape.q_heads * shape.dim, rows = std::min(kChunk, shape.tokens - first);
    std::vector<float> outputs(static_cast<size_t>(rows) * width),
        lse(static_cast<size_t>(rows) * shape.q_heads);
    PrefillAttentionArgs attention{};
    attention.q = layer_.q.data() + static_cast<size_t>(first) * width;
    attention.k = layer_.k.data();
    attention.v = layer_.v.data();
    attention.out = outputs.data();
    attention.lse = lse.data();
    attention.rows = rows;
    attention.first = first;
    attention.q_heads = shape.q_heads;
    attention.kv_heads = shape.kv_heads;
    attention.dim = shape.dim;
    attention.q_stride = width;
    attention.capacity = shape.tokens;
    attention.window = shape.window;
    attention.cap = shape.cap;
    attention.scale = args.scale;
    attention.precision = precision_;
    Reference().PrefillAttention(stream_, attention);  // the same for all tables
    args.first = first;
    args.rows = args.lse_stride = rows;
    args.q_stride = width;
    args.q = attention.q;
    args.q_before = layer_.q_before.data() + static_cast<size_t>(first) * width;
    args.lse = lse.data();
    args.outputs = outputs.data();
    statistic_.run(stream_, args);
  }

  // The prompt is repeated in two parts, each behind three other tokens, in chunks of 25.
  void RunReplays(StatisticArgs args) {
    const StatisticShape& shape = layer_.shape;
    const int width = shape.q_heads * shape.dim, split = shape.tokens / 3;
    for (const auto& [from, to] : {std::pair(1, split), std::pair(split, shape.tokens)}) {
      if (to <= from) continue;
      const int rows = to - from + 3;
      Random random(static_cast<uint64_t>(from) + 5);
      const std::vector<float> q = random.Normals(static_cast<size_t>(rows) * width, 1.5f);
      args.hidden = 5;
      const std::vector<float> inputs = random.Normals(static_cast<size_t>(rows) * args.hidden);
      args.capacity = shape.tokens + rows;
      std::vector<float> keys;
      for (int head = 0; head < shape.kv_heads; ++head) {
        const float* own = layer_.k.data() + static_cast<size_t>(head) * shape.tokens * shape.dim;
        keys.insert(keys.end(), own, own + static_cast<size_t>(shape.tokens) * shape.dim);
        const std::vector<float> more = random.Normals(static_cast<size_t>(rows) * shape.dim);
        keys.insert(keys.end(), more.begin(), more.end());
      }
      args.k = keys.data();
      args.replay_begin = from;
      args.replay_end = to;
      args.q_stride = width;
      for (args.first = 0; args.first < rows; args.first += 25) {
        args.rows = std::min(25, rows - args.first);
        args.q = q.data() + static_cast<size_t>(args.first) * width;
        args.inputs = inputs.data() + static_cast<size_t>(args.first) * args.hidden;
        statistic_.run(stream_, args);
      }
    }
  }

  Stream& stream_;
  const Statistic& statistic_;
  const Layer& layer_;
  Precision precision_;
  PackedWeight packed_;
  std::vector<uint8_t> weight_;
};

using Row = std::vector<double>;

// Values that one option takes in the tests, slot by slot.
std::vector<Row> ValuesOf(const OptionDescriptor& option) {
  switch (option.kind) {
    case OptionKind::kQueries:
      return {{0, 0}, {7, 0}, {90, 1}};
    case OptionKind::kTruth:
      return {{0}, {1}};
    case OptionKind::kChoice: {
      std::vector<Row> all;
      for (int i = 0; i < option.choice_count; ++i) all.push_back({static_cast<double>(i)});
      return all;
    }
    default: {
      const double x = option.standard, half = x == std::floor(x) ? std::floor(x / 2) : x / 2;
      if (half == x) return {{x}};
      return {{x}, {half}};
    }
  }
}

// Every combination of them.
std::vector<Row> AllOptions(const StatisticDescriptor& about) {
  std::vector<Row> rows = {{}};
  for (int i = 0; i < about.option_count; ++i) {
    std::vector<Row> longer;
    for (const Row& row : rows)
      for (const Row& value : ValuesOf(about.options[i])) {
        longer.push_back(row);
        longer.back().insert(longer.back().end(), value.begin(), value.end());
      }
    rows = longer;
  }
  for (Row& row : rows) row.resize(kMaxOptions, 0.0);
  return rows;
}

std::string OptionText(const Row& options) {
  std::string text;
  for (double x : options) text += " " + Label("%g", x);
  return text;
}

// |got - want| <= bound * largest |want|, which counts as at least `floor`.
void ExpectRelative(const std::string& label, const std::vector<float>& got,
                    const std::vector<float>& want, double bound, double floor) {
  double largest = floor, worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isfinite(want[i])) largest = std::fmax(largest, std::fabs(want[i]));
    const double error = std::fabs(static_cast<double>(got[i]) - want[i]);
    const bool both_nan = std::isnan(got[i]) && std::isnan(want[i]);
    if (!both_nan && !(error <= worst)) worst = std::isnan(error) ? INFINITY : error;
  }
  Expect(label + Label(": error %.3g of %.3g", worst, largest), worst <= bound * largest + 1e-30);
}

void CompareWithReference(const StatisticShape& shape, Element weight, uint64_t seed,
                          Precision precision = Precision::kF32) {
  const Layer layer = MakeLayer(shape, weight, seed);
  const StatisticList& all = StatisticsOf(Reference());
  const int user_end = shape.tokens > 20 ? shape.tokens - 11 : 0;
  const int protect_last = std::min(5, shape.tokens);
  for (int i = 0; i < all.count; ++i) {
    const Statistic& naive = all.items[i];
    // Only products of queries and keys know a precision.
    if (precision == Precision::kBf16 && (naive.about->reads & (kReadQueries | kReadReplay)) == 0)
      continue;
    for (const Row& options : AllOptions(*naive.about)) {
      if (!Sampled()) continue;
      const std::vector<float> want =
          Measurement(Reference(), TestStream(), naive, layer, precision)
              .Run(options.data(), user_end, protect_last);
      for (const Ops* table : Tables()) {
        const Statistic* own = FindStatistic(StatisticsFor(*table), naive.about->name);
        const std::string label = Label("%s %s tokens %d dim %d window %d:", table->name,
                                        naive.about->name, shape.tokens, shape.dim, shape.window) +
                                  OptionText(options);
        Expect(label + " exists", own != nullptr);
        if (own == nullptr) continue;
        std::vector<float> first;
        for (Stream* stream : Streams()) {
          const std::vector<float> got = Measurement(*table, *stream, *own, layer, precision)
                                             .Run(options.data(), user_end, protect_last);
          if (first.empty()) {
            first = got;
            ExpectRelative(label, got, want,
                           naive.about->tolerance * (precision == Precision::kBf16 ? 5 : 1),
                           // The entropy of one certain token is the rounding of 1.
                           shape.tokens == 1 ? 1e-2 : 0);
          } else {
            ExpectEqualBytes(label + " over threads", got.data(), first.data(),
                             got.size() * sizeof(float));
          }
        }
      }
    }
  }
}

QPKV_TEST(Statistics) {
  CompareWithReference({1, 4, 2, 16, 0}, Element::kF32, 31);
  CompareWithReference({15, 3, 3, 40, 0}, Element::kF16, 32);
  CompareWithReference({70, 4, 2, 4, 0}, Element::kBf16, 33);
  CompareWithReference({131, 4, 1, 32, 40}, Element::kBf16, 34);
  CompareWithReference({130, 4, 2, 40, 30, 5.0f}, Element::kF32, 40);
  CompareWithReference({300, 2, 1, 16, 0}, Element::kF32, 35);
  CompareWithReference({90, 8, 1, 100, 0}, Element::kF32, 39);
}

QPKV_TEST(StatisticsInBf16) {
  CompareWithReference({131, 4, 2, 32, 0}, Element::kBf16, 37, Precision::kBf16);
  CompareWithReference({90, 3, 3, 6, 20}, Element::kBf16, 38, Precision::kBf16);
}

QPKV_TEST(StatisticsWide) { CompareWithReference({40, 2, 1, 256, 0}, Element::kBf16, 36); }

}  // namespace
}  // namespace qpkv

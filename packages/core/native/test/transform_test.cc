// Stored forms of K and V (Transform): packing, later tokens and attention of every table against
// the reference, and the reference against what it is to compute.
#include "reference/transform.h"

#include <cmath>
#include <cstring>

#include "reference/balance.h"
#include "test/harness.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace {

using namespace tile_cases;

struct StoredForm {
  const char* name;
  Transform transform;
};

// Means and signs of `heads` heads, kept alive by the caller.
struct Forms {
  std::vector<float> means, signs;
  std::vector<StoredForm> all;

  Forms(int heads, int dim) {
    means = RandomTokens(5, heads, dim);
    for (int c = 0; c < dim; ++c) signs.push_back(c * 7 % 3 == 1 ? -1.0f : 1.0f);
    all = {{"hadamard", {nullptr, nullptr, true}},
           {"signed hadamard", {nullptr, signs.data(), true}},
           {"centred", {means.data(), nullptr, false}},
           {"centred signed hadamard", {means.data(), signs.data(), true}}};
  }
};

double Largest(const std::vector<float>& got, const std::vector<float>& want) {
  double largest = 0;
  for (size_t i = 0; i < got.size(); ++i)
    largest = std::max(largest, std::fabs(static_cast<double>(got[i]) - want[i]));
  return largest;
}

QPKV_TEST(RotationIsItsOwnInverse) {
  // The example of four channels: (1, 2, 3, 4) becomes (5, -1, -2, 0).
  std::vector<double> x = {1, 2, 3, 4};
  reference::Rotate(4, &x);
  const std::vector<double> want = {5, -1, -2, 0};
  for (size_t i = 0; i < 4; ++i) Expect("four channels", std::fabs(x[i] - want[i]) < 1e-12);
  for (int dim : HeadDims()) {
    const std::vector<float> from = RandomTokens(9, 1, dim);
    std::vector<double> y(from.begin(), from.end());
    reference::Rotate(dim, &y);
    if (RotatedRun(dim) > 1) Expect(Label("dim %d changes", dim), std::fabs(y[0] - from[0]) > 1e-6);
    reference::Rotate(dim, &y);
    for (int c = 0; c < dim; ++c)
      Expect(Label("dim %d channel %d", dim, c),
             std::fabs(y[static_cast<size_t>(c)] - from[static_cast<size_t>(c)]) < 1e-6);
  }
}

// A token in exact float32, packed by every table, is the transformed token.
QPKV_TEST(PackTransforms) {
  const int tokens = 37;
  for (int dim : HeadDims()) {
    const std::vector<float> x = RandomTokens(dim, tokens, dim);
    const Forms forms(1, dim);
    for (const StoredForm& form : forms.all)
      for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
        std::vector<float> want;
        for (int t = 0; t < tokens; ++t) {
          const std::vector<float> row = reference::StoredRow(
              form.transform, form.transform.means, x.data() + static_cast<size_t>(t) * dim, dim);
          want.insert(want.end(), row.begin(), row.end());
        }
        for (const Ops* ops : Tables()) {
          PackedTokens packed =
              PackTokens(*ops, TestStream(), tensor, {{Exact(Element::kF32), tokens}}, dim, x);
          PackItem item{};
          item.shape = packed.parts[0].shape;
          item.out = packed.parts[0].data;
          item.source = x.data();
          item.tokens = tokens;
          item.transform = form.transform;
          ops->Pack(TestStream(), {OnHost<const PackItem>(&item), 1, dim});
          std::vector<float> got(want.size());
          UnpackOne(*ops, TestStream(), ReaderOf(packed.parts[0], got.data()), dim);
          const double away = Largest(got, want);
          Expect(Label("%s dim %d %s: %g", ops->name, dim, form.name, away), away < 2e-5);
        }
      }
  }
}

QPKV_TEST(MeanTokensEqualsReference) {
  for (int dim : HeadDims())
    for (int tokens : {0, 1, 70}) {
      const std::vector<float> x = RandomTokens(3, 90, dim);
      std::vector<int32_t> index(static_cast<size_t>(tokens));
      for (int t = 0; t < tokens; ++t) index[static_cast<size_t>(t)] = 89 - t;
      const auto mean = [&](const Ops& ops) {
        std::vector<float> out(static_cast<size_t>(dim), NAN);
        const MeanItem item{x.data(), OnHost<const int32_t>(index.data()), tokens, out.data()};
        ops.MeanTokens(TestStream(), {OnHost(&item), 1, dim});
        return out;
      };
      const std::vector<float> want = mean(Reference());
      for (const Ops* ops : Tables())
        ExpectEqualBytes(Label("%s dim %d tokens %d", ops->name, dim, tokens), mean(*ops).data(),
                         want.data(), sizeof(float) * want.size());
    }
}

// One head packed in a stored form, appended to, and asked.
struct Attended {
  std::vector<float> out, mass;
};

struct Question {
  int dim, tokens, rows, group;
  Transform keys, values;
  TensorFormat key, value;
  float cap;
  bool before;
};

// The tokens before the newest `rows` are packed, those are appended.
Attended Ask(const Ops& ops, const Ops& store, const Question& a, Precision precision) {
  PartNeeds needs;
  needs.positions = a.before;
  TensorFormat key = a.key, recent = Exact(Element::kF32);
  key.rope_before = recent.rope_before = a.before;
  const TensorFormat values[] = {a.value, Exact(Element::kF32)};
  const TensorFormat keys[] = {key, recent};
  const std::vector<float> k = RandomTokens(21, a.tokens, a.dim),
                           v = RandomTokens(22, a.tokens, a.dim);
  std::vector<int32_t> positions(static_cast<size_t>(a.tokens));
  for (int t = 0; t < a.tokens; ++t) positions[static_cast<size_t>(t)] = 2 * t;
  std::vector<Bytes> data;
  std::vector<Part> lists[2];
  std::vector<PackItem> items;
  const int packed = a.tokens - a.rows;
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
    const bool is_key = tensor == Tensor::kKey;
    const TensorFormat* formats = is_key ? keys : values;
    for (int first = 0, n = 0; first < a.tokens; first += n) {
      const int segment = first < packed ? 0 : 1;
      n = std::min(kTileTokens, segment == 0 ? packed - first : a.rows);
      const PartNeeds part_needs = is_key ? needs : PartNeeds{};
      const size_t bytes = LayoutOf(tensor, formats[segment], n, a.dim, part_needs).bytes;
      data.emplace_back(static_cast<uint8_t*>(AllocateAligned(bytes)), Released{bytes});
      std::memset(data.back().get(), 0xff, bytes);
      lists[is_key ? 0 : 1].push_back(
          {data.back().get(), first, static_cast<uint16_t>(n), static_cast<uint16_t>(segment)});
      if (segment == 1) continue;
      PackItem item{};
      item.shape = {tensor, OnHost(formats), part_needs, n};
      item.out = data.back().get();
      item.source = (is_key ? k : v).data() + static_cast<size_t>(first) * a.dim;
      item.positions = OnHost<const int32_t>(positions.data() + first);
      item.tokens = n;
      item.transform = is_key ? a.keys : a.values;
      items.push_back(item);
    }
  }
  store.Pack(TestStream(),
             {OnHost<const PackItem>(items.data()), static_cast<int>(items.size()), a.dim});
  HeadView view{};
  view.keys = lists[0].data();
  view.values = lists[1].data();
  view.key_parts = static_cast<int32_t>(lists[0].size());
  view.value_parts = static_cast<int32_t>(lists[1].size());
  view.tokens = a.tokens;
  view.last_position = view.last_index = 2 * a.tokens;
  std::vector<float> q = RandomTokens(23, a.rows * a.group, a.dim);
  for (float& x : q) x *= 0.6f;
  Attended result{std::vector<float>(q.size(), NAN),
                  std::vector<float>(static_cast<size_t>(a.tokens), NAN)};
  CacheItem item{};
  item.heads = &view;
  item.key_formats = keys;
  item.value_formats = values;
  item.q = q.data();
  item.out = result.out.data();
  item.keys = k.data() + static_cast<size_t>(packed) * a.dim;
  item.values = v.data() + static_cast<size_t>(packed) * a.dim;
  item.kv_stride = a.dim;
  item.token_mass = result.mass.data();
  item.mass_stride = a.tokens;
  item.rows = a.rows;
  item.head_count = item.heads_per_source = 1;
  item.group = a.group;
  item.q_stride = item.out_stride = a.group * a.dim;
  item.needs = needs;
  item.key_transform = a.keys;
  item.value_transform = a.values;
  store.AppendTokens(TestStream(), {&item, 1, a.dim, 1, a.rows});
  std::vector<float> inv_freq;
  for (int c = 0; c < a.dim / 2; ++c)
    inv_freq.push_back(static_cast<float>(std::pow(10000.0, -2.0 * c / a.dim)));
  DecodeAttentionArgs args{};
  args.items = &item;
  args.count = 1;
  args.dim = a.dim;
  args.most_heads = 1;
  args.most_rows = a.rows;
  args.scale = 1.0f / std::sqrt(static_cast<float>(a.dim));
  item.inv_freq = inv_freq.data();
  item.rope_scale = 1.0f;
  item.rotary_dim = a.dim / 2 * 2;
  args.precision = precision;
  args.cap = a.cap;
  args.most_group = item.group;
  ops.DecodeAttention(TestStream(), args);
  return result;
}

void CheckAttended(const std::string& label, const Question& a) {
  const Attended want = Ask(Reference(), Reference(), a, Precision::kF32);
  double rms = 0;
  for (float x : want.out) rms += static_cast<double>(x) * x;
  rms = std::sqrt(rms / static_cast<double>(want.out.size()));
  for (const Ops* ops : Tables())
    for (Precision precision : {Precision::kBf16, Precision::kF32}) {
      const Attended got = Ask(*ops, Reference(), a, precision);
      const double bound = precision == Precision::kF32 ? 3e-5 : 1e-2;
      const double away = Largest(got.out, want.out) / rms, mass = Largest(got.mass, want.mass);
      Expect(Label("%s %s %s: %g, mass %g", ops->name,
                   precision == Precision::kF32 ? "f32" : "bf16", label.c_str(), away, mass),
             away < bound && mass < bound);
    }
}

QPKV_TEST(DecodeAttentionOverStoredForms) {
  for (int dim : {6, 40, 64, 96, 128}) {
    const Forms forms(1, dim);
    for (const StoredForm& form : forms.all)
      for (bool before : {false, true})
        for (float cap : {0.0f, 3.0f}) {
          Question a{dim,
                     300,
                     3,
                     2,
                     form.transform,
                     {},
                     Coded(4, ScalePer::kChannel, 64),
                     Coded(4, ScalePer::kToken, dim),
                     cap,
                     before};
          a.values = form.transform;
          a.values.means = nullptr;
          CheckAttended(Label("%s dim %d cap %g%s", form.name, dim, static_cast<double>(cap),
                              before ? " before RoPE" : ""),
                        a);
        }
  }
}

// Rotating and centring exact tokens changes nothing but roundings.
QPKV_TEST(StoredFormsKeepAttention) {
  for (int dim : {6, 64, 96}) {
    const Forms forms(1, dim);
    for (float cap : {0.0f, 3.0f})
      for (bool before : {false, true}) {
        const Question plain{dim, 200,   2, 2, {}, {}, Exact(Element::kF32), Exact(Element::kF32),
                             cap, before};
        const Attended want = Ask(Reference(), Reference(), plain, Precision::kF32);
        for (const StoredForm& form : forms.all) {
          Question a = plain;
          a.keys = a.values = form.transform;
          a.values.means = nullptr;
          for (const Ops* ops : Tables()) {
            const double away = Largest(Ask(*ops, *ops, a, Precision::kF32).out, want.out);
            Expect(Label("%s %s dim %d cap %g: %g", ops->name, form.name, dim,
                         static_cast<double>(cap), away),
                   away < 1e-4);
          }
        }
      }
  }
}

QPKV_TEST(DecodeAttentionOverNormsBalancesAndZeros) {
  for (int dim : {20, 64, 100, 128})
    for (ScalePer per : {ScalePer::kChannel, ScalePer::kToken})
      for (int bits : {4, 3, 2}) {
        const int group = GroupOf(per, 128, dim);
        for (const TensorFormat& format :
             {Normed(bits, per, group, Solver::kKeepNorm, Element::kF16),
              Balanced(bits, per, group), InScale(bits, per, group)}) {
          const Question a{dim, 301, 1, 5, {}, {}, format, format, 0, false};
          CheckAttended(NameOf(format) + Label(" dim %d", dim), a);
        }
      }
}

// Balancing evens out the spreads of rows and columns, and the codes are the better for it.
QPKV_TEST(BalanceEvensSpreads) {
  const int rows = 64, columns = 128;
  reference::BalanceMatrix m{rows, columns, {}};
  const std::vector<float> noise = RandomTokens(31, rows, columns);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c)
      m.x.push_back(noise[static_cast<size_t>(r * columns + c)] * (c % 16 == 3 ? 30 : 2) *
                    (r % 8 == 1 ? 12 : 3));
  const std::vector<double> ones(rows, 1.0), factors = reference::FindBalance(m, 16),
                                             none(columns, 1.0);
  const auto uneven = [&](const std::vector<double>& by) {
    const std::vector<double> spread = reference::Deviations(m, ones, by, true);
    return *std::max_element(spread.begin(), spread.end()) /
           *std::min_element(spread.begin(), spread.end());
  };
  Expect(Label("%g to %g", uneven(none), uneven(factors)), uneven(factors) < 0.3 * uneven(none));
}

}  // namespace
}  // namespace qpkv

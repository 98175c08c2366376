// Attention of a few query rows over packed parts, flash-decoding style. A head's tokens are cut
// into runs of at least RunTokens at offsets where key parts and value parts both end; a unit is
// one run. It computes the logits of all rows, their exponentials against the run's own maximum,
// and the weighted sum of the values, reading every byte of the cache once for all rows. Runs are
// merged in order, so that nothing depends on the number of threads.
#pragma once
#include "base/stream.h"
#include "kernels/decode_attention_keys.inl.h"
#include "kernels/decode_attention_runs.inl.h"
#include "kernels/decode_attention_values.inl.h"
#include "kernels/soft_cap.inl.h"

namespace qpkv {
namespace {

// One stored head of an item: `rows` query rows, those of one query head behind those of another.
struct HeadWork {
  const CacheItem* item;
  const HeadView* head;
  int index, rows;
};

QPKV_INLINE const float* QueryOf(const HeadWork& w, int row, int dim) {
  const int head = w.index * w.item->group + row / w.item->rows;
  return w.item->q + static_cast<size_t>(row % w.item->rows) * w.item->q_stride +
         static_cast<size_t>(head) * dim;
}

QPKV_INLINE float* OutOf(const HeadWork& w, int row, int dim) {
  const int head = w.index * w.item->group + row / w.item->rows;
  return w.item->out + static_cast<size_t>(row % w.item->rows) * w.item->out_stride +
         static_cast<size_t>(head) * dim;
}

QPKV_INLINE float* MassOf(const HeadWork& w) {
  return w.item->token_mass
             ? w.item->token_mass + static_cast<size_t>(w.index) * w.item->mass_stride
             : nullptr;
}

QPKV_INLINE const float* KeyMeansOf(const HeadWork& w, int dim) {
  const float* means = w.item->key_transform.means;
  return means ? means + static_cast<size_t>(w.index) * dim : nullptr;
}

QPKV_INLINE int FirstSeen(const HeadWork& w, int row) {
  return w.item->hidden ? w.item->hidden[w.index * w.item->rows + row % w.item->rows] : 0;
}

QPKV_INLINE int SeenEnd(const HeadWork& w, int row) {
  return w.head->tokens - w.item->rows + row % w.item->rows + 1;
}

// Whether the bf16 pair kernels read this format: exact bf16 and all codes. Other exact types would
// lose bits.
QPKV_INLINE bool TakesPairs(const TensorFormat& format, Precision precision, Tensor tensor) {
  if (precision == Precision::kF32 || (tensor == Tensor::kKey && format.rope_before)) return false;
  return format.bits != 16 || format.element == Element::kBf16;
}

// All keys of a head lack the same mean, which no softmax sees; a cap does.
static void AddMeans(int tokens, const UnitScratch& s) {
  for (int r = 0; r < s.rows; ++r)
    for (int t = 0; t < tokens; t += 16) {
      float* logits = s.logits + r * s.logits_stride + t;
      Store(logits, Add(Load(logits), Set(s.row_means[r])));
    }
}

// Logits to base 2 are capped as those to base e would be.
static void CapLogits(float cap, int tokens, const UnitScratch& s) {
  const SoftCap soft = SoftCapOf(cap * 1.44269504f);
  for (int r = 0; r < s.rows; ++r)
    for (int t = 0; t < tokens; t += 16) {
      float* logits = s.logits + r * s.logits_stride + t;
      Store(logits, Capped(soft, Load(logits)));  // rows are padded
    }
}

// Logits that do not count become -infinity: slots whose valid bit is cleared, and tokens that a
// row does not see.
static void HideTokens(const HeadWork& w, const Run& run, int first_row, const UnitScratch& s,
                       int dim) {
  const HeadView& head = *w.head;
  const float hidden = -__builtin_inff();
  int first = 0;
  for (int i = run.key_begin; i < run.key_end && w.item->needs.mask; ++i) {
    const Part& part = head.keys[i];
    const int tokens = TokensOf(head.keys, head.key_parts, i, head.tokens);
    const PartLayout at = LayoutOf(Tensor::kKey, w.item->key_formats[part.segment],
                                   part.part_tokens, dim, w.item->needs);
    for (int t = 0; t < tokens; ++t)
      if (!((part.data[at.mask + t / 8] >> (t % 8)) & 1))
        for (int r = 0; r < s.rows; ++r) s.logits[r * s.logits_stride + first + t] = hidden;
    first += tokens;
  }
  for (int r = 0; r < s.rows; ++r) {
    float* logits = s.logits + r * s.logits_stride;
    const int begin = MinInt(FirstSeen(w, first_row + r) - run.first, run.tokens);
    const int end = MaxInt(SeenEnd(w, first_row + r) - run.first, 0);
    for (int t = 0; t < begin; ++t) logits[t] = hidden;
    for (int t = end; t < run.tokens; ++t) logits[t] = hidden;
  }
}

// Logits of one row (to base 2) become exponentials against the run's largest; zeros follow up to
// the padded length.
template <bool kFast>
static void Exponentials(float* logits, int tokens, float* largest, float* sum) {
  const int padded = static_cast<int>(RoundUp(tokens, 16));
  for (int t = tokens; t < padded; ++t) logits[t] = -__builtin_inff();
  for (int t = padded; t < static_cast<int>(LogitsStride(tokens)); ++t) logits[t] = 0;
  F32x16 best = Set(-__builtin_inff());
  for (int t = 0; t < padded; t += 16) best = Max(Load(logits + t), best);
  float most = ReduceMax(best);
  *largest = most;
  if (most == -__builtin_inff()) most = 0;  // nothing visible here
  F32x16 total = Zero();
  for (int t = 0; t < padded; t += 16) {
    const F32x16 x = Sub(Load(logits + t), Set(most));
    const F32x16 p = kFast ? Exp2Fast(x) : Exp2Down(x);
    Store(logits + t, p);
    total = Add(total, p);
  }
  *sum = ReduceAdd(total);
}

// Queries as they meet stored keys, and, where the logits are capped, what they have in common with
// all keys of the head.
static void TransformQueries(const DecodeAttentionArgs& a, const HeadWork& w, const UnitScratch& s,
                             bool before) {
  const Transform& keys = w.item->key_transform;
  const float* means = KeyMeansOf(w, a.dim);
  for (int r = 0; r < s.rows && !before; ++r) {
    float* q = s.q + r * s.q_stride;
    s.row_means[r] = 0;
    for (int c = 0; means && c < a.dim; ++c) s.row_means[r] += q[c] * means[c];
    if (!keys.rotate) continue;
    if (keys.signs) MultiplySigns(keys.signs, a.dim, q);
    RotateRow(*s.rotation, q);
  }
}

// Rows of a unit that are worked on together: their logits stay in the second-level cache.
constexpr int kUnitRows = 64;

// The rows [first_row, first_row + s.rows) of one run.
static void ComputeRun(const DecodeAttentionArgs& a, const HeadWork& w, const Run& run,
                       const ReadingOrder& order, int first_row, UnitScratch s, float* mass_rows,
                       size_t mass_stride) {
  const HeadView& head = *w.head;
  const float factor = a.scale * 1.44269504f;
  for (int r = 0; r < s.rows; ++r) {
    float* q = s.q + r * s.q_stride;
    const float* from = QueryOf(w, first_row + r, a.dim);
    for (int c = 0; c < a.dim; ++c) q[c] = from[c] * factor;
    for (int c = a.dim; c < static_cast<int>(s.q_stride); ++c) q[c] = 0;
  }
  // One layer stores all of its keys before RoPE, or none.
  const bool before = run.key_begin < run.key_end &&
                      w.item->key_formats[head.keys[run.key_begin].segment].rope_before;
  if (w.item->key_transform.rotate) MakeRotation(a.dim, s.rotation);
  if (!w.item->key_transform.none()) TransformQueries(a, w, s, before);
  const RopeRotation rope = {w.item->inv_freq, w.item->rope_scale, w.item->rotary_dim};
  int first = 0;
  TileView keys{}, values{};
  for (int i = run.key_begin; i < run.key_end; ++i) {
    const Part& part = head.keys[i];
    const int tokens = TokensOf(head.keys, head.key_parts, i, head.tokens);
    if (tokens == 0) continue;
    const TensorFormat& format = w.item->key_formats[part.segment];
    MoveView(Tensor::kKey, part, &format, tokens, a.dim, w.item->needs, &keys);
    const uint8_t* next = order.Ahead(i - run.key_begin, keys.at.bytes);
    if (TakesPairs(format, a.precision, Tensor::kKey))
      KeyPart(keys, s, s.logits + first, next);
    else
      KeyPartFloats(keys, s, &rope, w.item->key_transform, KeyMeansOf(w, a.dim), s.logits + first);
    first += tokens;
  }
  if (a.cap > 0 && w.item->key_transform.means && !before) AddMeans(run.tokens, s);
  if (a.cap > 0) CapLogits(a.cap, run.tokens, s);
  HideTokens(w, run, first_row, s, a.dim);
  for (int r = 0; r < s.rows; ++r) {
    const int row = first_row + r;
    float* logits = s.logits + r * s.logits_stride;
    if (a.precision == Precision::kF32)
      Exponentials<false>(logits, run.tokens, run.largest + row, run.sum + row);
    else
      Exponentials<true>(logits, run.tokens, run.largest + row, run.sum + row);
    if (mass_rows)
      std::memcpy(mass_rows + row * mass_stride + run.first, logits, sizeof(float) * run.tokens);
  }
  s.out = run.out + first_row * s.out_stride;
  std::memset(s.out, 0, sizeof(float) * s.rows * s.out_stride);
  first = 0;
  for (int i = run.value_begin; i < run.value_end; ++i) {
    const Part& part = head.values[i];
    const int tokens = TokensOf(head.values, head.value_parts, i, head.tokens);
    if (tokens == 0) continue;
    const TensorFormat& format = w.item->value_formats[part.segment];
    MoveView(Tensor::kValue, part, &format, tokens, a.dim, {}, &values);
    const uint8_t* next = order.Ahead(order.key_count + i - run.value_begin, values.at.bytes);
    if (TakesPairs(format, a.precision, Tensor::kValue))
      ValuePart(values, s, s.logits + first, next);
    else
      ValuePartFloats(values, s, s.logits + first);
    first += tokens;
  }
}

// Merges the runs of one head in order. `factors`: [runs] of scratch.
static void MergeRuns(const DecodeAttentionArgs& a, const HeadWork& w, const Run* runs, int count,
                      const float* mass_rows, size_t mass_stride, float* factors) {
  const size_t stride = RoundUp(a.dim, 16);
  float* mass = MassOf(w);
  Rotation rotation;
  if (w.item->value_transform.rotate) MakeRotation(a.dim, &rotation);
  if (mass) std::memset(mass, 0, sizeof(float) * w.head->tokens);
  for (int r = 0; r < w.rows; ++r) {
    float most = -__builtin_inff();
    for (int i = 0; i < count; ++i)
      most = runs[i].largest[r] > most || runs[i].largest[r] != runs[i].largest[r]
                 ? runs[i].largest[r]
                 : most;
    float sum = 0;
    for (int i = 0; i < count; ++i) {
      const float largest = runs[i].largest[r];
      alignas(64) float lanes[16];
      Store(lanes, Exp2(Set(largest - most)));
      factors[i] = largest == -__builtin_inff() ? 0.0f : lanes[0];
      sum += runs[i].sum[r] * factors[i];
    }
    const float inverse = sum == 0 ? 0.0f : 1.0f / sum;
    float* out = OutOf(w, r, a.dim);
    for (int c = 0; c < a.dim; c += 16) {
      F32x16 total = Zero();
      for (int i = 0; i < count; ++i)
        total = Fma(Load(runs[i].out + r * stride + c), Set(factors[i]), total);
      StoreN(out + c, Mul(total, Set(inverse)), MinInt(a.dim - c, 16));
    }
    if (w.item->value_transform.rotate) RestoreRow(w.item->value_transform, rotation, out);
    if (!mass) continue;
    for (int i = 0; i < count; ++i) {
      const F32x16 share = Set(factors[i] * inverse);
      for (int t = 0; t < runs[i].tokens; t += 16) {
        const int n = MinInt(runs[i].tokens - t, 16), token = runs[i].first + t;
        const F32x16 p = LoadN(mass_rows + r * mass_stride + token, n);
        StoreN(mass + token, Fma(p, share, LoadN(mass + token, n)), n);
      }
    }
  }
}

// Where the pieces of one head lie.
struct HeadPlan {
  HeadWork work;
  int first_run, runs;
  float* mass_rows;  // [rows, mass_stride] exponentials, or null
  size_t mass_stride;
  float* factors;  // [runs]
};

struct DecodePlan {
  Run* runs;
  HeadPlan* heads;
  int run_count, head_count;
  size_t scratch_bytes;  // of one thread
};

// Lays out shared memory; with a null base only counts (`plan` then gets counts and sizes).
static size_t LayOutDecode(const DecodeAttentionArgs& a, uint8_t* base, DecodePlan* plan) {
  BumpAllocator c{base};
  plan->runs = c.Take<Run>(plan->run_count);
  plan->heads = c.Take<HeadPlan>(plan->head_count);
  plan->run_count = plan->head_count = 0;
  plan->scratch_bytes = 0;
  for (int i = 0; i < a.count; ++i)
    for (int h = 0; h < a.items[i].head_count; ++h) {
      const CacheItem& item = a.items[i];
      HeadPlan of{};
      of.work = {&item, &item.heads[h], h, item.group * item.rows};
      of.first_run = plan->run_count;
      of.mass_stride = RoundUp(of.work.head->tokens, 16);
      of.mass_rows = item.token_mass ? c.Take<float>(of.work.rows * of.mass_stride) : nullptr;
      ForRuns(*of.work.head, item.head_count, plan->head_count, [&](Run run) {
        run.out = c.Take<float>(of.work.rows * RoundUp(a.dim, 16));
        run.largest = c.Take<float>(of.work.rows);
        run.sum = c.Take<float>(of.work.rows);
        BumpAllocator unit{nullptr};
        AllocateUnit(&unit, MinInt(of.work.rows, kUnitRows), run.tokens, a.dim);
        plan->scratch_bytes = unit.used > plan->scratch_bytes ? unit.used : plan->scratch_bytes;
        if (base) plan->runs[plan->run_count] = run;
        ++plan->run_count;
      });
      of.runs = plan->run_count - of.first_run;
      of.factors = c.Take<float>(of.runs);
      if (base) plan->heads[plan->head_count] = of;
      ++plan->head_count;
    }
  return c.used;
}

static void DecodeAttention(Stream& stream, const DecodeAttentionArgs& a) {
  DecodePlan plan{};
  LayOutDecode(a, nullptr, &plan);  // first how many runs and heads there are, then their bytes
  const size_t bytes = LayOutDecode(a, nullptr, &plan);
  LayOutDecode(a, static_cast<uint8_t*>(stream.SharedScratch(bytes)), &plan);
  const auto merge = [&](const HeadPlan& of) {
    MergeRuns(a, of.work, plan.runs + of.first_run, of.runs, of.mass_rows, of.mass_stride,
              of.factors);
  };
  stream.ParallelFor(plan.run_count, [&](int unit, int thread) {
    const Run& run = plan.runs[unit];
    const HeadPlan& of = plan.heads[run.work];
    BumpAllocator c{static_cast<uint8_t*>(stream.Scratch(thread, plan.scratch_bytes))};
    const HeadView& head = *of.work.head;
    ReadingOrder order = {head.keys + run.key_begin,   head.values + run.value_begin,   nullptr,
                          run.key_end - run.key_begin, run.value_end - run.value_begin, 0};
    if (const int later = unit + stream.threads(); later < plan.run_count) {
      const Run& after = plan.runs[later];
      order.after = plan.heads[after.work].work.head->keys + after.key_begin;
      order.after_count = after.key_end - after.key_begin;
    }
    UnitScratch s = AllocateUnit(&c, MinInt(of.work.rows, kUnitRows), run.tokens, a.dim);
    for (int row = 0; row < of.work.rows; row += kUnitRows) {
      s.rows = MinInt(of.work.rows - row, kUnitRows);
      ComputeRun(a, of.work, run, order, row, s, of.mass_rows, of.mass_stride);
    }
    if (of.runs == 1) merge(of);
  });
  bool later = false;
  for (int i = 0; i < plan.head_count; ++i) later = later || plan.heads[i].runs != 1;
  if (!later) return;
  stream.ParallelFor(plan.head_count, [&](int i, int) {
    if (plan.heads[i].runs != 1) merge(plan.heads[i]);
  });
}

}  // namespace
}  // namespace qpkv

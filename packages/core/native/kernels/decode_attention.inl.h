// Attention of a few query rows over packed parts, flash-decoding style. An item's tokens are cut
// into runs of at least RunTokens at offsets where key parts and value parts both end; a unit is
// one run. It computes the logits of all rows, their exponentials against the run's own maximum,
// and the weighted sum of the values, reading every byte of the cache once for all rows. Runs are
// merged in order, so that nothing depends on the number of threads.
#pragma once
#include "base/stream.h"
#include "kernels/decode_attention_keys.inl.h"
#include "kernels/decode_attention_values.inl.h"
#include "kernels/soft_cap.inl.h"

namespace qpkv {
namespace {

// Tokens of a run: a sixteenth of a long item, so that many threads find work and a run still
// amortizes its start.
QPKV_INLINE int RunTokens(int tokens) { return MinInt(MaxInt(tokens / 16, 512), 4096); }

struct Run {
  int item, key_begin, key_end, value_begin, value_end, first, tokens;
  float* out;      // [rows, dim padded to 16], not normalized
  float* largest;  // [rows] largest logit
  float* sum;      // [rows] of exponentials
};

// Calls use(run) for the runs of one item, in order.
template <class Use>
QPKV_INLINE void ForRuns(const HeadView& head, int item, const Use& use) {
  Run run{};
  run.item = item;
  const int least = RunTokens(head.tokens);
  int keys = 0, values = 0, key_tokens = 0, value_tokens = 0;
  while (keys < head.key_parts || values < head.value_parts) {
    if (values == head.value_parts || (keys < head.key_parts && key_tokens <= value_tokens)) {
      key_tokens += head.keys[keys++].tokens;
    } else {
      value_tokens += head.values[values++].tokens;
    }
    const bool end = keys == head.key_parts && values == head.value_parts;
    const int tokens = key_tokens - run.first;
    if (key_tokens != value_tokens || tokens == 0 || (tokens < least && !end)) continue;
    run.key_end = keys;
    run.value_end = values;
    run.tokens = tokens;
    use(run);
    run.key_begin = keys;
    run.value_begin = values;
    run.first = key_tokens;
  }
}

// Whether the bf16 pair kernels read this format: exact bf16 and all codes. Other exact types would
// lose bits.
QPKV_INLINE bool TakesPairs(const TensorFormat& format, Precision precision, Tensor tensor) {
  if (precision == Precision::kF32 || (tensor == Tensor::kKey && format.rope_before)) return false;
  return format.bits != 16 || format.element == Element::kBf16;
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
static void HideTokens(const DecodeAttentionArgs& a, const Run& run, const UnitScratch& s) {
  const DecodeItem& item = a.items[run.item];
  const float hidden = -__builtin_inff();
  int first = 0;
  for (int i = run.key_begin; i < run.key_end; ++i) {
    const Part& part = item.head.keys[i];
    if (part.needs.mask && part.tokens > 0) {
      const PartLayout at =
          LayoutOf(Tensor::kKey, *part.format, part.part_tokens, a.dim, part.needs);
      for (int t = 0; t < part.tokens; ++t)
        if (!((part.data[at.mask + t / 8] >> (t % 8)) & 1))
          for (int r = 0; r < s.rows; ++r) s.logits[r * s.logits_stride + first + t] = hidden;
    }
    first += part.tokens;
  }
  for (int r = 0; r < s.rows; ++r) {
    float* logits = s.logits + r * s.logits_stride;
    const int begin = item.hidden ? MinInt(item.hidden[r] - run.first, run.tokens) : 0;
    const int end = item.visible ? MaxInt(item.visible[r] - run.first, 0) : run.tokens;
    for (int t = 0; t < begin; ++t) logits[t] = hidden;
    for (int t = end; t < run.tokens; ++t) logits[t] = hidden;
  }
}

// Logits of one row (to base 2) become exponentials against the run's largest; zeros follow up to
// the padded length.
static void Exponentials(float* logits, int tokens, float* largest, float* sum) {
  const int padded = static_cast<int>(RoundUp(tokens, 16));
  for (int t = tokens; t < padded; ++t) logits[t] = -__builtin_inff();
  F32x16 best = Set(-__builtin_inff());
  for (int t = 0; t < padded; t += 16) best = Max(Load(logits + t), best);
  float most = ReduceMax(best);
  *largest = most;
  if (most == -__builtin_inff()) most = 0;  // nothing visible here
  F32x16 total = Zero();
  for (int t = 0; t < padded; t += 16) {
    const F32x16 p = Exp2(Sub(Load(logits + t), Set(most)));
    Store(logits + t, p);
    total = Add(total, p);
  }
  *sum = ReduceAdd(total);
}

static void ComputeRun(const DecodeAttentionArgs& a, const Run& run, UnitScratch s,
                       float* mass_rows, size_t mass_stride) {
  const DecodeItem& item = a.items[run.item];
  const HeadView& head = item.head;
  const float factor = a.scale * 1.44269504f;
  for (int r = 0; r < item.rows; ++r) {
    float* q = s.q + r * s.q_stride;
    for (int c = 0; c < a.dim; ++c)
      q[c] = item.q[static_cast<size_t>(r) * item.q_stride + c] * factor;
    for (int c = a.dim; c < static_cast<int>(s.q_stride); ++c) q[c] = 0;
  }
  const RopeTurns rope = {a.inv_freq, a.rope_scale, a.turned};
  int first = 0;
  for (int i = run.key_begin; i < run.key_end; ++i) {
    const Part& part = head.keys[i];
    if (part.tokens == 0) continue;
    const TileView v = ViewOf(Tensor::kKey, part.data, part.format, part.tokens, part.part_tokens,
                              a.dim, part.needs);
    const uint8_t* next = i + 1 < run.key_end               ? head.keys[i + 1].data
                          : run.value_begin < run.value_end ? head.values[run.value_begin].data
                                                            : nullptr;
    if (TakesPairs(*part.format, a.precision, Tensor::kKey))
      KeyPartPairs(v, s, s.logits + first, next);
    else
      KeyPartFloats(v, s, &rope, s.logits + first);
    first += part.tokens;
  }
  if (a.cap > 0) CapLogits(a.cap, run.tokens, s);
  HideTokens(a, run, s);
  for (int r = 0; r < item.rows; ++r) {
    float* logits = s.logits + r * s.logits_stride;
    Exponentials(logits, run.tokens, run.largest + r, run.sum + r);
    if (mass_rows)
      std::memcpy(mass_rows + r * mass_stride + run.first, logits, sizeof(float) * run.tokens);
  }
  s.out = run.out;
  std::memset(s.out, 0, sizeof(float) * item.rows * s.out_stride);
  first = 0;
  for (int i = run.value_begin; i < run.value_end; ++i) {
    const Part& part = head.values[i];
    if (part.tokens == 0) continue;
    const TileView v = ViewOf(Tensor::kValue, part.data, part.format, part.tokens, part.part_tokens,
                              a.dim, part.needs);
    const uint8_t* next = i + 1 < run.value_end ? head.values[i + 1].data : nullptr;
    if (TakesPairs(*part.format, a.precision, Tensor::kValue))
      ValuePartPairs(v, s, s.logits + first, next);
    else
      ValuePartFloats(v, s, s.logits + first);
    first += part.tokens;
  }
}

// Merges the runs of one item in order. `factors`: [runs] of scratch.
static void MergeRuns(const DecodeAttentionArgs& a, const DecodeItem& item, const Run* runs,
                      int count, const float* mass_rows, size_t mass_stride, float* factors) {
  const size_t stride = RoundUp(a.dim, 16);
  if (item.token_mass) std::memset(item.token_mass, 0, sizeof(float) * item.head.tokens);
  for (int r = 0; r < item.rows; ++r) {
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
    float* out = item.out + static_cast<size_t>(r) * item.out_stride;
    for (int c = 0; c < a.dim; c += 16) {
      F32x16 total = Zero();
      for (int i = 0; i < count; ++i)
        total = Fma(Load(runs[i].out + r * stride + c), Set(factors[i]), total);
      StoreN(out + c, Mul(total, Set(inverse)), MinInt(a.dim - c, 16));
    }
    if (!item.token_mass) continue;
    for (int i = 0; i < count; ++i) {
      const F32x16 share = Set(factors[i] * inverse);
      for (int t = 0; t < runs[i].tokens; t += 16) {
        const int n = MinInt(runs[i].tokens - t, 16), token = runs[i].first + t;
        const F32x16 p = LoadN(mass_rows + r * mass_stride + token, n);
        StoreN(item.token_mass + token, Fma(p, share, LoadN(item.token_mass + token, n)), n);
      }
    }
  }
}

// Where the pieces of one item lie.
struct ItemPlan {
  int first_run, runs;
  float* mass_rows;  // [rows, mass_stride] exponentials, or null
  size_t mass_stride;
  float* factors;  // [runs]
};

struct DecodePlan {
  Run* runs;
  ItemPlan* items;
  int run_count;
  size_t scratch_bytes;  // of one thread
};

// Lays out shared memory; with a null base only counts (`plan` then gets counts and sizes).
static size_t LayOutDecode(const DecodeAttentionArgs& a, uint8_t* base, int run_count,
                           DecodePlan* plan) {
  Carver c{base};
  plan->runs = c.Take<Run>(run_count);
  plan->items = c.Take<ItemPlan>(a.count);
  plan->run_count = 0;
  plan->scratch_bytes = 0;
  for (int i = 0; i < a.count; ++i) {
    const DecodeItem& item = a.items[i];
    ItemPlan of{};
    of.first_run = plan->run_count;
    of.mass_stride = RoundUp(item.head.tokens, 16);
    of.mass_rows = item.token_mass ? c.Take<float>(item.rows * of.mass_stride) : nullptr;
    ForRuns(item.head, i, [&](Run run) {
      run.out = c.Take<float>(item.rows * RoundUp(a.dim, 16));
      run.largest = c.Take<float>(item.rows);
      run.sum = c.Take<float>(item.rows);
      Carver unit{nullptr};
      CarveUnit(&unit, item.rows, run.tokens, a.dim);
      plan->scratch_bytes = unit.used > plan->scratch_bytes ? unit.used : plan->scratch_bytes;
      if (base) plan->runs[plan->run_count] = run;
      ++plan->run_count;
    });
    of.runs = plan->run_count - of.first_run;
    of.factors = c.Take<float>(of.runs);
    if (base) plan->items[i] = of;
  }
  return c.used;
}

static void DecodeAttention(Stream& stream, const DecodeAttentionArgs& a) {
  DecodePlan plan;
  LayOutDecode(a, nullptr, 0, &plan);
  const int run_count = plan.run_count;
  const size_t bytes = LayOutDecode(a, nullptr, run_count, &plan);
  LayOutDecode(a, static_cast<uint8_t*>(stream.SharedScratch(bytes)), run_count, &plan);
  const auto merge = [&](int i) {
    const ItemPlan& of = plan.items[i];
    MergeRuns(a, a.items[i], plan.runs + of.first_run, of.runs, of.mass_rows, of.mass_stride,
              of.factors);
  };
  stream.ParallelFor(plan.run_count, [&](int unit, int thread) {
    const Run& run = plan.runs[unit];
    const ItemPlan& of = plan.items[run.item];
    Carver c{static_cast<uint8_t*>(stream.Scratch(thread, plan.scratch_bytes))};
    ComputeRun(a, run, CarveUnit(&c, a.items[run.item].rows, run.tokens, a.dim), of.mass_rows,
               of.mass_stride);
    if (of.runs == 1) merge(run.item);
  });
  bool later = false;
  for (int i = 0; i < a.count; ++i) later = later || plan.items[i].runs != 1;
  if (!later) return;
  stream.ParallelFor(a.count, [&](int i, int) {
    if (plan.items[i].runs != 1) merge(i);
  });
}

}  // namespace
}  // namespace qpkv

// NoteNan, CountTokens and Sample of every table against the reference.
#include <cmath>
#include <cstring>
#include <limits>

#include "test/harness.h"

namespace qpkv {
namespace {

QPKV_TEST(NoteNan) {
  Random random(6);
  for (int rows : {1, 3, 17, 40})
    for (int dim : {1, 5, 16, 31, 1000}) {
      std::vector<float> x = random.Normals(static_cast<size_t>(rows) * dim);
      x[0] = INFINITY;  // is a number
      for (int i = 0; i < 3; ++i) x[static_cast<size_t>(random.Below(rows * dim))] = NAN;
      std::vector<int32_t> before(static_cast<size_t>(rows), -1);
      before[static_cast<size_t>(random.Below(rows))] = 2;  // an earlier note stays
      std::vector<int32_t> want = before;
      Reference().NoteNan(TestStream(), {x.data(), rows, dim, 7, want.data()});
      for (const Ops* ops : Tables()) {
        std::vector<int32_t> got = before;
        ops->NoteNan(TestStream(), {x.data(), rows, dim, 7, got.data()});
        ExpectEqualBytes(Label("%s note nan %d x %d", ops->name, rows, dim), got.data(),
                         want.data(), got.size() * sizeof(int32_t));
      }
    }
}

QPKV_TEST(CountTokens) {
  const std::vector<int32_t> ids = {4, 0, 4, 6, 4};
  for (const Ops* ops : Tables()) {
    std::vector<int32_t> counts = {0, 0, 3, 0, 1, 0, 0};
    ops->CountTokens(TestStream(), {ids.data(), 5, counts.data()});
    Expect(Label("%s counts", ops->name), counts == std::vector<int32_t>({1, 0, 3, 0, 4, 0, 1}));
  }
}

// One row's settings with what they point to.
struct Choice {
  std::vector<float> logits, bias;
  std::vector<uint32_t> allowed;
  std::vector<int32_t> bias_ids, counts;
  SampleRow row{};
};

Choice MakeChoice(Random* random, int vocab, int variant) {
  Choice choice;
  choice.logits = random->Normals(static_cast<size_t>(vocab), 3.0f);
  // Equal logits: the lower id is first.
  for (int i = 0; i < vocab / 4; ++i)
    choice.logits[static_cast<size_t>(random->Below(vocab))] = choice.logits[0];
  for (int i = 0; i < (vocab + 31) / 32; ++i) choice.allowed.push_back(random->Next());
  for (int i = 0; i < vocab; ++i) choice.counts.push_back(random->Below(3));
  for (int i = 0; i < vocab; i += 5) {
    choice.bias_ids.push_back(i);
    choice.bias.push_back(random->Normal() * 4);
  }
  SampleRow& row = choice.row;
  row.temperature = variant % 3 * 0.7;
  row.top_p = variant % 4 == 1 ? 0.8 : 1;
  row.min_p = variant % 5 == 2 ? 0.1 : 0;
  row.top_k = variant % 4 == 2 ? 7 : 0;
  row.repetition_penalty = 1.3;
  row.presence_penalty = variant % 2 * 0.5;
  row.frequency_penalty = variant % 3 * 0.25;
  row.uniform = random->Uniform();
  row.logprobs = variant % 7 - 1;
  if (variant % 11 == 10) row.logprobs = 100;  // more than are reported
  if (variant % 3 != 1) choice.counts.clear();
  if (variant % 5 > 2) choice.allowed.clear();
  if (variant % 13 == 12) choice.allowed.assign(static_cast<size_t>(vocab + 31) / 32, 0);
  if (variant % 2 == 0) choice.bias_ids.clear();
  return choice;
}

SampleRow Pointed(const Choice& choice) {
  SampleRow row = choice.row;
  row.logits = choice.logits.data();
  row.allowed = choice.allowed.empty() ? nullptr : choice.allowed.data();
  row.counts = choice.counts.empty() ? nullptr : choice.counts.data();
  row.bias_ids = choice.bias_ids.data();
  row.bias = choice.bias.data();
  row.bias_count = static_cast<int32_t>(choice.bias_ids.size());
  return row;
}

QPKV_TEST(Sample) {
  Random random(7);
  for (int vocab : {1, 2, 31, 33, 500, 32000}) {
    std::vector<Choice> choices;
    for (int variant = 0; variant < (vocab > 1000 ? 20 : 200); ++variant)
      choices.push_back(MakeChoice(&random, vocab, variant));
    std::vector<SampleRow> rows;
    for (const Choice& choice : choices) rows.push_back(Pointed(choice));
    const int count = static_cast<int>(rows.size());
    std::vector<SampledToken> want(rows.size()), got(rows.size());
    Reference().Sample(TestStream(), {rows.data(), count, vocab, want.data()});
    for (const Ops* ops : Tables()) {
      std::memset(static_cast<void*>(got.data()), 0xaa, got.size() * sizeof(SampledToken));
      ops->Sample(TestStream(), {rows.data(), count, vocab, got.data()});
      for (size_t i = 0; i < got.size(); ++i) {
        const std::string label = Label("%s sample %zu of vocab %d", ops->name, i, vocab);
        Expect(label + Label(": %d for %d", got[i].id, want[i].id), got[i].id == want[i].id);
        ExpectEqualBytes(label + " likeliest", got[i].likeliest, want[i].likeliest,
                         sizeof got[i].likeliest);
        ExpectNear(label + " logprob", &got[i].logprob, &want[i].logprob, 1, 1e-6);
        ExpectNear(label + " logprobs", got[i].logprobs, want[i].logprobs, kMostLogprobs, 1e-6);
      }
    }
  }
}

// What is asked for happens: the reference alone could be wrong in the same way.
QPKV_TEST(SampleDoesWhatItSays) {
  const std::vector<float> logits = {1, 3, 2, 3, -1}, neighbours = {3, 3, 1, 2, -1};
  SampleRow row{};
  row.logits = logits.data();
  row.top_p = row.repetition_penalty = 1;
  row.logprobs = 2;
  const auto choose = [&] {
    SampledToken out{};
    Tables()[0]->Sample(TestStream(), {&row, 1, 5, &out});
    return out;
  };
  Expect("greedy takes the lower of equals", choose().id == 1);
  row.logits = neighbours.data();
  Expect("of neighbours, too", choose().id == 0 && choose().likeliest[0] == 0);
  row.logits = logits.data();
  Expect("likeliest", choose().likeliest[0] == 1 && choose().likeliest[1] == 3);
  const uint32_t mask = 0b10101;
  row.allowed = &mask;
  Expect("mask", choose().id == 2);
  const uint32_t none = 0;
  row.allowed = &none;
  Expect("nothing allowed", choose().id == -1);
  row.allowed = nullptr;
  const std::vector<int32_t> counts = {0, 4, 0, 1, 0}, ids = {0};
  row.counts = counts.data();
  row.frequency_penalty = 0.1;
  Expect("frequency", choose().id == 3);
  row.frequency_penalty = 0, row.presence_penalty = 1.5;
  Expect("presence", choose().id == 2);
  row.presence_penalty = 0, row.repetition_penalty = 4;
  Expect("repetition", choose().id == 2);
  const float bias = 1.5f;
  row.bias_ids = ids.data(), row.bias = &bias, row.bias_count = 1;
  Expect("bias", choose().id == 0);
  row.bias_count = 0, row.counts = nullptr, row.temperature = 1;
  row.uniform = 0;
  Expect("the first for 0", choose().id == 1);
  row.uniform = 0.9999999;
  Expect("the last for nearly 1", choose().id == 4);
  row.top_k = 2;
  Expect("top k", choose().id == 3);
}

}  // namespace
}  // namespace qpkv

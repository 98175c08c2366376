// The operation entropy-gate of every table against the reference, and by hand.
#include <cmath>

#include "test/harness.h"

namespace qpkv {
namespace {

std::vector<float> Gate(const Ops& ops, Stream& stream, const std::vector<float>& x, int rows,
                        int scored, double block, double rescue, double skip) {
  ScoreOperationArgs args{};
  args.op = ScoreOp::kEntropyGate;
  args.rows = args.out_rows = rows;
  args.tokens = static_cast<int>(x.size()) / rows;
  args.scored = scored;
  args.options[score_ops::entropy_gate::kBlock] = block;
  args.options[score_ops::entropy_gate::kRescue] = rescue;
  args.options[score_ops::entropy_gate::kSkipFirst] = skip;
  args.of[0] = x.data();
  args.count = 1;
  std::vector<float> out(x.size(), -7.0f);
  args.out = out.data();
  ops.ScoreOperation(stream, args);
  return out;
}

QPKV_TEST(EntropyGateByHand) {
  // Blocks of 4: flat and important, spiky and important, unimportant, short.
  const std::vector<float> x = {3, 3, 3, 3, 0, 9, 0, 0.5f, 1, 1, 1, 1.1f, 0.5f, 0.4f};
  // 3 | 2.4 | 1.0 | 0.45: all of the first, one of the second, the third, the short one, the rest.
  const std::vector<float> want = {14, 13, 12, 11, 2, 10, 1, 3, 8, 7, 6, 9, 5, 4};
  for (const Ops* ops : Tables())
    Expect(Label("%s by hand", ops->name), Gate(*ops, TestStream(), x, 1, 14, 4, 1, 0) == want);
}

QPKV_TEST(EntropyGate) {
  Random random(61);
  for (int tokens : {1, 2, 17, 64, 203})
    for (int skip : {0, 5, 300})
      for (int block : {1, 2, 10, 64, 1000})
        for (int rescue : {1, 4, 100})
          for (int kind = 0; kind < 3; ++kind) {
            const int rows = 2, scored = tokens - tokens / 5;
            std::vector<float> x = random.Normals(static_cast<size_t>(rows) * tokens);
            for (float& v : x) v = kind == 0 ? v : kind == 1 ? v * v : std::round(v);
            if (tokens == 64 && kind == 2) x[30] = NAN;
            const std::vector<float> want =
                Gate(Reference(), TestStream(), x, rows, scored, block, rescue, skip);
            for (const Ops* ops : Tables())
              for (Stream* stream : Streams())
                ExpectEqualBytes(
                    Label("%s gate tokens %d skip %d block %d", ops->name, tokens, skip, block),
                    Gate(*ops, *stream, x, rows, scored, block, rescue, skip).data(), want.data(),
                    want.size() * sizeof(float));
          }
}

}  // namespace
}  // namespace qpkv

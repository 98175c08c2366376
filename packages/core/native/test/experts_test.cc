// Experts of every table against the reference, and rows that do not depend on their neighbours.
#include <algorithm>
#include <cmath>

#include "test/harness.h"

namespace qpkv {
namespace {

struct Layer {
  int hidden, dim, experts;
  std::vector<std::vector<float>> data;  // packed, by table
  std::vector<PackedWeight> gate_up, down;

  Layer(const Ops& ops, int hidden_size, int inner, int count, Element element)
      : hidden(hidden_size), dim(inner), experts(count) {
    Random random(21);
    const auto pack = [&](int n, int k) {
      const WeightFormat format = ExactWeights(element);
      std::vector<float> source = random.Normals(static_cast<size_t>(n) * k, 0.3f);
      data.emplace_back(ops.PackedWeightBytes(format, n, k) / sizeof(float) + 16);
      uint8_t* at = reinterpret_cast<uint8_t*>(data.back().data());
      at += (64 - reinterpret_cast<uintptr_t>(at) % 64) % 64;
      const PackedWeight weight{at, format, n, k};
      ops.PackWeight(TestStream(),
                     {OnHost<const void>(source.data()), Element::kF32, 0, n, weight});
      return weight;
    };
    for (int e = 0; e < experts; ++e) {
      gate_up.push_back(pack(2 * dim, hidden));
      down.push_back(pack(hidden, dim));
    }
  }

  std::vector<float> Run(const Ops& ops, Stream& stream, const std::vector<float>& x,
                         const std::vector<float>& router, int chosen, bool normalize,
                         Activation activation = Activation::kSilu) const {
    const int rows = static_cast<int>(x.size()) / hidden;
    std::vector<float> out(x.size(), 0.5f);
    std::vector<float> scratch(ExpertsScratch(rows, hidden, dim, chosen) / sizeof(float));
    ExpertsArgs args{};
    args.x = x.data();
    args.router = router.data();
    args.gate_up = gate_up.data();
    args.down = down.data();
    args.out = out.data();
    args.scratch = scratch.data();
    args.rows = rows;
    args.hidden = hidden;
    args.dim = dim;
    args.experts = experts;
    args.chosen = chosen;
    args.normalize = normalize;
    args.activation = activation;
    args.products = Products::kFloat;
    ops.Experts(stream, args);
    return out;
  }
};

QPKV_TEST(Experts) {
  for (Element element : {Element::kF32, Element::kBf16})
    for (int hidden : {20, 64}) {
      const Layer want_layer(Reference(), hidden, 24, 7, element);
      for (const Ops* ops : Tables()) {
        const Layer layer(*ops, hidden, 24, 7, element);
        Random random(22);
        for (int rows : {1, 2, 9, 70})
          for (int chosen : {1, 2, 7}) {
            const std::vector<float> x = random.Normals(static_cast<size_t>(rows) * hidden);
            std::vector<float> router = random.Normals(static_cast<size_t>(rows) * 7, 2.0f);
            router[0] = router[3] = router[5] = 9.0f;  // a tie: the lower index first
            for (bool normalize : {false, true})
              for (Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
                const std::vector<float> want = want_layer.Run(Reference(), TestStream(), x, router,
                                                               chosen, normalize, activation);
                const std::vector<float> got =
                    layer.Run(*ops, TestStream(), x, router, chosen, normalize, activation);
                ExpectNear(Label("%s experts rows %d chosen %d", ops->name, rows, chosen),
                           got.data(), want.data(), got.size(), 5e-6);
              }
          }
      }
    }
}

QPKV_TEST(ExpertsRowsAlone) {
  for (const Ops* ops : Tables()) {
    const Layer layer(*ops, 48, 32, 5, Element::kBf16);
    Random random(23);
    const int rows = 13;
    const std::vector<float> x = random.Normals(rows * 48), router = random.Normals(rows * 5);
    const std::vector<float> all = layer.Run(*ops, *Streams()[0], x, router, 2, true);
    for (Stream* stream : Streams()) {
      const std::vector<float> again = layer.Run(*ops, *stream, x, router, 2, true);
      ExpectEqualBytes(Label("%s experts threads", ops->name), again.data(), all.data(),
                       all.size() * sizeof(float));
    }
    for (int row = 0; row < rows; ++row) {
      const std::vector<float> alone =
          layer.Run(*ops, TestStream(), {x.begin() + row * 48, x.begin() + (row + 1) * 48},
                    {router.begin() + row * 5, router.begin() + (row + 1) * 5}, 2, true);
      ExpectEqualBytes(Label("%s experts row %d alone", ops->name, row), alone.data(),
                       all.data() + row * 48, 48 * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace qpkv

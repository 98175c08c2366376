// Times ops of a backend's library at the sizes of an 8B model and prints JSON lines:
//
//   qpkv_device_bench LIBRARY [--small]
//
// Decode attention over 16, 8, 4 and 2 bit caches of 8 heads, 32 query heads of 128 channels, even
// and ragged, for 1 and 8 sequences; prefill attention; matrix products of few and many rows;
// packing; what pruning adds to a layer's prefill. Bytes and floating point operations are those
// that the op cannot do without. Layers are cycled, so that a cache comes from memory and not from
// L2. `--small`: sizes for a test of this program on the host executor.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "abi_hash.h"
#include "ops/backend.h"
#include "ops/tile_layout.h"

namespace qpkv {
namespace {

constexpr int kHeads = 8, kGroup = 4, kDim = 128, kTile = kTileTokens;

struct Bench {
  const Ops& ops;
  Stream& stream;
  bool small;
  // Of the host executor: bytes that kernels of a name copied since it was last asked; else null.
  uint64_t (*copied)(const char* kernel);

  template <class T>
  T* Take(size_t count) {
    void* data = ops.Allocate(stream, count * sizeof(T));
    if (data == nullptr) {
      std::fprintf(stderr, "no memory for %zu bytes\n", count * sizeof(T));
      std::exit(3);
    }
    held.push_back(data);
    return static_cast<T*>(data);
  }
  template <class T>
  T* Send(const std::vector<T>& x) {
    T* data = Take<T>(x.size());
    ops.Upload(stream, data, OnHost<const void>(x.data()), x.size() * sizeof(T));
    return data;
  }
  // Between -1 and 1.
  float* Numbers(size_t count) {
    std::vector<float> x(count);
    uint64_t state = count * 2 + 1;
    for (float& v : x) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      v = static_cast<float>(state >> 40) * 0x1p-23f - 1;
    }
    return Send(x);
  }
  void Finish() {
    const StreamStatus status = ops.Check(stream);
    if (status.trouble == Trouble::kNone) return;
    std::fprintf(stderr, "%s\n", status.message);
    std::exit(3);
  }
  void ReleaseAll() {
    for (void* data : held) ops.Release(stream, data, 0);
    held.clear();
  }
  // Seconds of one call, the median of rounds; run(i) queues call number i. Calls that take long
  // are made few times.
  template <class Run>
  double Seconds(const Run& run) {
    const auto now = [] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
    };
    const auto timed = [&](int calls) {
      const double start = now();
      for (int i = 0; i < calls; ++i) run(i);
      Finish();
      return (now() - start) / calls;
    };
    timed(1);
    const double one = timed(1);
    if (small || one > 2) return one;
    timed(std::min(3, static_cast<int>(0.1 / one) + 1));
    const int calls = std::clamp(static_cast<int>(0.2 / one), 1, 20);
    std::vector<double> times;
    for (int round = 0; round < (one > 0.2 ? 3 : 7); ++round) times.push_back(timed(calls));
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

  std::vector<void*> held;
  uint64_t replays = 0;
};

TensorFormat FormatOf(Tensor tensor, int bits) {
  TensorFormat f;
  f.bits = bits;
  f.scale_per = tensor == Tensor::kKey ? ScalePer::kChannel : ScalePer::kToken;
  return f;
}

// One packed part of kTile tokens, on the device.
uint8_t* PackPart(Bench& b, Tensor tensor, const TensorFormat& format, size_t bytes) {
  uint8_t* out = b.Take<uint8_t>(bytes);
  PackItem item{};
  item.shape = {tensor, OnHost(&format), PartNeeds{}, kTile};
  item.out = out;
  item.source = b.Numbers(static_cast<size_t>(kTile) * kDim);
  item.tokens = kTile;
  b.ops.Pack(b.stream, {OnHost<const PackItem>(&item), 1, kDim});
  return out;
}

// Of a head. Ragged: from half to one and a half of the mean.
int TilesOf(int tokens, bool ragged, int head) {
  const int tiles = tokens / kTile;
  return ragged ? tiles / 2 + tiles * (2 * head + 1) / (2 * kHeads) : tiles;
}

void Decode(Bench& b, int bits, int tokens, int batch, bool ragged) {
  const TensorFormat key = FormatOf(Tensor::kKey, bits), value = FormatOf(Tensor::kValue, bits);
  const size_t key_bytes = LayoutOf(Tensor::kKey, key, kTile, kDim).bytes,
               value_bytes = LayoutOf(Tensor::kValue, value, kTile, kDim).bytes;
  const uint8_t* packed[2] = {PackPart(b, Tensor::kKey, key, key_bytes),
                              PackPart(b, Tensor::kValue, value, value_bytes)};
  size_t all_tiles = 0;
  for (int h = 0; h < kHeads; ++h) all_tiles += TilesOf(tokens, ragged, h);
  const size_t bytes = batch * all_tiles * (key_bytes + value_bytes);
  const int layers = b.small ? 1 : static_cast<int>(std::max<size_t>((512u << 20) / bytes, 1));
  const int width = kHeads * kGroup * kDim;
  std::vector<const CacheItem*> items;
  for (int layer = 0; layer < layers; ++layer) {
    std::vector<CacheItem> all;
    for (int i = 0; i < batch; ++i) {
      std::vector<HeadView> heads;
      for (int h = 0; h < kHeads; ++h) {
        const int tiles = TilesOf(tokens, ragged, h);
        std::vector<Part> lists[2];
        for (int kv = 0; kv < 2; ++kv) {
          const size_t size = kv == 0 ? key_bytes : value_bytes;
          uint8_t* data = b.Take<uint8_t>(size * tiles);
          for (int t = 0; t < tiles; ++t) {
            b.ops.Copy(b.stream, data + t * size, packed[kv], size);
            lists[kv].push_back({data + t * size, t * kTile, kTile, 0});
          }
        }
        heads.push_back({b.Send(lists[0]), b.Send(lists[1]), tiles, tiles, tiles * kTile, 0, 0});
      }
      CacheItem item{};
      item.heads = b.Send(heads);
      item.key_formats = b.Send(std::vector<TensorFormat>{key});
      item.value_formats = b.Send(std::vector<TensorFormat>{value});
      item.q = b.Numbers(width);
      item.out = b.Take<float>(width);
      item.rows = item.heads_per_source = 1;
      item.head_count = kHeads;
      item.group = kGroup;
      item.q_stride = item.out_stride = width;
      all.push_back(item);
    }
    items.push_back(b.Send(all));
  }
  const auto attention = [&](int i) -> DecodeAttentionArgs {
    return {items[static_cast<size_t>(i % layers)],
            batch,
            kDim,
            kHeads,
            1,
            1 / std::sqrt(static_cast<float>(kDim)),
            Precision::kBf16,
            0.0f,
            kGroup};
  };
  // Twenty layers one behind the other, recorded once as a token's loop is: what a launch costs the
  // host is not the kernel's.
  const int calls = b.small ? 1 : 20;
  auto loop = [&] {
    for (int i = 0; i < calls; ++i) b.ops.DecodeAttention(b.stream, attention(i));
  };
  const uint64_t replay = ++b.replays;
  const double seconds = b.Seconds([&](int) {
    b.ops.Replay(b.stream, replay, OnHost<void>(&loop),
                 [](void* body) { (*static_cast<decltype(loop)*>(body))(); });
  }) / calls;
  const double alone = b.Seconds([&](int i) { b.ops.DecodeAttention(b.stream, attention(i)); });
  std::printf(
      "{\"op\":\"decode\",\"bits\":%d,\"tokens\":%d,\"batch\":%d,\"ragged\":%s,\"seconds\":%.4g,"
      "\"launchedAlone\":%.4g,\"bytes\":%zu",
      bits, tokens, batch, ragged ? "true" : "false", seconds, alone, bytes);
  if (b.copied != nullptr) {
    b.copied("SplitKernel");
    b.ops.DecodeAttention(b.stream, attention(0));
    std::printf(",\"copied\":%llu", static_cast<unsigned long long>(b.copied("SplitKernel")));
  }
  std::printf("}\n");
  b.ReleaseAll();
}

void Prefill(Bench& b, int tokens, Precision precision) {
  const int width = kHeads * kGroup * kDim;
  PrefillAttentionArgs a{};
  a.q = b.Numbers(static_cast<size_t>(tokens) * width);
  a.k = b.Numbers(static_cast<size_t>(tokens) * kHeads * kDim);
  a.v = b.Numbers(static_cast<size_t>(tokens) * kHeads * kDim);
  a.out = b.Take<float>(static_cast<size_t>(tokens) * width);
  a.rows = a.capacity = tokens;
  a.q_heads = kHeads * kGroup;
  a.kv_heads = kHeads;
  a.dim = kDim;
  a.q_stride = width;
  a.scale = 1 / std::sqrt(static_cast<float>(kDim));
  a.precision = precision;
  const double seconds = b.Seconds([&](int) { b.ops.PrefillAttention(b.stream, a); });
  // Two products over the causal half.
  const double operations = 2.0 * tokens * tokens * width;
  std::printf(
      "{\"op\":\"prefill\",\"precision\":\"%s\",\"tokens\":%d,\"seconds\":%.4g,"
      "\"operations\":%.6g}\n",
      precision == Precision::kBf16 ? "bf16" : "f32", tokens, seconds, operations);
  b.ReleaseAll();
}

void Product(Bench& b, int m, int n, int k, Products products) {
  WeightFormat format{};
  PackedWeight weight = {nullptr, format, n, k};
  const size_t bytes = b.ops.PackedWeightBytes(format, n, k);
  weight.data = b.Take<uint8_t>(bytes);
  std::vector<uint16_t> source(static_cast<size_t>(n) * k);
  for (size_t i = 0; i < source.size(); ++i)
    source[i] = static_cast<uint16_t>(0x3c00 + i * 2654435761u % 512);
  PackWeightArgs pack{};
  pack.source = OnHost<const void>(source.data());
  pack.source_element = Element::kBf16;
  pack.row_end = n;
  pack.out = weight;
  b.ops.PackWeight(b.stream, pack);
  const float* x = b.Numbers(static_cast<size_t>(m) * k);
  float* out = b.Take<float>(static_cast<size_t>(m) * n);
  const double seconds = b.Seconds([&](int) {
    b.ops.Matmul(b.stream, {x, m, weight, nullptr, out, false, products});
  });
  std::printf(
      "{\"op\":\"matmul\",\"products\":\"%s\",\"rows\":%d,\"outputs\":%d,\"inputs\":%d,"
      "\"seconds\":%.4g,\"bytes\":%zu,\"operations\":%.6g}\n",
      products == Products::kShort ? "bf16" : "f32", m, n, k, seconds, bytes, 2.0 * m * n * k);
  b.ReleaseAll();
}

// A layer's kept keys of all heads, as after a prefill.
void Packing(Bench& b, int bits, int tokens) {
  const TensorFormat format = FormatOf(Tensor::kKey, bits);
  const size_t bytes = LayoutOf(Tensor::kKey, format, kTile, kDim).bytes;
  const int tiles = kHeads * (tokens / kTile);
  uint8_t* out = b.Take<uint8_t>(bytes * tiles);
  const float* source = b.Numbers(static_cast<size_t>(tiles) * kTile * kDim);
  std::vector<PackItem> items(static_cast<size_t>(tiles));
  for (int t = 0; t < tiles; ++t) {
    PackItem& item = items[static_cast<size_t>(t)];
    item.shape = {Tensor::kKey, OnHost(&format), PartNeeds{}, kTile};
    item.out = out + t * bytes;
    item.source = source + static_cast<size_t>(t) * kTile * kDim;
    item.tokens = kTile;
  }
  const double seconds = b.Seconds([&](int) {
    b.ops.Pack(b.stream, {OnHost<const PackItem>(items.data()), tiles, kDim});
  });
  std::printf("{\"op\":\"pack\",\"bits\":%d,\"tokens\":%d,\"seconds\":%.4g,\"bytes\":%zu}\n", bits,
              tokens, seconds, static_cast<size_t>(tiles) * (kTile * kDim * sizeof(float) + bytes));
  b.ReleaseAll();
}

// What a prompt's pruning adds to a layer: the attention of the last 64 queries, joined by stored
// head, the best quarter of the tokens, and those gathered and packed.
void Compress(Bench& b, const StatisticList& statistics, int tokens, int bits) {
  const int width = kHeads * kGroup * kDim, last = std::min(64, tokens / 2), keep = tokens / 4;
  const Statistic& attention = *FindStatistic(statistics, "attention");
  const double given[kMaxOptions] = {static_cast<double>(last), 0, 0, 1};
  double resolved[kMaxOptions] = {};
  StatisticArgs seen{};
  seen.stage = StatisticStage::kChunk;
  seen.shape = {tokens, kHeads * kGroup, kHeads, kDim, 0, 0.0f};
  std::copy(given, given + kMaxOptions, resolved);
  if (attention.resolve != nullptr) attention.resolve({seen.shape, 0, 0}, given, resolved);
  seen.options = OnHost<const double>(resolved);
  seen.precision = Precision::kBf16;
  seen.scale = 1 / std::sqrt(static_cast<float>(kDim));
  seen.first = tokens - last;
  seen.rows = last;
  seen.q_stride = width;
  seen.q = b.Numbers(static_cast<size_t>(last) * width);
  seen.capacity = tokens;
  seen.k = b.Numbers(static_cast<size_t>(tokens) * kHeads * kDim);
  seen.v = b.Numbers(static_cast<size_t>(tokens) * kHeads * kDim);
  const size_t scores = static_cast<size_t>(kHeads * kGroup) * tokens;
  seen.out = b.Take<float>(scores);
  if (attention.state_bytes != nullptr)
    seen.state = b.Take<uint8_t>(attention.state_bytes(seen.shape, resolved) + 1);

  ScoreOperationArgs group{};
  group.op = ScoreOp::kGroup;
  group.of[0] = seen.out;
  group.count = 1;
  group.out = b.Take<float>(static_cast<size_t>(kHeads) * tokens);
  group.rows = kHeads * kGroup;
  group.out_rows = kHeads;
  group.tokens = tokens;
  group.scored = tokens - last;

  std::vector<int32_t> kept(static_cast<size_t>(kHeads) * tokens), counts(kHeads);
  int nan_head = -1;
  SelectArgs select{};
  select.stages[0].scores = group.out;
  select.stage_count = 1;
  select.keep_each = keep - last;
  select.kept = OnHost<int32_t>(kept.data());
  select.kept_count = OnHost<int32_t>(counts.data());
  select.heads = kHeads;
  select.tokens = select.stride = select.kept_stride = tokens;
  select.candidates_end = tokens - last;
  select.nan_head = OnHost(&nan_head);

  const TensorFormat formats[] = {FormatOf(Tensor::kKey, bits), FormatOf(Tensor::kValue, bits)};
  std::vector<PackItem> items;
  for (int h = 0; h < kHeads; ++h)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (int at = 0; at < keep; at += kTile) {
        const bool key = tensor == Tensor::kKey;
        const TensorFormat& format = formats[key ? 0 : 1];
        PackItem item{};
        item.shape = {tensor, OnHost(&format), PartNeeds{}, kTile};
        item.out = b.Take<uint8_t>(LayoutOf(tensor, format, kTile, kDim).bytes);
        item.source = (key ? seen.k : seen.v) + static_cast<size_t>(h) * tokens * kDim;
        item.index = OnHost<const int32_t>(kept.data() + static_cast<size_t>(h) * tokens + at);
        item.tokens = std::min(kTile, keep - at);
        items.push_back(item);
      }
  const double seconds = b.Seconds([&](int) {
    b.ops.Zero(b.stream, seen.out, scores * sizeof(float));
    attention.run(b.stream, seen);
    b.ops.ScoreOperation(b.stream, group);
    b.ops.Select(b.stream, select);
    b.ops.Pack(b.stream,
               {OnHost<const PackItem>(items.data()), static_cast<int>(items.size()), kDim});
  });
  std::printf("{\"op\":\"compress\",\"bits\":%d,\"tokens\":%d,\"kept\":%d,\"seconds\":%.4g}\n",
              bits, tokens, counts[0], seconds);
  b.ReleaseAll();
}

int Main(int argc, char** argv) {
  // What has been measured is kept when the device fails later.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 2) return std::fprintf(stderr, "usage: qpkv_device_bench LIBRARY [--small]\n"), 2;
  void* library = dlopen(argv[1], RTLD_NOW);
  const auto entry =
      library == nullptr ? nullptr : reinterpret_cast<BackendEntry>(dlsym(library, kBackendSymbol));
  if (entry == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 2;
  const Backend& backend = *entry(kAbi);
  if (backend.why_not != nullptr) return std::fprintf(stderr, "%s\n", backend.why_not), 2;
  Stream* stream = backend.CreateStream(0, 1);
  if (stream == nullptr) return std::fprintf(stderr, "device 0 cannot be opened\n"), 2;
  {
    Bench b = {*backend.tables[0],
               *stream,
               argc > 2 && std::strcmp(argv[2], "--small") == 0,
               reinterpret_cast<uint64_t (*)(const char*)>(dlsym(library, "qpkv_executor_copied")),
               {},
               0};
    const int k = b.small ? 1 : 256;
    for (int tokens : {128 * k, 256 * k, 512 * k})
      for (int batch : {1, b.small ? 2 : 8})
        for (int bits : {16, 8, 4, 2}) Decode(b, bits, tokens, batch, false);
    for (int bits : {16, 4, 2}) Decode(b, bits, 256 * k, 1, true);
    for (int tokens : {32 * k, 128 * k})
      for (Precision precision : {Precision::kBf16, Precision::kF32}) Prefill(b, tokens, precision);
    const int wide = b.small ? 96 : 14336, deep = b.small ? 80 : 4096;
    for (int rows : {1, 8, b.small ? 9 : 2048})
      for (Products products : {Products::kShort, Products::kFloat})
        Product(b, rows, wide, deep, products);
    for (int bits : {4, 2}) Packing(b, bits, 128 * k);
    for (int bits : {16, 4}) Compress(b, *backend.statistics[0], 128 * k, bits);
  }
  backend.DestroyStream(stream);
  return 0;
}

}  // namespace
}  // namespace qpkv

int main(int argc, char** argv) { return qpkv::Main(argc, argv); }

// A layer's cache as decode benches read it: copies of it, so that it comes from memory and not
// from the last-level cache.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "ops/ops.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace decode_cache {

using namespace tile_cases;

struct Case {
  const char* name;
  TensorFormat key, value;
};

// One case at one length: copies of `kv_heads` heads, from one packed tile copied around, of 96 MB
// or more together where 64 copies are that much.
struct Cache {
  std::vector<Bytes> data;
  std::vector<std::unique_ptr<std::vector<Part>>> lists;
  std::vector<HeadView> heads;  // [layers * heads]
  TensorFormat key, value;
  size_t bytes = 0;  // of one layer
};

inline Cache MakeCache(const Ops& ops, Stream& stream, const Case& c, int kv_heads, int dim,
                       int tokens) {
  const size_t layer = static_cast<size_t>(kv_heads) * tokens * dim * 4 * c.key.bits / 16;
  const int layers =
      static_cast<int>(std::min<size_t>(std::max<size_t>((96u << 20) / layer, 2), 64));
  const std::vector<float> x = RandomTokens(5, kTileTokens, dim);
  const PackedTokens key = PackTokens(ops, stream, Tensor::kKey, {{c.key, kTileTokens}}, dim, x);
  const PackedTokens value =
      PackTokens(ops, stream, Tensor::kValue, {{c.value, kTileTokens}}, dim, x);
  const size_t key_bytes = LayoutOf(Tensor::kKey, c.key, kTileTokens, dim).bytes;
  const size_t value_bytes = LayoutOf(Tensor::kValue, c.value, kTileTokens, dim).bytes;
  const int tiles = tokens / kTileTokens;
  Cache cache;
  cache.key = c.key;
  cache.value = c.value;
  cache.bytes = static_cast<size_t>(kv_heads) * tiles * (key_bytes + value_bytes);
  for (int l = 0; l < layers; ++l) {
    cache.data.emplace_back(static_cast<uint8_t*>(AllocateAligned(cache.bytes)),
                            Released{cache.bytes});
    uint8_t* at = cache.data.back().get();
    for (int h = 0; h < kv_heads; ++h) {
      auto keys = std::make_unique<std::vector<Part>>(),
           values = std::make_unique<std::vector<Part>>();
      for (int t = 0; t < tiles; ++t) {
        std::memcpy(at, key.data[0].get(), key_bytes);
        std::memcpy(at + key_bytes, value.data[0].get(), value_bytes);
        keys->push_back({at, t * kTileTokens, kTileTokens, 0});
        values->push_back({at + key_bytes, t * kTileTokens, kTileTokens, 0});
        at += key_bytes + value_bytes;
      }
      cache.heads.push_back({keys->data(), values->data(), tiles, tiles, tokens, 0, 0});
      cache.lists.push_back(std::move(keys));
      cache.lists.push_back(std::move(values));
    }
  }
  return cache;
}

// Attention of `rows` queries over copy `layer`.
inline void Attend(const Ops& ops, Stream& stream, const Cache& cache, size_t layer, int kv_heads,
                   int group, int dim, int rows = 1) {
  static const std::vector<float> q = RandomTokens(8, 64 * 64, 256);
  static std::vector<float> out;
  out.resize(static_cast<size_t>(rows) * kv_heads * group * dim);
  CacheItem item{};
  item.q = q.data();
  item.out = out.data();
  item.rows = rows;
  item.heads_per_source = 1;
  item.head_count = kv_heads;
  item.group = group;
  item.q_stride = item.out_stride = kv_heads * group * dim;
  item.key_formats = &cache.key;
  item.value_formats = &cache.value;
  item.heads = cache.heads.data() + layer * kv_heads;
  ops.DecodeAttention(stream,
                      {&item, 1, dim, kv_heads, rows, 1.0f / std::sqrt(static_cast<float>(dim)),
                       Precision::kBf16, 0.0f, group});
}

// Keys in groups of tokens per channel, values in groups of 32 channels per token.
inline Case CodedCase(const char* name, int bits, int key_group) {
  return {name, Coded(bits, ScalePer::kChannel, key_group), Coded(bits, ScalePer::kToken, 32)};
}
inline Case ExactCase(const char* name) {
  return {name, Exact(Element::kBf16), Exact(Element::kBf16)};
}

}  // namespace decode_cache
}  // namespace qpkv

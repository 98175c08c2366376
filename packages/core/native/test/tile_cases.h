// What the tile tests share: formats worth testing, seeded keys and values, and a head packed into
// parts.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/stream.h"
#include "ops/ops.h"

namespace qpkv {
namespace tile_cases {

inline std::vector<float> Levels(
    int bits) {  // ascending in [-1, 1], denser in the middle, none of them round numbers
  const int count = 1 << bits;
  std::vector<float> levels(count);
  for (int i = 0; i < count; ++i) {
    const double x = -1.0 + 2.0 * i / (count - 1);
    levels[i] = static_cast<float>(0.35 * x + 0.65 * x * x * x +
                                   (i > 0 && i + 1 < count ? 1e-3 * std::sin(7.0 * i) / count : 0));
  }
  return levels;
}

inline const float* LevelsOf(int bits) {
  static const std::vector<float> all[] = {Levels(1), Levels(2), Levels(3), Levels(4), Levels(8)};
  return all[bits == 8 ? 4 : bits - 1].data();
}

inline TensorFormat Exact(Element element) {
  TensorFormat f;
  f.element = element;
  return f;
}

inline TensorFormat Coded(int bits, ScalePer per, int group,
                          ZeroPoint zero = ZeroPoint::kFloatMinimum,
                          Element metadata = Element::kF16) {
  TensorFormat f;
  f.bits = bits;
  f.scale_per = per;
  f.group = group;
  f.zero = zero;
  f.metadata = metadata;
  return f;
}

inline std::string NameOf(const TensorFormat& f) {
  static const char* const elements[] = {"bf16", "f16", "f32"};
  std::string name = f.rope_before ? "rope-before " : "";
  if (f.bits == 16) return name + elements[static_cast<int>(f.element)];
  name += std::to_string(f.bits) + " bit " +
          (f.scale_per == ScalePer::kChannel ? "channel g" : "token g") + std::to_string(f.group) +
          (f.zero == ZeroPoint::kInteger   ? " integer"
           : f.zero == ZeroPoint::kInScale ? " zero in scale"
                                           : "") +
          " " + elements[static_cast<int>(f.metadata)];
  if (f.levels) name += " levels";
  static const char* const solvers[] = {"", " proximal, growing", " proximal, constant", " norm",
                                        " keep norm"};
  name += solvers[static_cast<int>(f.solver)];
  if (f.least > 0) name += " least " + std::to_string(f.least);
  if (f.balance_steps > 0) name += " balance";
  if (f.outlier_fraction > 0) name += " outliers";
  if (f.outlier_rule == OutlierRule::kBeyond)
    name += " beyond " + std::to_string(f.outlier_threshold);
  return name;
}

// A format that keeps the values beyond a size exactly, at most `fraction` of them.
inline TensorFormat Beyond(TensorFormat f, double threshold, double fraction) {
  f.outlier_rule = OutlierRule::kBeyond;
  f.outlier_threshold = threshold;
  f.outlier_fraction = fraction;
  return f;
}

// Levels for a group's norm.
inline TensorFormat Normed(int bits, ScalePer per, int group, Solver solver, Element metadata) {
  TensorFormat f = Coded(bits, per, group, ZeroPoint::kNone, metadata);
  f.levels = LevelsOf(bits);
  f.solver = solver;
  f.spread = 2.5f / std::sqrt(static_cast<float>(group));
  return f;
}

inline TensorFormat InScale(int bits, ScalePer per, int group) {
  TensorFormat f = Coded(bits, per, group, ZeroPoint::kInScale, Element::kF32);
  f.least = 1.5e-5f;
  return f;
}

inline TensorFormat Balanced(int bits, ScalePer per, int group, Element metadata = Element::kF16) {
  TensorFormat f = Coded(bits, per, group, ZeroPoint::kFloatMinimum, metadata);
  f.balance_steps = 8;
  return f;
}

// Head dims of the tile tests: every remainder of the 16 lanes that matters, and the ends.
inline const std::vector<int>& HeadDims() {
  static const std::vector<int> dims = {4, 6, 10, 20, 40, 48, 64, 72, 80, 96, 100, 128, 256};
  return dims;
}

// A group of tokens, or of channels where the head has that many.
inline int GroupOf(ScalePer per, int group, int dim) {
  return per == ScalePer::kToken ? std::min(group, dim) : group;
}

// Formats for a head of `dim` channels.
inline std::vector<TensorFormat> Formats(int dim) {
  std::vector<TensorFormat> formats = {Exact(Element::kBf16), Exact(Element::kF16),
                                       Exact(Element::kF32)};
  for (int bits : {8, 4, 3, 2, 1})
    for (ZeroPoint zero : {ZeroPoint::kFloatMinimum, ZeroPoint::kInteger}) {
      for (int group : {16, 32, 64, 128})
        formats.push_back(Coded(bits, ScalePer::kChannel, group, zero));
      for (int group : {8, 24, 32, 64, dim})
        if (group <= dim) formats.push_back(Coded(bits, ScalePer::kToken, group, zero));
    }
  for (ScalePer per : {ScalePer::kChannel, ScalePer::kToken}) {
    const int group32 = GroupOf(per, 32, dim);
    formats.push_back(Coded(4, per, group32, ZeroPoint::kFloatMinimum, Element::kF32));
    for (int bits : {8, 4, 3, 2}) {
      TensorFormat f = Coded(bits, per, group32);
      f.levels = LevelsOf(bits);
      formats.push_back(f);
      f.outlier_fraction = 0.01;
      formats.push_back(f);
    }
    TensorFormat f = Coded(2, per, group32, ZeroPoint::kInteger);
    f.outlier_fraction = 0.02;
    formats.push_back(f);
    for (int bits : {8, 4, 3, 2}) {
      formats.push_back(Beyond(Coded(bits, per, GroupOf(per, 64, dim)), 6.0, 0.01));
    }
    // Nothing is beyond, more than the capacity are, and about a quarter with room for all.
    for (double threshold : {1e30, 0.0})
      formats.push_back(Beyond(Coded(4, per, group32), threshold, 0.01));
    formats.push_back(
        Beyond(Coded(4, per, group32, ZeroPoint::kFloatMinimum, Element::kF32), 1.3, 0.25));
    formats.push_back(Beyond(Coded(2, per, GroupOf(per, 16, dim), ZeroPoint::kInteger), 2.0, 0.02));
    f = Beyond(Coded(3, per, group32), 2.0, 0.02);
    f.levels = LevelsOf(3);
    formats.push_back(f);
    for (int bits : {8, 4, 3, 2, 1}) {
      formats.push_back(
          Normed(bits, per, GroupOf(per, 128, dim), Solver::kKeepNorm, Element::kF16));
      formats.push_back(Balanced(bits, per, GroupOf(per, 128, dim)));
      if (bits <= 4) formats.push_back(InScale(bits, per, GroupOf(per, 128, dim)));
    }
    formats.push_back(Normed(3, per, group32, Solver::kNorm, Element::kF32));
    formats.push_back(Balanced(2, per, group32, Element::kF32));
    f = Coded(4, per, group32);
    f.least = 3.0f;
    formats.push_back(f);
    for (Solver solver : {Solver::kProximalGrowing, Solver::kProximalConstant}) {
      f = Coded(3, per, group32, ZeroPoint::kFloatMinimum, Element::kF32);
      f.solver = solver;
      formats.push_back(f);
      formats.push_back(Beyond(f, 2.0, 0.05));
    }
  }
  return formats;
}

// [tokens, dim]: Gaussian with a mean and a spread of its own per channel, some channels far out,
// as keys have them.
inline std::vector<float> RandomTokens(uint32_t seed, int tokens, int dim) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> mean(dim), spread(dim), x(static_cast<size_t>(tokens) * dim);
  for (int c = 0; c < dim; ++c) {
    mean[c] = 0.5f * normal(random);
    spread[c] = 0.5f + std::fabs(normal(random)) * (c % 17 == 3 ? 3.0f : 0.5f);
  }
  for (size_t i = 0; i < x.size(); ++i) x[i] = mean[i % dim] + spread[i % dim] * normal(random);
  return x;
}

struct Released {
  size_t bytes = 0;
  void operator()(uint8_t* data) const { ReleaseAligned(data, bytes); }
};
using Bytes = std::unique_ptr<uint8_t, Released>;

struct PackedPart {
  uint8_t* data;
  PartShape shape;
  int tokens;
};

// The keys or values of one head: parts behind one another, each with its own format and length.
struct PackedTokens {
  std::vector<std::unique_ptr<TensorFormat>> formats;
  std::vector<Bytes> data;
  std::vector<PackedPart> parts;
  int tokens = 0;

  const TensorFormat& format(size_t i) const { return *parts[i].shape.format.get(); }
};

inline void UnpackOne(const Ops& ops, Stream& stream, const UnpackItem& item, int dim) {
  ops.Unpack(stream, {OnHost(&item), 1, dim});
}

inline UnpackItem ReaderOf(const PackedPart& part, float* values) {
  UnpackItem item{};
  item.shape = part.shape;
  item.part = part.data;
  item.tokens = part.tokens;
  item.values = values;
  return item;
}

// One head as attention sees it: every part has a format of its own.
struct HeadTables {
  std::vector<TensorFormat> key_formats, value_formats;
  std::vector<Part> keys, values;
  HeadView view{};

  HeadTables(const PackedTokens& key, const PackedTokens& value) {
    const auto list = [](const PackedTokens& from, std::vector<TensorFormat>* formats,
                         std::vector<Part>* parts) {
      int first = 0;
      for (size_t i = 0; i < from.parts.size(); ++i) {
        formats->push_back(from.format(i));
        parts->push_back({from.parts[i].data, first,
                          static_cast<uint16_t>(from.parts[i].shape.part_tokens),
                          static_cast<uint16_t>(i)});
        first += from.parts[i].tokens;
      }
    };
    list(key, &key_formats, &keys);
    list(value, &value_formats, &values);
    view.keys = keys.data();
    view.values = values.data();
    view.key_parts = static_cast<int32_t>(keys.size());
    view.value_parts = static_cast<int32_t>(values.size());
    view.tokens = key.tokens;
  }
  HeadTables(const HeadTables&) = delete;
  HeadTables& operator=(const HeadTables&) = delete;

  CacheItem Item() const {
    CacheItem item{};
    item.heads = &view;
    item.key_formats = key_formats.data();
    item.value_formats = value_formats.data();
    item.rows = item.head_count = item.group = item.heads_per_source = 1;
    return item;
  }
};

struct Piece {
  TensorFormat format;
  int tokens;
};

// x: [tokens, dim]. Memory is filled with 0xff before, so that whatever is not written stands out.
inline PackedTokens PackTokens(const Ops& ops, Stream& stream, Tensor tensor,
                               const std::vector<Piece>& pieces, int dim,
                               const std::vector<float>& x, PartNeeds needs = {},
                               const int32_t* positions = nullptr) {
  PackedTokens packed;
  std::vector<PackItem> items;
  for (const Piece& piece : pieces) {
    for (int first = 0; first < piece.tokens; first += kTileTokens) {
      const int n = std::min(piece.tokens - first, kTileTokens);
      packed.formats.push_back(std::make_unique<TensorFormat>(piece.format));
      const TensorFormat* format = packed.formats.back().get();
      const size_t bytes = LayoutOf(tensor, *format, n, dim, needs).bytes;
      packed.data.emplace_back(static_cast<uint8_t*>(AllocateAligned(bytes)), Released{bytes});
      std::fill(packed.data.back().get(), packed.data.back().get() + bytes, 0xff);
      const PartShape shape = {tensor, OnHost(format), needs, n};
      packed.parts.push_back({packed.data.back().get(), shape, n});
      PackItem item{};
      item.shape = shape;
      item.source = x.data() + static_cast<size_t>(packed.tokens) * dim;
      item.positions = OnHost(positions ? positions + packed.tokens : nullptr);
      item.tokens = n;
      item.out = packed.data.back().get();
      items.push_back(item);
      packed.tokens += n;
    }
  }
  ops.Pack(stream, {OnHost<const PackItem>(items.data()), static_cast<int>(items.size()), dim});
  return packed;
}

}  // namespace tile_cases
}  // namespace qpkv

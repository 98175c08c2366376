// A part as the kernels see it: where its sections are, and 16 of its scales or offsets at a time.
#pragma once
#include <cstring>

#include "base/bf16.h"
#include "base/f16.h"
#include "ops/ops.h"

namespace qpkv {
namespace {

struct TileView {
  const uint8_t* data;
  const TensorFormat* format;
  PartLayout at;
  Tensor tensor;
  int dim, tokens, part_tokens;
  int channel_blocks;  // blocks of 16 channels
  bool per_channel, integer_zero, balanced;
};

static TileView ViewOf(Tensor tensor, const uint8_t* data, const TensorFormat* format, int tokens,
                       int part_tokens, int dim, PartNeeds needs) {
  TileView v;
  v.data = data;
  v.format = format;
  v.at = LayoutOf(tensor, *format, part_tokens, dim, needs);
  v.tensor = tensor;
  v.dim = dim;
  v.tokens = tokens;
  v.part_tokens = part_tokens;
  v.channel_blocks = (dim + kLanes - 1) / kLanes;
  v.per_channel = format->scale_per == ScalePer::kChannel;
  v.integer_zero = CountsFromZero(format->zero);
  v.balanced = format->bits != 16 && format->balance_steps > 0;
  return v;
}

// The view of a list's next part: most have the shape of the one before.
QPKV_INLINE void MoveView(Tensor tensor, const Part& part, const TensorFormat* format, int tokens,
                          int dim, PartNeeds needs, TileView* v) {
  if (v->format != format || v->part_tokens != part.part_tokens)
    *v = ViewOf(tensor, part.data, format, tokens, part.part_tokens, dim, needs);
  v->data = part.data;
  v->tokens = tokens;
}

static TileView ViewOf(const PartShape& shape, const uint8_t* data, int tokens, int dim) {
  return ViewOf(shape.tensor, data, shape.format.get(), tokens, shape.part_tokens, dim,
                shape.needs);
}

QPKV_INLINE int MinInt(int a, int b) { return a < b ? a : b; }
QPKV_INLINE int MaxInt(int a, int b) { return a > b ? a : b; }
QPKV_INLINE size_t RoundUp(size_t a, size_t b) { return (a + b - 1) / b * b; }

// Elements index .. index + 15 of an array of `element`.
QPKV_INLINE F32x16 LoadElements(Element element, const uint8_t* base, size_t index) {
  if (element == Element::kF32) return Load(reinterpret_cast<const float*>(base) + index);
  const uint16_t* words = reinterpret_cast<const uint16_t*>(base) + index;
  return element == Element::kF16 ? LoadF16(words) : LoadBf16(words);
}

QPKV_INLINE float LoadElement(Element element, const uint8_t* base, size_t index) {
  if (element == Element::kF32) return reinterpret_cast<const float*>(base)[index];
  const uint16_t word = reinterpret_cast<const uint16_t*>(base)[index];
  return element == Element::kF16 ? F16ToFloat(word) : Bf16ToFloat(word);
}

// Zeros in scales lie in these bits.
constexpr int32_t kZeroInScale = 15;

QPKV_INLINE F32x16 LoadScales(const TileView& v, size_t index) {
  if (v.format->zero == ZeroPoint::kInScale) {
    alignas(64) float masked[16];
    const int32_t* words = reinterpret_cast<const int32_t*>(v.data + v.at.scales) + index;
    StoreI(reinterpret_cast<int32_t*>(masked), AndI(LoadI(words), SetI(~kZeroInScale)));
    return Load(masked);
  }
  return LoadElements(v.format->metadata, v.data + v.at.scales, index);
}

QPKV_INLINE float LoadScale(const TileView& v, size_t index) {
  if (v.format->zero == ZeroPoint::kInScale) {
    int32_t word;
    std::memcpy(&word, v.data + v.at.scales + index * 4, 4);
    word &= ~kZeroInScale;
    float scale;
    std::memcpy(&scale, &word, 4);
    return scale;
  }
  return LoadElement(v.format->metadata, v.data + v.at.scales, index);
}

// Minima, centres or integer zero points.
QPKV_INLINE F32x16 LoadOffsets(const TileView& v, size_t index) {
  switch (v.format->zero) {
    case ZeroPoint::kInteger:
      return LoadU8(v.data + v.at.offsets + index);
    case ZeroPoint::kInScale:
      return ToFloat(AndI(LoadI(reinterpret_cast<const int32_t*>(v.data + v.at.scales) + index),
                          SetI(kZeroInScale)));
    case ZeroPoint::kNone:
      return Zero();
    default:
      break;
  }
  return LoadElements(v.format->metadata, v.data + v.at.offsets, index);
}

QPKV_INLINE float LoadOffset(const TileView& v, size_t index) {
  switch (v.format->zero) {
    case ZeroPoint::kInteger:
      return v.data[v.at.offsets + index];
    case ZeroPoint::kInScale: {
      const uint8_t* low = v.data + v.at.scales + index * 4;
      return static_cast<float>(*low & kZeroInScale);
    }
    case ZeroPoint::kNone:
      return 0;
    default:
      return LoadElement(v.format->metadata, v.data + v.at.offsets, index);
  }
}

// Of slot or channel `index`, whichever has no scales.
QPKV_INLINE F32x16 LoadBalances(const TileView& v, size_t index) {
  return LoadElements(v.format->metadata, v.data + v.at.balance, index);
}

QPKV_INLINE float LoadBalance(const TileView& v, size_t index) {
  return LoadElement(v.format->metadata, v.data + v.at.balance, index);
}

QPKV_INLINE size_t ScaleIndex(const TileView& v, int token, int channel) {
  if (v.per_channel)
    return static_cast<size_t>(token / v.format->group) * v.at.scale_stride + channel;
  return static_cast<size_t>(channel / v.format->group) * v.at.scale_stride + token;
}

// One code, for what touches single values only.
static int CodeAt(const TileView& v, int token, int channel) {
  const bool key = v.tensor == Tensor::kKey;
  const int vector = key ? channel / 2 : (token % kLanes) / 2 * v.channel_blocks + channel / kLanes;
  const int word = key ? token % kLanes * 2 + channel % 2 : channel % kLanes * 2 + token % 2;
  const uint8_t* block = v.data + token / kLanes * v.at.block_bytes;
  const auto plane = [&](const uint8_t* registers, int bits) {
    const int planes = 16 / bits;
    const uint16_t* words =
        reinterpret_cast<const uint16_t*>(registers + vector / planes * kRegisterBytes);
    return (words[word] >> (bits * (vector % planes))) & ((1 << bits) - 1);
  };
  const int bits = v.format->bits;
  return bits == 3 ? plane(block, 2) + 4 * plane(block + v.at.high_offset, 1) : plane(block, bits);
}

// What the code of (token, channel) says; formats with outliers do not balance.
static float DecodedAt(const TileView& v, int token, int channel) {
  const size_t index = ScaleIndex(v, token, channel);
  const int code = CodeAt(v, token, channel);
  const float scale = LoadScale(v, index), offset = LoadOffset(v, index);
  if (v.integer_zero) return (static_cast<float>(code) - offset) * scale;
  const float product =
      (v.format->levels ? v.format->levels[code] : static_cast<float>(code)) * scale;
  return product + offset;
}

// ---- outliers

QPKV_INLINE int OutlierCount(const TileView& v) {
  if (v.format->bits == 16 || v.at.outlier_capacity == 0) return 0;
  uint32_t count;
  std::memcpy(&count, v.data + v.at.outliers, 4);
  const uint32_t capacity = static_cast<uint32_t>(v.at.outlier_capacity);
  return static_cast<int>(count < capacity ? count : capacity);
}

struct OutlierValue {
  int token, channel;
  float value;
};

QPKV_INLINE OutlierValue OutlierAt(const TileView& v, int i) {
  const bool wide = v.format->metadata == Element::kF32;
  const uint8_t* entry = v.data + v.at.outliers + 4 + static_cast<size_t>(i) * (wide ? 8 : 4);
  float value;
  if (wide) {
    std::memcpy(&value, entry + 4, 4);
  } else {
    uint16_t word;
    std::memcpy(&word, entry + 2, 2);
    value = v.format->metadata == Element::kF16 ? F16ToFloat(word) : Bf16ToFloat(word);
  }
  return {entry[0], entry[1], value};
}

}  // namespace
}  // namespace qpkv

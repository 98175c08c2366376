// Reference Pack and MarkTokens: group by group, value by value, as ops/tile_layout.h describes.
#include <algorithm>
#include <cmath>
#include <vector>

#include "reference/balance.h"
#include "reference/proximal.h"
#include "reference/tile_cells.h"
#include "reference/tile_ops.h"
#include "reference/transform.h"

namespace qpkv {
namespace reference {
namespace {

using Groups = std::vector<std::vector<int>>;

// groups[row * columns + column]: indices into [tokens, dim] of the values that share a scale. A
// row is a token group or a channel group, a column a channel or a token.
Groups GroupsOf(const TensorFormat& format, int tokens, int dim) {
  const bool per_channel = format.scale_per == ScalePer::kChannel;
  const int columns = per_channel ? dim : tokens, along = per_channel ? tokens : dim;
  Groups groups;
  for (int first = 0; first < along; first += format.group)
    for (int column = 0; column < columns; ++column) {
      groups.emplace_back();
      for (int i = first; i < std::min(first + format.group, along); ++i)
        groups.back().push_back(per_channel ? i * dim + column : column * dim + i);
    }
  return groups;
}

// [tokens, dim]: |x - mean| / mean |x - mean| of the value's group; 0 in a constant group.
std::vector<double> Deviations(const std::vector<float>& x, const Groups& groups) {
  std::vector<double> score(x.size(), 0.0);
  for (const std::vector<int>& members : groups) {
    double sum = 0, spread = 0;
    for (int i : members) sum += x[i];
    const double mean = sum / members.size();
    for (int i : members) spread += std::fabs(x[i] - mean);
    spread /= members.size();
    if (spread > 0)
      for (int i : members) score[i] = std::fabs(x[i] - mean) / spread;
  }
  return score;
}

// The values kept exactly, ascending: the `capacity` that stick out most, earlier ones first. Those
// within the threshold never do.
std::vector<int> FindOutliers(const TensorFormat& format, const std::vector<float>& x,
                              const Groups& groups, int capacity) {
  const bool beyond = format.outlier_rule == OutlierRule::kBeyond;
  std::vector<int> order;
  if (capacity == 0) return order;
  std::vector<double> score;
  if (beyond)
    for (float value : x) score.push_back(std::fabs(static_cast<double>(value)));
  else
    score = Deviations(x, groups);
  for (size_t i = 0; i < x.size(); ++i)
    if (!beyond || score[i] > format.outlier_threshold) order.push_back(static_cast<int>(i));
  std::stable_sort(order.begin(), order.end(), [&](int i, int j) { return score[i] > score[j]; });
  if (static_cast<int>(order.size()) > capacity) order.resize(capacity);
  std::sort(order.begin(), order.end());
  return order;
}

float Clamp(float code, int top) {
  return std::fmin(std::fmax(code, 0.0f), static_cast<float>(top));
}

struct Scales {
  std::vector<float> scale, offset;  // offset: minimum, centre or integer zero
};

bool FitsNorms(const TensorFormat& format) {
  return format.solver == Solver::kNorm || format.solver == Solver::kKeepNorm;
}

double NormOf(const std::vector<float>& x, const std::vector<int>& members) {
  double squares = 0;
  for (int i : members) squares += static_cast<double>(x[i]) * x[i];
  return std::sqrt(squares);
}

float RoundAway(float x) { return std::round(x); }  // half away from zero

Scales FindScales(const TensorFormat& format, const std::vector<float>& x, const Groups& groups) {
  const float top = static_cast<float>((1 << format.bits) - 1);
  const bool integer = format.zero == ZeroPoint::kInteger;
  const bool proximal =
      format.solver == Solver::kProximalGrowing || format.solver == Solver::kProximalConstant;
  Scales found;
  if (FitsNorms(format)) {
    for (const std::vector<int>& members : groups) {
      found.scale.push_back(static_cast<float>(NormOf(x, members)) * format.spread);
      found.offset.push_back(0);
    }
    return found;
  }
  std::vector<float> zero;  // the proximal solver's, not rounded
  for (const std::vector<int>& members : groups) {
    float low = INFINITY, high = -INFINITY;
    for (int i : members) {
      low = std::fmin(low, x[i]);
      high = std::fmax(high, x[i]);
    }
    if (format.zero == ZeroPoint::kInScale) {
      const float scale = std::fmax(high - low, format.least) / top;
      found.scale.push_back(scale);
      found.offset.push_back(scale > 0 ? Clamp(RoundAway(-low / scale), static_cast<int>(top))
                                       : 0.0f);
      continue;
    }
    if (integer && !proximal) {
      low = std::fmin(low, 0.0f);
      high = std::fmax(high, 0.0f);
    }
    float scale = format.levels ? (high - low) / 2 : (high - low) / top;
    if (!format.levels && !proximal) scale = std::fmax(high - low, format.least) / top;
    if (proximal && high > low)
      scale = 1.0f / ProximalInverseScale(format.solver, static_cast<int>(top), low, high);
    scale = RoundMetadata(format.metadata, scale);
    found.scale.push_back(scale);
    if (format.levels) low = (high + low) / 2;
    if (integer)
      found.offset.push_back(scale > 0 ? Clamp(std::nearbyint(-low / scale), static_cast<int>(top))
                                       : 0.0f);
    else
      found.offset.push_back(RoundMetadata(format.metadata, low));
    zero.push_back(scale > 0 ? -low / scale : 0.0f);
  }
  if (!proximal) return found;
  SolveProximal(format.solver, static_cast<int>(top), x, groups, found.scale, &zero);
  for (size_t g = 0; g < groups.size(); ++g)
    if (found.scale[g] > 0)
      found.offset[g] = integer ? Clamp(std::nearbyint(zero[g]), static_cast<int>(top))
                                : RoundMetadata(format.metadata, -zero[g] * found.scale[g]);
  return found;
}

int CodeOf(const TensorFormat& format, float x, float scale, float offset) {
  if (!(scale > 0)) return 0;
  const int top = (1 << format.bits) - 1;
  if (format.levels) {
    const float y = (x - offset) / scale;
    int best = 0;
    for (int i = 1; i <= top; ++i)
      if (std::fabs(static_cast<double>(format.levels[i]) - y) <
          std::fabs(static_cast<double>(format.levels[best]) - y))
        best = i;
    return best;
  }
  if (format.zero == ZeroPoint::kInScale) {
    const float place = x * (1.0f / scale);
    return static_cast<int>(Clamp(RoundAway(place + offset), top));
  }
  if (format.zero == ZeroPoint::kInteger)
    return static_cast<int>(Clamp(std::nearbyint(x / scale) + offset, top));
  return static_cast<int>(Clamp(std::nearbyint((x - offset) / scale), top));
}

// What is stored for a group whose codes are known.
float StoredScale(const TensorFormat& format, const std::vector<float>& x,
                  const std::vector<int>& members, float scale, float offset) {
  if (!FitsNorms(format)) return scale;
  if (format.solver == Solver::kNorm || !(scale > 0)) return RoundMetadata(format.metadata, scale);
  double squares = 0;
  for (int i : members) {
    const double level = format.levels[CodeOf(format, x[i], scale, offset)];
    squares += level * level;
  }
  const double kept = squares > 0 ? NormOf(x, members) / std::sqrt(squares) : 0.0;
  return RoundMetadata(format.metadata, static_cast<float>(kept));
}

void StoreScale(const PackItem& item, const PartLayout& at, size_t index, float scale,
                float offset) {
  const TensorFormat& format = *item.shape.format.get();
  if (format.zero == ZeroPoint::kInScale) {
    const uint32_t word = BitsOfFloat(scale) / 16 * 16 + static_cast<uint32_t>(offset);
    std::memcpy(item.out + at.scales + index * 4, &word, 4);
    return;
  }
  StoreElement(format.metadata, item.out + at.scales, index, scale);
  if (format.zero == ZeroPoint::kInteger)
    item.out[at.offsets + index] = static_cast<uint8_t>(offset);
  else if (format.zero == ZeroPoint::kFloatMinimum)
    StoreElement(format.metadata, item.out + at.offsets, index, offset);
}

// Divides x [tokens, dim] by its balance, which it stores.
void DivideByBalance(const PackItem& item, const PartLayout& at, int dim, std::vector<float>* x) {
  const TensorFormat& format = *item.shape.format.get();
  const bool channels = format.scale_per == ScalePer::kChannel;
  BalanceMatrix m{channels ? dim : item.tokens, channels ? item.tokens : dim, {}};
  for (int row = 0; row < m.rows; ++row)
    for (int column = 0; column < m.columns; ++column)
      m.x.push_back(
          (*x)[static_cast<size_t>(channels ? column : row) * dim + (channels ? row : column)]);
  const std::vector<double> balance = FindBalance(m, format.balance_steps);
  for (int column = 0; column < m.columns; ++column) {
    const float factor =
        RoundMetadata(format.metadata, static_cast<float>(balance[static_cast<size_t>(column)]));
    StoreElement(format.metadata, item.out + at.balance, static_cast<size_t>(column), factor);
    for (int row = 0; row < m.rows; ++row)
      (*x)[static_cast<size_t>(channels ? column : row) * dim + (channels ? row : column)] /=
          factor;
  }
}

void PackCodes(const PackItem& item, const PartLayout& at, int dim,
               const std::vector<float>& exact) {
  const TensorFormat& format = *item.shape.format.get();
  const Groups groups = GroupsOf(format, item.tokens, dim);
  const std::vector<int> outliers = FindOutliers(format, exact, groups, at.outlier_capacity);
  const auto is_outlier = [&](int i) {
    return std::binary_search(outliers.begin(), outliers.end(), i);
  };
  std::vector<float> x = exact;
  if (format.balance_steps > 0) DivideByBalance(item, at, dim, &x);
  Groups inliers = groups;
  if (format.outlier_rule == OutlierRule::kBeyond) {
    for (int i : outliers) x[i] = 0;
  } else {
    for (std::vector<int>& members : inliers) {  // unless a group has nothing but outliers
      const auto kept = std::remove_if(members.begin(), members.end(), is_outlier);
      if (kept != members.begin()) members.erase(kept, members.end());
    }
  }
  const Scales scales = FindScales(format, x, inliers);
  const bool per_channel = format.scale_per == ScalePer::kChannel;
  const int columns = per_channel ? dim : item.tokens;
  for (size_t g = 0; g < groups.size(); ++g) {
    const size_t column = g % columns + (per_channel ? 0 : item.first_slot);
    const size_t index = g / columns * at.scale_stride + column;
    StoreScale(item, at, index,
               StoredScale(format, x, groups[g], scales.scale[g], scales.offset[g]),
               scales.offset[g]);
    for (int i : groups[g])
      WriteCode(item.out, at, format.bits,
                CellOf(item.shape.tensor, dim, i / dim + item.first_slot, i % dim),
                CodeOf(format, x[i], scales.scale[g], scales.offset[g]));
  }
  const uint32_t count = static_cast<uint32_t>(outliers.size());
  if (at.outlier_capacity > 0) std::memcpy(item.out + at.outliers, &count, 4);
  for (uint32_t n = 0; n < count; ++n) {
    uint8_t* entry = item.out + at.outliers + 4 + n * OutlierBytes(format.metadata);
    entry[0] = static_cast<uint8_t>(outliers[n] / dim);
    entry[1] = static_cast<uint8_t>(outliers[n] % dim);
    const float value = RoundMetadata(format.metadata, exact[outliers[n]]);
    StoreElement(format.metadata, entry + (format.metadata == Element::kF32 ? 4 : 2), 0, value);
  }
}

void PackOne(const PackItem& item, int dim) {
  const TensorFormat& format = *item.shape.format.get();
  const PartLayout at = LayoutOf(item.shape, dim);
  if (item.first_slot == 0) std::memset(item.out, 0, at.bytes);
  std::vector<float> x(static_cast<size_t>(item.tokens) * dim);
  for (int t = 0; t < item.tokens; ++t) {
    const size_t row = item.index ? item.index.get()[t] : t;
    const std::vector<float> stored =
        StoredRow(item.transform, item.transform.means, item.source + row * dim, dim);
    std::copy(stored.begin(), stored.end(), x.begin() + static_cast<size_t>(t) * dim);
  }
  MarkSlots(item.shape, item.out, at, item.first_slot, item.tokens, item.positions.get(),
            item.valid.get(), true);
  if (format.bits != 16) return PackCodes(item, at, dim, x);
  for (int t = 0; t < item.tokens; ++t)
    for (int c = 0; c < dim; ++c)
      WriteExact(item.out, at, item.shape.tensor, format, dim, item.first_slot + t, c,
                 x[static_cast<size_t>(t) * dim + c]);
}

}  // namespace

void MeanTokens(Stream&, const MeanTokensArgs& args) {
  for (int i = 0; i < args.count; ++i) {
    const MeanItem& item = args.items.get()[i];
    for (int c = 0; c < args.dim; ++c) {
      double sum = 0;
      for (int t = 0; t < item.tokens; ++t)
        sum += item.source[static_cast<size_t>(item.index.get()[t]) * args.dim + c];
      item.mean[c] = item.tokens > 0 ? static_cast<float>(sum / item.tokens) : 0.0f;
    }
  }
}

void Pack(Stream&, const PackArgs& args) {
  for (int i = 0; i < args.count; ++i) PackOne(args.items.get()[i], args.dim);
}

void MarkTokens(Stream&, const MarkArgs& args) {
  for (int i = 0; i < args.count; ++i) {
    const MarkItem& item = args.items.get()[i];
    MarkSlots(item.shape, item.part, LayoutOf(item.shape, args.dim), item.first_slot, item.tokens,
              item.positions.get(), item.valid.get(), false);
  }
}

}  // namespace reference
}  // namespace qpkv

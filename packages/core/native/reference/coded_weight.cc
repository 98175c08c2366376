// See coded_weight.h.
#include "reference/coded_weight.h"

#include <cmath>
#include <cstring>

#include "base/f16.h"

namespace qpkv {
namespace reference {
namespace {

uint8_t* GroupAt(const PackedWeight& w, int row, int column) {
  return static_cast<uint8_t*>(w.data) + row / kPanel * WeightPanelBytes(w.format, w.k) +
         column / w.format.group * GroupOf(w.format).bytes;
}

int CodeAt(const PackedWeight& w, int row, int column) {
  const int i = column % w.format.group;
  const int byte = GroupAt(w, row, column)[CodeByte(w.format, row % kPanel, i)];
  return CodeWidth(w.format) == 8 ? byte : IsHighNibble(w.format, i) ? byte >> 4 : byte & 15;
}

void SetCode(const PackedWeight& w, int row, int column, int code) {
  const int i = column % w.format.group;
  uint8_t& byte = GroupAt(w, row, column)[CodeByte(w.format, row % kPanel, i)];
  if (CodeWidth(w.format) == 8)
    byte = static_cast<uint8_t>(code);
  else
    byte = static_cast<uint8_t>(IsHighNibble(w.format, i) ? (byte & 15) | code << 4
                                                          : (byte & 240) | code);
}

void* ScaleAt(const PackedWeight& w, int row, int column) {
  return GroupAt(w, row, column) + GroupOf(w.format).scales +
         row % kPanel * ElementBytes(w.format.scale);
}

void* MinimumAt(const PackedWeight& w, int row, int column) {
  return GroupAt(w, row, column) + GroupOf(w.format).minima +
         row % kPanel * MinimumBytes(w.format.minimum);
}

void SetScale(const PackedWeight& w, int row, int column, double scale) {
  if (w.format.scale == Element::kF32) {
    const float value = static_cast<float>(scale);
    std::memcpy(ScaleAt(w, row, column), &value, sizeof value);
  } else {
    const double cut = scale > 65504 ? 65504 : scale < -65504 ? -65504 : scale;
    const uint16_t bits = FloatToF16(static_cast<float>(cut));
    std::memcpy(ScaleAt(w, row, column), &bits, sizeof bits);
  }
}

double Scale(const PackedWeight& w, int row, int column) {
  return ReadElement(ScaleAt(w, row, column), w.format.scale, 0);
}

double Nearest(double x, double scale, double zero) {
  const double code = std::nearbyint(x / scale);
  return code < -zero ? -zero : code > zero - 1 ? zero - 1 : code;
}

// The scale of least squared error: every one of many that bring the extreme near the most negative
// code, each improved for its codes.
double SearchScale(const std::vector<double>& x, double zero) {
  double extreme = 0;
  for (double value : x) {
    if (!std::isfinite(value)) return NAN;
    if (std::fabs(value) > std::fabs(extreme)) extreme = value;
  }
  double best = 0, least = INFINITY;
  for (int i = -100; extreme != 0 && i <= 100; ++i) {
    const double first = extreme / (-zero + 0.01 * i);
    double xq = 0, qq = 0;
    for (double value : x) {
      const double q = Nearest(value, first, zero);
      xq += value * q, qq += q * q;
    }
    const double scale = qq > 0 ? xq / qq : first;
    double error = 0;
    for (double value : x) error += std::pow(value - Nearest(value, first, zero) * scale, 2);
    if (error < least) least = error, best = scale;
  }
  return best;
}

}  // namespace

float ReadElement(const void* data, Element element, size_t i) {
  if (element == Element::kF32) {
    float value;
    std::memcpy(&value, static_cast<const char*>(data) + i * sizeof value, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, static_cast<const char*>(data) + i * sizeof bits, sizeof bits);
  return element == Element::kF16 ? F16ToFloat(bits) : Bf16ToFloat(bits);
}

double CodedWeight(const PackedWeight& w, int row, int column) {
  double value = Scale(w, row, column) * (CodeAt(w, row, column) - CodeZero(w.format));
  if (w.format.minimum != WeightMinimum::kNone)
    value +=
        ReadElement(MinimumAt(w, row, column),
                    w.format.minimum == WeightMinimum::kF16 ? Element::kF16 : Element::kF32, 0);
  return value;
}

void PackCodedRow(const PackWeightArgs& args, int row) {
  const PackedWeight& w = args.out;
  const int size = w.format.group, zero = CodeZero(w.format);
  const size_t groups = DivideUp(w.k, size), from = static_cast<size_t>(row - args.row_begin);
  for (size_t g = 0; g < groups; ++g) {
    const int column = static_cast<int>(g) * size;
    const size_t cell = from * groups + g;
    const bool padding = row >= args.row_end;
    if (padding) {
      std::memset(ScaleAt(w, row, column), 0, ElementBytes(w.format.scale));
      std::memset(MinimumAt(w, row, column), 0, MinimumBytes(w.format.minimum));
    } else if (args.codes) {
      const size_t scale = ElementBytes(w.format.scale), minimum = MinimumBytes(w.format.minimum);
      std::memcpy(ScaleAt(w, row, column),
                  static_cast<const char*>(args.scales.get()) + cell * scale, scale);
      if (minimum > 0)
        std::memcpy(MinimumAt(w, row, column),
                    static_cast<const char*>(args.minima.get()) + cell * minimum, minimum);
    }
    std::vector<double> x(static_cast<size_t>(size), 0.0);
    if (!padding && !args.codes) {
      for (int i = 0; i < size && column + i < w.k; ++i)
        x[static_cast<size_t>(i)] =
            ReadElement(args.source.get(), args.source_element, from * w.k + column + i);
      SetScale(w, row, column, SearchScale(x, zero));
    }
    const double scale = Scale(w, row, column);
    for (int i = 0; i < size; ++i) {
      int code = zero;
      if (!padding && args.codes)
        code = args.codes.get()[cell * size + i];
      else if (!padding && scale != 0 && !std::isnan(scale))
        code = zero + static_cast<int>(Nearest(x[static_cast<size_t>(i)], scale, zero));
      SetCode(w, row, column + i, code);
    }
  }
}

void RoundToWords(const float* x, int k, int group, std::vector<double>* out) {
  for (int begin = 0; begin < k; begin += group) {
    const int end = k < begin + group ? k : begin + group;
    double most = 0;
    bool finite = true;
    for (int i = begin; i < end; ++i) {
      finite = finite && std::isfinite(x[i]);
      most = std::fmax(most, std::fabs(x[i]));
    }
    int exponent = 0;
    std::frexp(most, &exponent);  // most < 2^exponent
    const double scale = std::ldexp(1.0, (exponent < -111 ? -111 : exponent) - 15);
    for (int i = begin; i < end; ++i)
      (*out)[static_cast<size_t>(i)] =
          finite ? std::fmin(32767, std::nearbyint(x[i] / scale)) * scale : NAN;
  }
}

void RoundToBytes(const float* x, int k, int group, std::vector<double>* out) {
  for (int begin = 0; begin < k; begin += group) {
    const int end = k < begin + group ? k : begin + group;
    float most = 0;
    bool finite = true;
    for (int i = begin; i < end; ++i) {
      finite = finite && std::isfinite(x[i]);
      most = std::fmax(most, std::fabs(x[i]));
    }
    // In float32, as every table has it: which of two bytes a value rounds to must not differ.
    const float inverse = most > 1e-30f ? 127.0f / most : 0.0f, scale = most / 127.0f;
    for (int i = begin; i < end; ++i) {
      const float scaled = x[i] * inverse;
      (*out)[static_cast<size_t>(i)] =
          finite ? static_cast<double>(std::nearbyint(scaled)) * scale : NAN;
    }
  }
}

}  // namespace reference
}  // namespace qpkv

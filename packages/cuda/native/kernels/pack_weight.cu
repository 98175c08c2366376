// PackWeight: rows as stored in a file, sent in pieces, into panels. Coded formats: the scale of
// least squared error as the CPU's tables find it, sums in the same order, so that the codes are
// the same (core's kernels/quantize_weight.inl.h).
#include "kernels/table.h"
#include "kernels/weights.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 128;
constexpr size_t kPieceBytes = size_t{32} << 20;

// Rows [begin, end) of the packed weight; those from `filled` on are zeros behind the last one.
struct Piece {
  PackedWeight out;
  const uint8_t* source;  // of row `begin`
  Element element;
  int begin, filled, end;
};

// A thread per element: blocks (features, row).
__global__ void PackExactKernel(Piece a) {
  const int k = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int row = a.begin + static_cast<int>(blockIdx.y);
  if (k >= static_cast<int>(AlignUp(a.out.k, 2))) return;
  const bool zero = row >= a.filled || k >= a.out.k;
  const Element to = a.out.format.element;
  uint8_t* panel = PanelOf(a.out, row / kPanel);
  const size_t at = ExactIndex(to, row % kPanel, k),
               from = static_cast<size_t>(blockIdx.y) * a.out.k + k;
  if (!zero && to == a.element && to != Element::kF32) {  // bits stay, those of NaN too
    reinterpret_cast<uint16_t*>(panel)[at] =
        static_cast<uint16_t>(a.source[2 * from] | a.source[2 * from + 1] << 8);
    return;
  }
  StoreElement(to, panel, at, zero ? 0.0f : LoadElementAnywhere(a.element, a.source, from));
}

QPKV_DEVICE void PutCode(const WeightFormat& format, int lane, int i, int code, uint8_t* group) {
  uint8_t& byte = group[CodeByte(format, lane, i)];
  if (CodeWidth(format) == 8)
    byte = static_cast<uint8_t>(code);
  else if (IsHighNibble(format, i))
    byte = static_cast<uint8_t>((byte & 0x0f) | code << 4);
  else
    byte = static_cast<uint8_t>((byte & 0xf0) | code);
}

// Of 16 values in the order of the CPU's vectors: halves, quarters, ...
QPKV_DEVICE float TreeSum(float* x) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] = x[i] + x[i + half];
  return x[0];
}

QPKV_DEVICE float Rounded(float x, float least, float most) {
  return fmaxf(least, fminf(most, rintf(x)));
}

// x [32] in units of the extreme; the second half is zero in groups of 16.
QPKV_DEVICE float BestScale(const float* x, float extreme, int bits) {
  const float most = static_cast<float>((1 << (bits - 1)) - 1), least = -most - 1;
  float best = 0, best_gain = -1;
  for (int step = -9; step <= 9; ++step) {
    const float inverse = least + 0.1f * static_cast<float>(step);
    float xq[16], qq[16];
    for (int i = 0; i < 16; ++i) {
      const float a = Rounded(x[i] * inverse, least, most),
                  b = Rounded(x[i + 16] * inverse, least, most);
      xq[i] = x[i] * a + x[i + 16] * b;
      qq[i] = a * a + b * b;
    }
    const float with = TreeSum(xq), size = TreeSum(qq);
    if (!(size > 0)) continue;
    const float scale = with / size, gain = with * scale;
    if (gain > best_gain) best_gain = gain, best = scale;
  }
  return best * extreme;
}

// As it is stored: an f16 scale stays finite.
QPKV_DEVICE float StoreScale(float scale, const WeightFormat& format, int lane, uint8_t* group) {
  const float cut = format.scale == Element::kF32 ? scale
                    : scale > 65504.0f            ? 65504.0f
                    : scale < -65504.0f           ? -65504.0f
                                                  : scale;
  void* scales = group + GroupOf(format).scales;
  StoreElement(format.scale, scales, static_cast<size_t>(lane), cut);
  return LoadElement(format.scale, scales, static_cast<size_t>(lane));
}

// A thread per row and group: blocks (groups, row).
__global__ void PackCodedKernel(Piece a) {
  const WeightFormat format = a.out.format;
  const int g = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int row = a.begin + static_cast<int>(blockIdx.y), lane = row % kPanel;
  if (g >= static_cast<int>(DivideUp(a.out.k, format.group))) return;
  uint8_t* group = PanelOf(a.out, row / kPanel) + static_cast<size_t>(g) * GroupOf(format).bytes;
  const int zero = CodeZero(format);
  float x[32], extreme = 0, high = -Infinity(), sum = 0;
  for (int i = 0; i < 32; ++i) {
    const int k = g * format.group + i;
    x[i] = row < a.filled && i < format.group && k < a.out.k
               ? LoadElementAnywhere(a.element, a.source,
                                     static_cast<size_t>(blockIdx.y) * a.out.k + k)
               : 0.0f;
    sum += x[i] - x[i];  // NaN where one is infinite or NaN
    extreme = fmaxf(extreme, fabsf(x[i]));
    high = fmaxf(high, x[i]);
  }
  if (high != extreme) extreme = -extreme;
  float wanted = 0;
  if (IsNan(sum)) {
    wanted = sum;
  } else if (extreme != 0) {
    float unit[32];
    for (int i = 0; i < 32; ++i) unit[i] = x[i] / extreme;
    wanted = BestScale(unit, extreme, format.bits);
  }
  const float scale = StoreScale(wanted, format, lane, group);
  const bool usable = !IsNan(scale) && scale != 0;
  const float most = static_cast<float>(zero - 1);
  for (int i = 0; i < format.group; ++i)
    PutCode(format, lane, i,
            usable ? static_cast<int>(Rounded(x[i] / scale, -most - 1, most)) + zero : zero, group);
  if (format.minimum != WeightMinimum::kNone)  // of zeros behind the last row
    StoreElement(format.minimum == WeightMinimum::kF16 ? Element::kF16 : Element::kF32,
                 group + GroupOf(format).minima, static_cast<size_t>(lane), 0.0f);
}

// The same for a file's own codes, scales and minima of rows [begin, filled).
__global__ void PackGivenKernel(Piece a, const uint8_t* scales, const uint8_t* minima) {
  const WeightFormat format = a.out.format;
  const int g = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int row = a.begin + static_cast<int>(blockIdx.y), lane = row % kPanel;
  const int groups = static_cast<int>(DivideUp(a.out.k, format.group));
  if (g >= groups) return;
  uint8_t* group = PanelOf(a.out, row / kPanel) + static_cast<size_t>(g) * GroupOf(format).bytes;
  const size_t cell = static_cast<size_t>(blockIdx.y) * groups + g;
  const int scale_bytes = ElementBytes(format.scale),
            minimum_bytes = static_cast<int>(MinimumBytes(format.minimum));
  for (int i = 0; i < format.group; ++i)
    PutCode(format, lane, i, a.source[cell * format.group + i], group);
  for (int i = 0; i < scale_bytes; ++i)
    group[GroupOf(format).scales + static_cast<size_t>(lane) * scale_bytes + i] =
        scales[cell * scale_bytes + i];
  for (int i = 0; i < minimum_bytes; ++i)
    group[GroupOf(format).minima + static_cast<size_t>(lane) * minimum_bytes + i] =
        minima[cell * minimum_bytes + i];
}

dim3 GridFor(int columns, int rows) {
  return dim3(BlocksFor(static_cast<size_t>(columns), kThreads), static_cast<unsigned>(rows));
}

// Codes of a file: rows [first, first + rows) of the source.
void PackGiven(CudaStream& on, const PackWeightArgs& a, int first, int rows) {
  const WeightFormat& format = a.out.format;
  const size_t groups = DivideUp(a.out.k, format.group), cell = static_cast<size_t>(first) * groups,
               cells = static_cast<size_t>(rows) * groups;
  const size_t scale = ElementBytes(format.scale), minimum = MinimumBytes(format.minimum);
  const auto bytes = [](Host<const void> host) { return static_cast<const uint8_t*>(host.get()); };
  const uint8_t* codes =
      on.Send(Slot::kSource, a.codes.get() + cell * format.group, cells * format.group);
  const uint8_t* scales = on.Send(Slot::kItems, bytes(a.scales) + cell * scale, cells * scale);
  const uint8_t* minima = nullptr;
  if (minimum > 0)
    minima = on.Send(Slot::kIndex, bytes(a.minima) + cell * minimum, cells * minimum);
  if (codes == nullptr || scales == nullptr || (minimum > 0 && minima == nullptr)) return;
  const int begin = a.row_begin + first;
  const Piece piece = {a.out, codes, Element::kF32, begin, begin + rows, begin + rows};
  QPKV_LAUNCH(on.queue, PackGivenKernel, GridFor(static_cast<int>(groups), rows), kThreads, 0,
              piece, scales, minima);
}

void PackValues(CudaStream& on, const PackWeightArgs& a, int first, int rows, int zeros) {
  const size_t row_bytes = static_cast<size_t>(a.out.k) * ElementBytes(a.source_element);
  const uint8_t* source = static_cast<const uint8_t*>(a.source.get());
  const uint8_t* sent =
      rows == 0 ? nullptr : on.Send(Slot::kSource, source + first * row_bytes, rows * row_bytes);
  if (rows > 0 && sent == nullptr) return;
  const int begin = a.row_begin + first;
  const Piece piece = {a.out, sent, a.source_element, begin, begin + rows, begin + rows + zeros};
  if (IsExact(a.out.format))
    QPKV_LAUNCH(on.queue, PackExactKernel,
                GridFor(static_cast<int>(AlignUp(a.out.k, 2)), rows + zeros), kThreads, 0, piece);
  else
    QPKV_LAUNCH(on.queue, PackCodedKernel,
                GridFor(static_cast<int>(DivideUp(a.out.k, a.out.format.group)), rows + zeros),
                kThreads, 0, piece);
}

}  // namespace

size_t PackedWeightBytes(const WeightFormat& format, int n, int k) {
  return WeightBytes(format, n, k);
}

void PackWeight(Stream& stream, const PackWeightArgs& a) {
  CudaStream& on = On(stream);
  const int rows = a.row_end - a.row_begin;
  // The source that fills the last row also writes the zeros behind it.
  const int zeros =
      a.row_end == a.out.n ? static_cast<int>(AlignUp(a.row_end, kPanel)) - a.row_end : 0;
  const size_t row_bytes = static_cast<size_t>(a.out.k) * 4;
  int at_once = static_cast<int>(kPieceBytes / (row_bytes == 0 ? 1 : row_bytes));
  at_once = at_once < 1 ? 1 : at_once > 32768 ? 32768 : at_once;
  for (int first = 0; first < rows; first += at_once) {
    const int n = rows - first < at_once ? rows - first : at_once;
    if (a.codes)
      PackGiven(on, a, first, n);
    else
      PackValues(on, a, first, n, 0);
  }
  if (zeros > 0) PackValues(on, a, rows, 0, zeros);
}

}  // namespace cuda
}  // namespace qpkv

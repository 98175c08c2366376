// Blocks of 16 slots of a part in shared memory: codes and what belongs to them, by asynchronous
// copies. A byte of a part is read once, however many queries look at it.
#pragma once
#include "device/async_copy.h"
#include "kernels/part_cells.h"

namespace qpkv {
namespace cuda {

// Room for codes or exact values, and for scales and offsets; one block of any format fits.
constexpr int kCodeBytes = 16 << 10, kMetaBytes = 4 << 10;
constexpr int kBufferBytes = kCodeBytes + kMetaBytes;

// A part while it is read.
struct ReadPart {
  const uint8_t* data;
  TensorFormat format;
  PartLayout at;
};

// Blocks [first_block, first_block + blocks) as they are staged.
struct StagedBlocks {
  uint8_t* codes;
  const uint8_t* scales;
  const uint8_t* offsets;
  int first_slot, blocks;
  int row, column, stride;  // of the scales that lie first: see ScaleCellOf
  int scale_count;          // staged scales; 0: they are read where they lie

  QPKV_ON_DEVICE size_t IndexOf(const TensorFormat& format, int slot, int c) const {
    const ScaleCell cell = ScaleCellOf(format, slot, c);
    return static_cast<size_t>(cell.row - row) * stride + (cell.column - column);
  }
  QPKV_ON_DEVICE const uint8_t* BlockOf(const PartLayout& at, int slot) const {
    return codes + static_cast<size_t>((slot - first_slot) / kLanes) * at.block_bytes;
  }
};

QPKV_DEVICE int OffsetBytes(const TensorFormat& format) {
  return format.zero == ZeroPoint::kFloatMinimum ? ElementBytes(format.metadata)
         : format.zero == ZeroPoint::kInteger    ? 1
                                                 : 0;
}

// Rows of scales that `blocks` blocks touch at most.
QPKV_DEVICE int ScaleRows(const ReadPart& part, int blocks) {
  if (part.format.scale_per == ScalePer::kToken) return part.at.scale_rows;
  const int rows = (blocks * kLanes + part.format.group - 1) / part.format.group + 1;
  return rows < part.at.scale_rows ? rows : part.at.scale_rows;
}
QPKV_DEVICE size_t MetaBytes(const ReadPart& part, int blocks) {
  const int columns =
      part.format.scale_per == ScalePer::kToken ? blocks * kLanes : part.at.scale_stride;
  return static_cast<size_t>(ScaleRows(part, blocks)) * columns *
         (ElementBytes(part.format.metadata) + OffsetBytes(part.format));
}

// How many blocks are staged at once: a power of two, at most 8, whose scales take at most
// `meta_bytes`.
QPKV_DEVICE int BlocksAtOnce(const ReadPart& part, size_t meta_bytes) {
  int blocks = 8;
  while (blocks > 1 && (blocks * part.at.block_bytes > kCodeBytes ||
                        (part.format.bits != 16 && MetaBytes(part, blocks) > meta_bytes)))
    blocks /= 2;
  return blocks;
}

// `rows` rows of `bytes` bytes, `pitch` apart in global memory, behind one another in shared
// memory.
QPKV_DEVICE void CopyRows(uint8_t* shared, const uint8_t* global, int rows, int bytes,
                          size_t pitch) {
  const int pieces = bytes / 16;
  for (int i = static_cast<int>(threadIdx.x); i < rows * pieces; i += static_cast<int>(blockDim.x))
    CopyAsync16(
        shared + 16 * static_cast<size_t>(i),
        global + static_cast<size_t>(i / pieces) * pitch + 16 * static_cast<size_t>(i % pieces));
}

// Where blocks will lie in `shared` [kBufferBytes].
QPKV_DEVICE StagedBlocks PlaceBlocks(const ReadPart& part, int first_block, int blocks,
                                     uint8_t* shared) {
  const TensorFormat& format = part.format;
  const PartLayout& at = part.at;
  StagedBlocks staged = {shared,
                         part.data + at.scales,
                         part.data + at.offsets,
                         first_block * kLanes,
                         blocks,
                         0,
                         0,
                         at.scale_stride,
                         0};
  // Scales of groups of a few tokens are read where they lie.
  if (format.bits == 16 || MetaBytes(part, blocks) > kMetaBytes) return staged;
  int rows = at.scale_rows;
  if (format.scale_per == ScalePer::kChannel) {
    staged.row = staged.first_slot / format.group;
    const int last = (staged.first_slot + blocks * kLanes - 1) / format.group;
    rows = (last < at.scale_rows ? last + 1 : at.scale_rows) - staged.row;
  } else {
    staged.column = staged.first_slot;
    staged.stride = blocks * kLanes;
  }
  staged.scale_count = rows * staged.stride;
  staged.scales = shared + kCodeBytes;
  staged.offsets = staged.scales + staged.scale_count * ElementBytes(format.metadata);
  return staged;
}

// Starts copies of this thread's share; they may be read after WaitCopies and a barrier.
QPKV_DEVICE void CopyBlocks(const ReadPart& part, const StagedBlocks& staged) {
  const PartLayout& at = part.at;
  CopyRows(staged.codes, part.data + staged.first_slot / kLanes * at.block_bytes, 1,
           static_cast<int>(staged.blocks * at.block_bytes), 0);
  if (staged.scale_count > 0) {
    const int rows = staged.scale_count / staged.stride, scale = ElementBytes(part.format.metadata),
              offset = OffsetBytes(part.format);
    const size_t first = static_cast<size_t>(staged.row) * at.scale_stride + staged.column,
                 pitch = static_cast<size_t>(at.scale_stride);
    uint8_t* to = staged.codes + kCodeBytes;
    CopyRows(to, part.data + at.scales + first * scale, rows, staged.stride * scale, pitch * scale);
    CopyRows(to + staged.scale_count * scale, part.data + at.offsets + first * offset, rows,
             staged.stride * offset, pitch * offset);
  }
  CommitCopies();
}

// What a code of a staged slot and channel stands for.
QPKV_DEVICE float StagedCode(const ReadPart& part, const StagedBlocks& staged, int code, int slot,
                             int c) {
  const size_t index = staged.IndexOf(part.format, slot, c);
  const float value = ValueOfCode(part.format, code, LoadScale(part.format, staged.scales, index),
                                  LoadOffset(part.format, staged.scales, staged.offsets, index));
  if (part.format.balance_steps == 0) return value;
  return value * LoadBalance(part.format, part.data + part.at.balance, slot, c);
}

// The value of a staged slot and channel, outliers aside.
QPKV_DEVICE float StagedValue(const ReadPart& part, const StagedBlocks& staged, Tensor tensor,
                              int dim, int slot, int c) {
  const Cell cell = CellOf(tensor, dim, slot, c);
  const uint8_t* block = staged.BlockOf(part.at, slot);
  if (part.format.bits == 16)
    return LoadElement(part.format.element, block, ExactCellIndex(part.format.element, cell));
  return StagedCode(part, staged, CodeOfCell(block, part.at, part.format.bits, cell), slot, c);
}

}  // namespace cuda
}  // namespace qpkv

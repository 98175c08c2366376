// Blocks of values as GGUF files hold them, read into float32, exactly the values that the format's
// definition gives, operation by operation in float32; or as codes and scales.
//
// A block is a run of values of one row that share scales. Numbers are little-endian.
#pragma once
#include <cstddef>
#include <cstdint>

namespace qpkv {

enum class BlockType : uint8_t { kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ4K, kQ5K, kQ6K };

int BlockValues(BlockType type);    // values of one block
size_t BlockBytes(BlockType type);  // bytes of one block

// source: `blocks` blocks of BlockBytes each. out: [blocks * BlockValues].
void ReadBlocks(BlockType type, const uint8_t* source, size_t blocks, float* out);

// Scale and minimum of part j of 8 of a K block, six bits each in 12 bytes: the first four in the
// low bits of bytes j and j + 4, the others split between byte j + 4 and the high bits of bytes
// j - 4 and j.
void SixBitScales(const uint8_t* packed, int j, int* scale, int* minimum);

// How the codes of a block are scaled: value = (code - zero) * scale + minimum; zero is 0 where
// there are minima, else 2^(bits - 1).
struct BlockCodes {
  int bits;          // of a code
  int group;         // values that share a scale
  bool half_scales;  // scales and minima are halves in the file; else products of two numbers
  bool minima;
};
BlockCodes CodesOf(BlockType type);

// The same blocks as codes 0 .. 2^bits - 1. codes: [blocks * BlockValues]; scales, minima: one per
// group, exact in float32; minima is not written where the type has none.
void ReadBlockCodes(BlockType type, const uint8_t* source, size_t blocks, uint8_t* codes,
                    float* scales, float* minima);

}  // namespace qpkv

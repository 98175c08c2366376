// Blocks of values as GGUF files hold them, read into float32: exactly the values that the format's
// definition gives, operation by operation in float32.
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

}  // namespace qpkv

// Matrix products of a warp on tensor cores: 16 x 8 sums in float32 of products of bf16.
//
// Lane l has group g = l / 4 and place t = l % 4. The four registers of A hold rows g and g + 8,
// columns 2t, 2t + 1 and the same 8 further; the two of B rows 2t, 2t + 1 and 8 further of column
// g; C rows g and g + 8, columns 2t and 2t + 1.
#pragma once
#include "device/numbers.h"

namespace qpkv {
namespace cuda {

struct FragmentA {
  uint32_t r[4];  // 16 x 16 bf16
};
struct FragmentB {
  uint32_t r[2];  // 16 x 8 bf16
};
struct FragmentC {
  float r[4];  // 16 x 8 float
};

// c += a b.
QPKV_DEVICE void Multiply(FragmentC& c, const FragmentA& a, const FragmentB& b) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c.r[0]), "+f"(c.r[1]), "+f"(c.r[2]), "+f"(c.r[3])
      : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "r"(b.r[0]), "r"(b.r[1]));
#else
  struct Lane {
    FragmentA a;
    FragmentB b;
    FragmentC c;
  } lane = {a, b, c};
  executor::Warp("mma", &lane, sizeof lane, &c, [](executor::WarpSlot& slot) {
    float left[16][16], right[16][8];
    Lane x;
    for (int l = 0; l < 32; ++l) {
      std::memcpy(&x, slot.in[l], sizeof x);
      const int g = l / 4, t = l % 4;
      for (int i = 0; i < 2; ++i)
        for (int k = 0; k < 2; ++k) {
          left[g][2 * t + 8 * k + i] = HalfOf(x.a.r[2 * k], i);
          left[g + 8][2 * t + 8 * k + i] = HalfOf(x.a.r[2 * k + 1], i);
          right[2 * t + 8 * k + i][g] = HalfOf(x.b.r[k], i);
        }
    }
    for (int l = 0; l < 32; ++l) {
      std::memcpy(&x, slot.in[l], sizeof x);
      for (int i = 0; i < 4; ++i) {
        const int row = l / 4 + i / 2 * 8, column = 2 * (l % 4) + i % 2;
        float sum = x.c.r[i];
        for (int k = 0; k < 16; ++k) sum += left[row][k] * right[k][column];
        x.c.r[i] = sum;
      }
      std::memcpy(slot.out[l], &x.c, sizeof x.c);
    }
  });
#endif
}

}  // namespace cuda
}  // namespace qpkv

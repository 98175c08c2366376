// Mutants of the CUDA kernels: all of them are compiled into one library, and QPKV_MUTANT says
// which one of them it is. What tools/cuda-mutants/write-mutants.ts writes into a copy of the
// sources calls these; included in front of every file.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <type_traits>

namespace qpkv {
namespace mutants {

// Which mutants the process came by (1), and which are none (2: a float's bound moved away from what
// is equal); written to the file that QPKV_MUTANTS_REACHED names when it
// ends.
struct Reached {
  unsigned char at[QPKV_MUTANTS] = {};
  ~Reached() {
    const char* path = std::getenv("QPKV_MUTANTS_REACHED");
    std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "wb");
    if (file == nullptr) return;
    std::fwrite(at, 1, sizeof at, file);
    std::fclose(file);
  }
};
inline Reached reached;
inline const int chosen = [] {
  const char* text = std::getenv("QPKV_MUTANT");
  return text == nullptr ? -1 : std::atoi(text);
}();

inline bool Deleted(int id) {
  reached.at[id] = 1;
  return id == chosen;
}

// A bound as it is, one further or one nearer: `kCount` mutants from `id` on, the first of which is
// the further one if kFurther. Of floats the next one, where that moves what is equal (kEqual: the
// further one does).
template <int kCount, bool kFurther, bool kEqual, class T>
inline T Bound(int id, T bound) {
  constexpr bool kFloat = std::is_floating_point<T>::value;
  for (int i = 0; i < kCount; ++i) {
    const bool further = i == 0 ? kFurther : !kFurther;
    reached.at[id + i] = kFloat && further != kEqual ? 2 : 1;
    if (id + i != chosen) continue;
    if constexpr (kFloat) {
      const T most = std::numeric_limits<T>::infinity();
      return std::nextafter(bound, further ? most : -most);
    } else {
      return static_cast<T>(further ? bound + 1 : bound - 1);
    }
  }
  return bound;
}

}  // namespace mutants
}  // namespace qpkv

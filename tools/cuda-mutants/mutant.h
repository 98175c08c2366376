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

// Which mutants the process came by; written to the file that QPKV_MUTANTS_REACHED names when it
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

// A bound as it is, one further (id) or one nearer (id + 1); of floats the next one, so that '<' is
// '<='.
template <class T>
inline T Bound(int id, T bound) {
  reached.at[id] = reached.at[id + 1] = 1;
  if (id != chosen && id + 1 != chosen) return bound;
  if constexpr (std::is_floating_point<T>::value) {
    const T most = std::numeric_limits<T>::infinity();
    return std::nextafter(bound, id == chosen ? most : -most);
  } else {
    return static_cast<T>(id == chosen ? bound + 1 : bound - 1);
  }
}

}  // namespace mutants
}  // namespace qpkv

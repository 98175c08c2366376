// QPKV_CHECK(condition): an invariant of the engine. Arguments of users are validated in
// TypeScript; a failure here is a bug.
#pragma once
#include <cstdio>
#include <cstdlib>

#define QPKV_CHECK(condition)                                                           \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      std::fprintf(stderr, "qpkv: invariant failed at %s:%d: %s\n", __FILE__, __LINE__, \
                   #condition);                                                         \
      std::abort();                                                                     \
    }                                                                                   \
  } while (0)

# What addon and backend libraries agree on: a hash of every header that says it (ops/backend.h), written to `out`.
function(qpkv_abi_hash native out)
  file(GLOB headers CONFIGURE_DEPENDS ${native}/ops/*.h ${native}/ops/statistics/*.h)
  set(text "")
  foreach(header IN LISTS headers)
    file(SHA256 ${header} hash)
    string(APPEND text ${hash})
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
  string(SHA256 abi_hash "${text}")
  string(SUBSTRING ${abi_hash} 0 16 abi_hash)
  file(CONFIGURE OUTPUT ${out} CONTENT
"// Made by abi_hash.cmake.
#pragma once
#include <cstdint>
namespace qpkv {
constexpr uint64_t kAbi = 0x@abi_hash@u;
}
" @ONLY)
endfunction()

// The one exception of the engine. `code` is one of the stable codes of
// packages/spec/src/errors.ts; the binding copies it to the JavaScript error.
#pragma once
#include <stdexcept>
#include <string>

namespace qpkv {

class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

}  // namespace qpkv

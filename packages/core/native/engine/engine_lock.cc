// See engine_lock.h.
#include "engine/engine_lock.h"

namespace qpkv {
namespace {
thread_local int held = 0;
}  // namespace

EngineLock::EngineLock(Engine& engine) : engine_(engine), lock_(engine.mutex) { ++held; }
EngineLock::~EngineLock() { --held; }

bool HoldsEngine() { return held > 0; }

}  // namespace qpkv

// See engine_turn.h.
#include "engine/engine_turn.h"

namespace qpkv {
namespace {
thread_local int turns = 0;
}  // namespace

EngineTurn::EngineTurn(Engine& engine) : engine_(engine), lock_(engine.mutex) { ++turns; }
EngineTurn::~EngineTurn() { --turns; }

bool InTurn() { return turns > 0; }

}  // namespace qpkv

export { uniform, uniform as default } from './uniform.ts'
export { equalMemory } from './equal-memory.ts'

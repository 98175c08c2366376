export { l2norm, l2norm as default } from './l2norm.ts'
export { wholeFirst } from './whole-first.ts'

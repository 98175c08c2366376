export { pyramidkv, pyramidkv as default } from './pyramidkv.ts'
export { pyramid } from './pyramid.ts'
export { exactPyramid, flooredPyramid, type PyramidOptions } from './pyramid-budget.ts'

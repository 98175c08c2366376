export { pyramidkv, pyramidkv as default } from './pyramidkv.ts'
export { exactPyramid, flooredPyramid, type PyramidOptions } from './pyramid-budget.ts'

export { layerquant, layerquant as default } from './layerquant.ts'
export { layerRange } from './layer-range.ts'

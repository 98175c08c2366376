export { layerquant, layerquant as default } from './layerquant.ts'

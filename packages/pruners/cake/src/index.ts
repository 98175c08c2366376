export { cake, cake as default } from './cake.ts'
export { layerPreference } from './layer-preference.ts'
export { layerBudgets, preferenceOf, type LayerPreference } from './layer-budgets.ts'

export { turboquant, turboquant as default } from './turboquant.ts'
export { lloydMax } from './lloyd-max.ts'

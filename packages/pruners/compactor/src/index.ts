export { compactor, compactor as default } from './compactor.ts'

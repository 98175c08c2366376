export { tova, tova as default } from './tova.ts'

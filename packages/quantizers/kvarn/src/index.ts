export { kvarn, kvarn as default } from './kvarn.ts'

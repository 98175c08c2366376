export { random, random as default } from './random.ts'

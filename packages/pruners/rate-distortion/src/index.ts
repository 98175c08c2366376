export { rateDistortion, rateDistortion as default } from './rate-distortion.ts'
export { codeDistortion } from './code-distortion.ts'

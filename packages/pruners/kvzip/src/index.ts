export { kvzip, kvzip as default } from './kvzip.ts'
export { modelWide } from './model-wide.ts'
export { recordHeads, type HeadRecorder } from './record-heads.ts'

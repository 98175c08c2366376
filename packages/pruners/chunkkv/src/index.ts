export { chunkkv, chunkkv as default } from './chunkkv.ts'
export { wholeChunks } from './whole-chunks.ts'

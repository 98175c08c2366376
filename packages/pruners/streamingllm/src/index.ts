export { streamingllm, streamingllm as default } from './streamingllm.ts'

export { expectedAttention, expectedAttention as default } from './expected-attention.ts'

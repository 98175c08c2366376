export { keydiff, keydiff as default } from './keydiff.ts'

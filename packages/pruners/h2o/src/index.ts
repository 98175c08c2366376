export { h2o, h2o as default } from './h2o.ts'

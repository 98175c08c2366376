export { vatp, vatp as default } from './vatp.ts'

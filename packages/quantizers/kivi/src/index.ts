export { kivi, kivi as default } from './kivi.ts'
export {
  codeHqq,
  hqqBytes,
  hqqPlanBytes,
  packHqq,
  roundTripHqq,
  type HqqCoded,
  type HqqStorage,
} from './hqq-storage.ts'

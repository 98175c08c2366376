export { duoattention, duoattention as default } from './duoattention.ts'
export { headTable } from './head-table.ts'
export {
  checkHeadTable,
  headTableHash,
  headTableOf,
  readHeadTable,
  type HeadTable,
  type TableModel,
} from './head-tables.ts'

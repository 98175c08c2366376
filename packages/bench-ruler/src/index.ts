export { lengthTable, type LengthRow, type LengthScore } from './metrics/length-table.ts'

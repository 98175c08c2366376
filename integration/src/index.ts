export { checkGoldens, type CheckOptions } from './check-goldens/check-goldens.ts'
export { formatResult, type FamilyResult } from './check-goldens/report.ts'
